"""Figures of training runs, and of gates by name."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from attention_lib.teaching.plot.style import (
    FRAME,
    PAPER,
    empty_axes,
    layered,
    looks,
    styled,
    title_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def dots(
    runs: Sequence[Mapping],
    y: str = "accuracy",
    *,
    chance: float | None = None,
) -> "Figure":
    """Each run a point, and each variant's mean a bar.

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
    styles = looks(variants)
    height = 0.9 + 0.45 * len(variants)
    figure, panels = empty_axes(len(tasks), 3, height, width=7.0, shared=True)
    for task, axes in zip(tasks, panels, strict=False):
        for place, variant in enumerate(variants):
            values = [r[y] for r in runs if (r["task"], r["variant"]) == (task, variant)]
            if not values:
                continue
            style = styles[variant] | dict(linestyle="")
            step = 0.36 / max(len(values) - 1, 1)
            apart = [place - 0.2 + step * i for i in range(len(values))]
            axes.plot(values, apart, alpha=0.6, label=variant, **style)
            mean = fmean(values)
            axes.plot([mean] * 2, [place - 0.33, place + 0.33], color=style["color"])
        if chance is not None:
            axes.axvline(chance, color=FRAME, linestyle=":", linewidth=1)
            axes.annotate(" chance", (chance, -0.6), fontsize=8, va="center")
        axes.set_yticks(range(len(variants)), labels=[*map(title_of, variants)])
        axes.set_ylim(len(variants) - 0.4, -0.8)
        axes.set_title(task, fontsize=10)
    for unused in panels[len(tasks) :]:
        unused.set_axis_off()
    figure.supxlabel(f"{y}   (a point: a run; a bar: their mean)", fontsize=9)
    return figure


@styled
def curves(
    runs: Sequence[Mapping],
    x: str,
    y: str = "accuracy",
    *,
    chance: float | None = None,
) -> "Figure":
    """Each variant's mean against `x`; shaded from the lowest run to the highest.

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
    figure, [axes] = empty_axes(1, height=2.4 + 0.2 * len(variants))
    for place, (variant, look) in enumerate(looks(variants).items()):
        own = [run for run in runs if run["variant"] == variant]
        sizes = sorted({run[x] for run in own})
        found = [[run[y] for run in own if run[x] == size] for size in sizes]
        style = look | layered(place)
        axes.plot(sizes, [*map(fmean, found)], label=title_of(variant), **style)
        low, high = [*map(min, found)], [*map(max, found)]
        axes.fill_between(sizes, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if chance is not None:
        axes.axhline(chance, color=FRAME, linestyle=":", linewidth=1)
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


@styled
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
    figure, [axes] = empty_axes(1, height=0.9 + 0.3 * len(names) * max(1, 0.6 * len(series)))
    thick, styles = 0.8 / len(series), looks(series)
    for place, mechanism in enumerate(series):
        where = [row - 0.4 + thick * (place + 0.5) for row in range(len(names))]
        lengths = [float(values[mechanism][name]) for name in names]
        hatch = ("", "///", "xxx", "|||", "\\\\\\")[place % 5]
        axes.barh(where, lengths, thick, color=styles[mechanism]["color"], hatch=hatch,
                  edgecolor=PAPER, label=title_of(mechanism))  # fmt: skip
    axes.set_yticks(range(len(names)), labels=names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)
    if len(series) > 1:
        figure.legend(loc="outside upper left", fontsize=9, ncols=3)
    else:
        axes.set_title(title_of(series[0]), fontsize=10, loc="left")
    return figure
