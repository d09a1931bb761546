"""The book's figures: one style, and one look for each mechanism wherever it appears.

Every function returns a matplotlib Figure: a notebook shows it as a cell's last line, and
elsewhere `figure.savefig("name.png")` keeps it.  Figures stand on white, so they read on a dark
page too; what colour says, a marker and a line style say again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import wraps
from itertools import product
from math import floor, log10
from typing import TYPE_CHECKING, Any, ParamSpec

from attention_lib.bench import Row, fit, interval
from attention_lib.catalog import FAMILIES, catalog, find

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType
    from torch import Tensor

Arguments = ParamSpec("Arguments")
# Okabe and Ito's colours, told apart with any colour vision, but for their yellow, which is too
# pale on white; and Tol's wine red.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4A3A", "#882255")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
STROKES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)))
OTHERS = ("#555555", "#8A8A8A", "#000000")  # baselines, and whatever is not in the catalogue
SETTINGS: "dict[RcKeyType, Any]" = {
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "axes.facecolor": "white",
    "axes.edgecolor": "#333333",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "text.color": "#111111",
}
NAMES = {  # of the columns: in words, and the unit
    "seconds": ("time", "s"),
    "peak_bytes": ("peak memory", "B"),
    "params": ("parameters", ""),
    "macs": ("multiply-adds", ""),
    "memory": ("numbers in the largest tensor", ""),
}


def _styled(draw: "Callable[Arguments, Figure]") -> "Callable[Arguments, Figure]":
    """Draw in the book's style, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> "Figure":
        from matplotlib import pyplot

        with pyplot.rc_context(SETTINGS):
            return draw(*args, **kwargs)

    return drawn


def look(name: str, others: Sequence[str] = ()) -> dict[str, Any]:
    """Colour, marker and line style of a mechanism, by its place in its family.

    Args:
        name: class name or alias; what is in no catalogue, a baseline say, is grey.
        others: the names in the figure, in order. No two of 64 look alike: a mechanism whose look
            one before it has, from another family, takes the next marker,
            and the next colour when all markers are taken.
    """
    looks: dict[str, dict[str, Any]] = {}
    greys = 0
    name, *others = (str(find(n)) if _known(n) else n for n in (name, *others))
    for other in dict.fromkeys((*others, name)):
        if _known(other):
            card = find(other)
            place = [str(c) for c in catalog(card.family)].index(str(card))
            for turn in range(len(COLOURS) * len(MARKERS)):
                shift = FAMILIES.index(card.family) + turn
                style = _style(COLOURS, place + turn // len(MARKERS), shift)
                if style not in looks.values():
                    break
        else:
            style = _style(OTHERS, greys, -1 - 2 * greys)  # from the last marker backwards
            greys += 1
        looks[other] = style
    return looks[name]


def _style(colours: Sequence[str], place: int, shift: int) -> dict[str, Any]:
    """Each colour comes with every marker before a look is repeated."""
    turn = place + shift + place // len(COLOURS)
    return dict(
        color=colours[place % len(colours)],
        marker=MARKERS[turn % len(MARKERS)],
        linestyle=STROKES[turn % len(STROKES)],
    )


@_styled
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

    figure, [axes] = _panels(1, height=3.2 + 0.2 * len(names))
    for place, name in enumerate(names):
        own = sorted((r for r in table if r["mechanism"] == name), key=lambda row: row["size"])
        sizes, values = [r["size"] for r in own], [r[y] for r in own]
        style = look(name, names)
        # each thinner than the one before, so that lines on top of each other all show
        style |= dict(linewidth=max(3.2 - 0.5 * place, 1.2), markersize=max(9 - place, 4))
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


@_styled
def dots(
    runs: Sequence[Mapping],
    y: str = "accuracy",
    *,
    chance: float | None = None,
) -> "Figure":
    """Each run a point, and each variant's mean with its 95 % confidence interval.

    Args:
        runs: {"task": ..., "variant": ..., "seed": ..., y: ...} each; a panel a task.
        y: what to show of a run.
        chance: what guessing reaches, drawn as a line.

    Raises:
        ValueError: if there are no runs, or they do not hold `y`.
    """
    if not runs:
        raise ValueError("there are no runs to draw")
    if y not in runs[0]:
        raise ValueError(f"runs have no {y!r}; they have {', '.join(runs[0])}")
    tasks = list(dict.fromkeys(run["task"] for run in runs))
    variants = list(dict.fromkeys(run["variant"] for run in runs))
    height = 0.9 + 0.45 * len(variants)
    figure, panels = _panels(len(tasks), 3, height, width=7.4, shared=True)
    for task, axes in zip(tasks, panels, strict=False):
        for place, variant in enumerate(variants):
            values = [r[y] for r in runs if (r["task"], r["variant"]) == (task, variant)]
            if not values:
                continue
            style = look(variant, variants)
            style.pop("linestyle")
            step = 0.36 / max(len(values) - 1, 1)
            apart = [place - 0.2 + step * i for i in range(len(values))]
            axes.plot(values, apart, linestyle="", alpha=0.55, label=variant, **style)
            mean, low, high = interval(values)
            axes.plot([low, high], [place + 0.3] * 2, color=style["color"])
            axes.plot([mean], [place + 0.3], marker="|", markersize=11, color=style["color"])
        if chance is not None:
            axes.axvline(chance, color="#333333", linestyle=":", linewidth=1)
            axes.annotate(" chance", (chance, -0.6), fontsize=8, va="center")
        axes.set_yticks(range(len(variants)), labels=[_title(name) for name in variants])
        axes.set_ylim(len(variants) - 0.4, -0.8)
        axes.set_title(task, fontsize=10)
    for unused in panels[len(tasks) :]:
        unused.set_axis_off()
    figure.supxlabel(f"{y}   (a point a run; bar: mean and its 95 % interval)", fontsize=9)
    return figure


@_styled
def curves(
    runs: Sequence[Mapping],
    x: str,
    y: str = "accuracy",
    *,
    chance: float | None = None,
) -> "Figure":
    """Each variant's mean against `x`, with its 95 % confidence interval shaded, over the runs.

    Args:
        runs: {"variant": ..., x: ..., y: ...} each; of a variant several at every `x`.
        x: what grows, by factors of two.
        y: what to show of a run.
        chance: what guessing reaches, drawn as a line.

    Raises:
        ValueError: if there are no runs, or they do not hold `x` and `y`.
    """
    if not runs:
        raise ValueError("there are no runs to draw")
    for name in (x, y):
        if name not in runs[0]:
            raise ValueError(f"runs have no {name!r}; they have {', '.join(runs[0])}")
    variants = list(dict.fromkeys(run["variant"] for run in runs))
    figure, [axes] = _panels(1, height=2.4 + 0.2 * len(variants))
    for variant in variants:
        own = [run for run in runs if run["variant"] == variant]
        sizes = sorted({run[x] for run in own})
        bands = [interval([run[y] for run in own if run[x] == size]) for size in sizes]
        mean, low, high = zip(*bands, strict=True)
        style = look(variant, variants)
        axes.plot(sizes, mean, label=_title(variant), **style)
        axes.fill_between(sizes, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if chance is not None:
        axes.axhline(chance, color="#333333", linestyle=":", linewidth=1)
        axes.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), fontsize=8)
        axes.set_ylim(bottom=min(axes.get_ylim()[0], chance - 0.03))
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted({run[x] for run in runs}), labels=None)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    figure.legend(loc="outside upper left", fontsize=9, ncols=2)
    return figure


@_styled
def bars(values: Mapping[str, Mapping[str, float]], label: str = "gate") -> "Figure":
    """Named gates as horizontal bars, those of several mechanisms side by side.

    Args:
        values: mechanism -> {name of the gate: how far it is open}.
        label: what the bars measure.

    Raises:
        ValueError: if there is nothing to draw, or the mechanisms name different gates.
    """
    if not values or not all(values.values()):
        raise ValueError("there are no bars to draw")
    series = list(values)
    names = list(values[series[0]])
    for mechanism in series:
        if list(values[mechanism]) != names:
            raise ValueError(f"{mechanism} names {list(values[mechanism])}, {series[0]} {names}")
    figure, [axes] = _panels(1, height=0.7 + 0.3 * len(names) * max(1, 0.6 * len(series)))
    thick = 0.8 / len(series)
    for place, mechanism in enumerate(series):
        where = [row - 0.4 + thick * (place + 0.5) for row in range(len(names))]
        lengths = [float(values[mechanism][name]) for name in names]
        hatch = ("", "///", "...", "xxx", "\\\\\\")[place % 5]
        axes.barh(where, lengths, thick, color=look(mechanism, series)["color"], hatch=hatch,
                  edgecolor="white", label=_title(mechanism))  # fmt: skip
    axes.set_yticks(range(len(names)), labels=names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
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
    figure, [axes] = _panels(1, height=0.8 + 0.21 * len(names), width=7.4)
    for turn, one in enumerate(series):
        chosen = [row for row in rows if row["series"] == one]
        where = [names.index(row["name"]) + 0.22 * (turn - (len(series) - 1) / 2) for row in chosen]
        values = [row["ratio"] for row in chosen]
        margins = [[v - row["low"] for v, row in zip(values, chosen, strict=True)],
                   [row["high"] - v for v, row in zip(values, chosen, strict=True)]]  # fmt: skip
        axes.errorbar(values, where, xerr=margins, markersize=4, elinewidth=1, label=one,
                      **_style(COLOURS, turn, 0) | dict(linestyle=""))  # fmt: skip
    axes.axvline(1, color="#333333", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(names)), labels=names, fontsize=8)
    axes.set_ylim(-0.8, len(names) - 0.2)
    axes.set_xlabel(label)
    axes.legend(fontsize=9, loc="lower right")
    return figure


@_styled
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
    figure, panels = _panels(len(families), 2, height=2.9, width=7.4, shared=True)
    for family, axes in zip(families, panels, strict=False):
        chosen = [row for row in rows if row["family"] == family]
        names = [row["name"] for row in chosen]
        for row in chosen:
            style = look(row["name"], names)
            style.pop("linestyle")
            axes.plot(row["memory"], row["arithmetic"], linestyle="", label=_title(row["name"]),
                      **style)  # fmt: skip
        axes.set_title(family, fontsize=10)
        axes.legend(fontsize=7, loc="upper right", handletextpad=0.1)
        for limit, side in ((axes.set_xlim, "memory"), (axes.set_ylim, "arithmetic")):
            limit(-0.03, 1.05 * max(1.0, *(row[side] for row in rows)))
    for unused in panels[len(families) :]:
        unused.set_axis_off()
    figure.supxlabel("share of the speed of a copy", fontsize=9)
    figure.supylabel("share of the speed of a matrix product", fontsize=9)
    return figure


@_styled
def scatter(rows: Sequence[Mapping], x: str, y: str) -> "Figure":
    """Mechanisms as points, log–log, with their short names; what is nought stands at the edge.

    A name that finds no free place beside its point is left out: draw a crowd again by itself.

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
    figure, [axes] = _panels(1, height=5.2, width=7.4)
    for turn, family in enumerate(FAMILIES):
        own = [row for row in rows if find(row["mechanism"]).family == family]
        if own:
            axes.plot([row[x] for row in own], [row[y] for row in own], label=family,
                      **_style(COLOURS, turn, 0) | dict(linestyle=""))  # fmt: skip
    for column, set_scale, set_label in ((x, axes.set_xscale, axes.set_xlabel),
                                         (y, axes.set_yscale, axes.set_ylabel)):  # fmt: skip
        smallest = min((row[column] for row in rows if row[column]), default=1)
        set_scale("symlog", linthresh=10 ** floor(log10(smallest)))
        set_label(column)
    axes.margins(0.06)
    figure.legend(
        fontsize=9, loc="outside upper left", ncols=min(len(FAMILIES), 8), columnspacing=1
    )
    figure.draw_without_rendering()
    points = [tuple(axes.transData.transform((row[x], row[y]))) for row in rows]
    taken: list[tuple[float, ...]]
    taken = [(across - 4, up - 4, across + 4, up + 4) for across, up in points]
    for row, point in zip(rows, points, strict=True):
        name = find(row["mechanism"]).aliases[0]
        if box := _free(point, 5.4 * len(name), 11, taken):
            taken.append(box)
            left, low = axes.transData.inverted().transform(box[:2])
            axes.annotate(name, (left, low), fontsize=7.5)
    return figure


def _free(
    point: Sequence[float], long: float, tall: float, taken: Sequence[tuple[float, ...]]
) -> tuple[float, ...] | None:
    """A box of this size near a point that meets none of the taken ones: left, low, right, high."""
    across, up = point
    for rise in (0, 8, -8):
        for left in (across + 6, across - 6 - long, across - long / 2):
            box = (left, up + rise - tall / 2, left + long, up + rise + tall / 2)
            if not any(
                box[0] < right and other < box[2] and box[1] < high and low < box[3]
                for other, low, right, high in taken
            ):
                return box
    return None


@_styled
def maps(
    images: "Sequence[Tensor]",
    titles: Sequence[str] | None = None,
    *,
    columns: int = 4,
    limits: tuple[float, float] | None = None,
    side: float = 1.4,
) -> "Figure":
    """A grid of pictures and feature maps.

    Args:
        images: pictures (3, height, width) in [0, 1]; maps (height, width), from dark to bright.
        titles: one each.
        columns: in a row, at most.
        limits: the darkest and the brightest value of all maps; each map's own if None.
        side: the width of each on the page, in inches; many large photographs are heavy.

    Raises:
        ValueError: if there are no images, not as many titles, or one is of another shape.
    """
    shown = [image.detach().cpu().float().numpy() for image in images]
    titles = [""] * len(shown) if titles is None else titles
    if not shown or len(shown) != len(titles):
        raise ValueError(f"{len(shown)} images and {len(titles)} titles")
    for image in shown:
        if image.ndim != 2 and (image.ndim != 3 or len(image) != 3):
            wish = "(height, width) or (3, height, width)"
            raise ValueError(f"an image must be {wish}, got {image.shape}")
    columns = min(columns, len(shown))
    lowest, highest = limits or (None, None)
    shape = max(image.shape[-2] / image.shape[-1] for image in shown)
    lines_of_title = 1 + max(title.count("\n") for title in titles)
    height = side * shape + 0.2 * lines_of_title
    figure, panels = _panels(len(shown), columns, height=height, width=side * columns)
    for image, title, axes in zip(shown, titles, panels, strict=False):
        if image.ndim == 3:
            axes.imshow(image.transpose(1, 2, 0).clip(0, 1), interpolation="nearest")
        else:
            axes.imshow(image, cmap="cividis", vmin=lowest, vmax=highest, interpolation="nearest")
        axes.set_title(title, fontsize=9)
    for axes in panels:
        axes.set_axis_off()
    return figure


@_styled
def weights(
    matrices: "Mapping[str, Tensor]",
    tokens: Sequence[str] = (),
    others: Sequence[str] = (),
    *,
    sides: tuple[str, str] = ("query", "key"),
    numbers: bool = False,
    columns: int = 2,
    side: float = 3.0,
) -> "Figure":
    """Matrices of attention weights, white for 0 and dark for 1: a row a query, a column a key.

    Args:
        matrices: title -> (tokens, others), between 0 and 1.
        tokens: what the queries are called; numbers from 1 if none.
        others: what the keys are called, if not as the queries.
        sides: what rows and columns are.
        numbers: whether each weight is also written; for small matrices.
        columns: matrices in a row, at most.
        side: the width of each on the page, in inches.

    Raises:
        ValueError: if there is no matrix, one is of another shape, or the names do not fit.
    """
    from matplotlib.colors import LinearSegmentedColormap

    if not matrices:
        raise ValueError("there are no weights to draw")
    shown = [matrix.detach().cpu().float().numpy() for matrix in matrices.values()]
    high, wide = shown[0].shape
    if any(matrix.shape != (high, wide) for matrix in shown):
        raise ValueError(f"matrices differ in shape: {[matrix.shape for matrix in shown]}")
    others = others or (tokens if high == wide else ())
    for names, size in ((tokens, high), (others, wide)):
        if names and len(names) != size:
            raise ValueError(f"{len(names)} names for {size} tokens")
    shade = LinearSegmentedColormap.from_list("weights", ["white", COLOURS[0], "#002844"])
    columns = min(columns, len(shown))
    height, width = side * high / wide + 0.5, side * columns + 0.5
    figure, panels = _panels(len(shown), columns, height, width)
    for title, matrix, axes in zip(matrices, shown, panels, strict=False):
        axes.imshow(matrix, cmap=shade, vmin=0, vmax=1, interpolation="nearest")
        axes.grid(visible=False)
        axes.set_title(title, fontsize=10)
        axes.set_yticks(*_ticks(tokens, high))
        axes.set_xticks(*_ticks(others, wide), rotation=90 if others else 0)
        axes.tick_params(labelsize=8, length=0)
        axes.set_xlabel(sides[1], fontsize=9)
        for row, column in product(range(high), range(wide)) if numbers else ():
            weight = matrix[row, column]
            ink = "white" if weight > 0.4 else "#111111"
            axes.text(column, row, f"{weight:.2f}", color=ink, ha="center", va="center", fontsize=8)
    for axes in panels[::columns]:
        axes.set_ylabel(sides[0], fontsize=9)
    for unused in panels[len(shown) :]:
        unused.set_axis_off()
    return figure


def _ticks(names: Sequence[str], size: int) -> tuple[list[int], list[str]]:
    """Where the axis of a matrix is named, and how: each token by its name, or every third."""
    if names:
        return list(range(size)), list(names)
    places = list(range(0, size, 1 if size < 6 else 3))
    return places, [str(place + 1) for place in places]


def _panels(
    count: int,
    columns: int = 2,
    height: float = 3.0,
    width: float = 6.4,
    shared: bool = False,
) -> "tuple[Figure, list[Axes]]":
    """Empty axes in a new figure, which pyplot forgets at once, lest a notebook show it twice."""
    from matplotlib import pyplot

    columns = min(columns, count)
    rows = -(-count // columns)
    size = (width, height * rows)
    figure, panels = pyplot.subplots(
        rows, columns, figsize=size, sharex=shared, sharey=shared, squeeze=False
    )
    pyplot.close(figure)
    return figure, list(panels.flat)


def _known(name: str) -> bool:
    try:
        find(name)
    except ValueError:
        return False
    return True


def _title(name: str) -> str:
    """A mechanism's name in words."""
    return find(name).title if _known(name) else name


def _legend(name: str, sizes: Sequence[int], values: Sequence[float], fitted: bool) -> str:
    try:
        return f"{_title(name)}: {fit(sizes, values)}" if fitted else _title(name)
    except ValueError:  # too few sizes for an exponent
        return _title(name)
