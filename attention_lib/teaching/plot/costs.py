"""Figures of what mechanisms cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import cos, dist, floor, log10, pi, sin
from typing import TYPE_CHECKING, Any

from attention_lib.catalog import FAMILIES, find
from attention_lib.measure.growth import fit
from attention_lib.measure.sweep import Row
from attention_lib.teaching.plot.style import (
    COLOURS,
    FRAME,
    NAMES,
    appearance,
    empty_axes,
    layered,
    looks,
    styled,
    title_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator


@styled
def lines(
    rows: Sequence[Row | Mapping[str, Any]],
    y: str = "seconds",
    *,
    axis: str | None = None,
    fitted: bool = True,
) -> "Figure":
    """Cost against size, log–log: a line a mechanism, eight rounds of ten shaded.

    Args:
        rows: of one `bench.sweep`, or as stored.
        y: a column: "seconds", "peak_bytes", "params", "macs" or "memory".
        axis: what the horizontal axis is called, if not as in the rows.
        fitted: whether the legend says the fitted exponent, with its 95 % confidence interval,
            where the rows have the five sizes over 16 times that it takes.

    Raises:
        ValueError: if there are no rows, or there is no such column.
    """
    table = [asdict(row) if isinstance(row, Row) else row for row in rows]
    if not table:
        raise ValueError("there are no rows to draw")
    if y not in table[0]:
        raise ValueError(f"no column {y!r}; there are {', '.join(table[0])}")
    names = list(dict.fromkeys(row["mechanism"] for row in table))
    from matplotlib.ticker import EngFormatter

    figure, [axes] = empty_axes(1, height=3.2 + 0.2 * len(names))
    for place, (name, look) in enumerate(looks(names).items()):
        own = sorted((r for r in table if r["mechanism"] == name), key=lambda row: row["size"])
        sizes, values = [r["size"] for r in own], [r[y] for r in own]
        style = look | layered(place)
        axes.plot(sizes, values, label=_legend(name, sizes, values, fitted), **style)
        if f"{y}_low" in own[0]:
            low, high = ([r[f"{y}_{end}"] for r in own] for end in ("low", "high"))
            axes.fill_between(sizes, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sorted({r["size"] for r in table}), labels=None)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel(axis or " = ".join(table[0]["axis"].split(",")))
    label, unit = NAMES.get(y, (y, ""))
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(EngFormatter(unit))
    title = "exponent of growth [95 % interval]" if fitted else None
    legend = figure.legend(loc="outside upper left", title=title, fontsize=9)
    legend.set_alignment("left")
    legend.get_title().set_fontsize(9)
    return figure


@styled
def ratios(rows: Sequence[Mapping], label: str) -> "Figure":
    """Ratios with their spread on a logarithmic axis, one line a name, the largest on top.

    Args:
        rows: {"name": ..., "series": ..., "ratio": ..., "low": ..., "high": ...} each; the series
            of a name stand on one line and differ in colour and marker.
        label: what the ratio is.

    Raises:
        ValueError: if there are no rows.
    """
    if not rows:
        raise ValueError("there are no ratios to draw")
    series = list(dict.fromkeys(row["series"] for row in rows))
    best: dict[str, float] = {}
    for row in rows:
        best[row["name"]] = max(best.get(row["name"], 0.0), row["ratio"])
    names = sorted(best, key=best.__getitem__)
    figure, [axes] = empty_axes(1, height=0.8 + 0.21 * len(names), width=7.0)
    for turn, one in enumerate(series):
        chosen = [row for row in rows if row["series"] == one]
        where = [names.index(row["name"]) + 0.22 * (turn - (len(series) - 1) / 2) for row in chosen]
        values = [row["ratio"] for row in chosen]
        margins = [[v - row["low"] for v, row in zip(values, chosen, strict=True)],
                   [row["high"] - v for v, row in zip(values, chosen, strict=True)]]  # fmt: skip
        axes.errorbar(values, where, xerr=margins, markersize=4, elinewidth=1, label=one,
                      **appearance(COLOURS, turn, 0) | dict(linestyle=""))  # fmt: skip
    axes.axvline(1, color=FRAME, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(_steps(*axes.get_xlim()))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), labels=names, fontsize=8)
    axes.set_ylim(-0.8, len(names) - 0.2)
    axes.set_xlabel(label)
    axes.legend(fontsize=9, loc="lower right")
    return figure


def _steps(low: float, high: float) -> "Locator":
    """Where a logarithmic axis is labelled: in even steps, at 1, 2, 5, 10, or at powers of ten."""
    from matplotlib.ticker import AutoLocator, LogLocator

    if high < 5 * low:
        return AutoLocator()
    return LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,))


@styled
def shares(rows: Sequence[Mapping]) -> "Figure":
    """How much of the machine's two speeds each mechanism reaches, a panel a family.

    Args:
        rows: {"family": ..., "name": ..., "arithmetic": ..., "memory": ...} each, the last two
            shares of the speed of a matrix product, and of a copy; what lies in a cache can be
            faster than a large copy.

    Raises:
        ValueError: if there are no rows.
    """
    if not rows:
        raise ValueError("there are no shares to draw")
    families = list(dict.fromkeys(row["family"] for row in rows))
    figure, panels = empty_axes(len(families), 2, height=2.9, width=7.0, shared=True)
    for family, axes in zip(families, panels, strict=False):
        chosen = [row for row in rows if row["family"] == family]
        styles = looks([row["name"] for row in chosen])
        for row in chosen:
            style = styles[row["name"]] | dict(linestyle="")
            axes.plot(row["memory"], row["arithmetic"], label=title_of(row["name"]), **style)
        axes.set_title(family, fontsize=10)
        for limit, side in ((axes.set_xlim, "memory"), (axes.set_ylim, "arithmetic")):
            limit(-0.03, 1.05 * max(1.0, *(row[side] for row in rows)))
    for unused in panels[len(families) :]:
        unused.set_axis_off()
    figure.supxlabel("share of the speed of a copy", fontsize=9)
    figure.supylabel("share of the speed of a matrix product", fontsize=9)
    _settle(figure)
    for family, axes in zip(families, panels, strict=False):
        chosen = [row for row in rows if row["family"] == family]
        _name(axes, [(r["memory"], r["arithmetic"], find(r["name"]).aliases[0]) for r in chosen])
    return figure


@styled
def scatter(rows: Sequence[Mapping], x: str, y: str) -> "Figure":
    """Mechanisms as points, log–log, with their short names; zeros stand at the edge.

    A name stands in the free place that is nearest; a line leads to it where that is not beside its
    point.

    Args:
        rows: {"mechanism": ..., x: ..., y: ...} each.
        x, y: the columns, which name the axes too.

    Raises:
        ValueError: if there are no rows, or a number is negative.
    """
    if not rows:
        raise ValueError("there are no points to draw")
    if (least := min(row[column] for row in rows for column in (x, y))) < 0:
        raise ValueError(f"{least} is negative: there is no place for it")
    from matplotlib.ticker import EngFormatter

    figure, [axes] = empty_axes(1, height=5.6, width=7.0)
    for turn, family in enumerate(FAMILIES):
        own = [row for row in rows if find(row["mechanism"]).family == family]
        if own:
            axes.plot([row[x] for row in own], [row[y] for row in own], label=family,
                      **appearance(COLOURS, turn, 0) | dict(linestyle=""))  # fmt: skip
    for column, set_scale, set_label, axis in (
        (x, axes.set_xscale, axes.set_xlabel, axes.xaxis),
        (y, axes.set_yscale, axes.set_ylabel, axes.yaxis),
    ):
        smallest = min((row[column] for row in rows if row[column]), default=1)
        set_scale("symlog", linthresh=10 ** floor(log10(smallest)))
        axis.set_major_formatter(EngFormatter())
        set_label(column)
    axes.margins(0.08)
    figure.legend(
        fontsize=9, loc="outside upper left", ncols=min(len(FAMILIES), 6), columnspacing=1
    )
    _settle(figure)
    _name(axes, [(row[x], row[y], find(row["mechanism"]).aliases[0]) for row in rows])
    return figure


Box = tuple[float, float, float, float]  # left, low, right, high


def _settle(figure: "Figure") -> None:
    """Lay a figure out; from here on its axes stay where they are."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _name(axes: "Axes", points: Sequence[tuple[float, float, str]]) -> None:
    """Write the name of each point in the free place that is nearest.

    A line leads to it where that is not beside the point.  The layout must be settled.
    """
    left, low, right, high = axes.bbox.extents
    across = [(x, y) for x, y in axes.transData.transform([point[:2] for point in points])]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in across]
    for (x, y, name), point in sorted(zip(points, across, strict=True), key=lambda pair: pair[1]):
        box = _free(point, 6 * len(name), 12, taken, (left, low, right, high))
        taken.append(box)
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        share = (middle[0] - left) / (right - left), (middle[1] - low) / (high - low)
        far = dict(arrowstyle="-", color=FRAME, linewidth=0.5, shrinkA=0, shrinkB=3)
        axes.annotate(
            name, (x, y), share, "data", "axes fraction", ha="center", va="center", fontsize=8,
            arrowprops=far if dist(middle, point) > 3 * len(name) + 12 else None,
        )  # fmt: skip


def _free(
    point: Sequence[float], long: float, tall: float, taken: Sequence[Box], frame: Box
) -> Box:
    """The box of this size, nearest to a point, that meets as few as possible of the taken ones."""
    across, up = point
    boxes = [
        (left, low, left + long, low + tall)
        for ring in range(12)
        for turn in range(16)
        for left in [across + (8 + long / 2 + 8 * ring) * cos(pi * turn / 8) - long / 2]
        for low in [up + (10 + 8 * ring) * sin(pi * turn / 8) - tall / 2]
        if frame[0] <= left <= frame[2] - long and frame[1] <= low <= frame[3] - tall
    ]
    return min(boxes, key=lambda box: sum(_meet(box, other) for other in taken))


def _meet(one: Box, other: Box) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


def _legend(name: str, sizes: Sequence[int], values: Sequence[float], fitted: bool) -> str:
    try:
        return f"{title_of(name)}: {fit(sizes, values)}" if fitted else title_of(name)
    except ValueError:  # too few sizes for an exponent
        return title_of(name)
