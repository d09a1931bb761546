"""Figures of tensors: pictures, feature maps, attention weights."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

from attention_lib.teaching.plot.style import COLOURS, DARK, LIGHT, empty_axes, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor


@styled
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
    rows = [range(n, min(n + columns, len(shown))) for n in range(0, len(shown), columns)]
    lines = 1 + max(title.count("\n") for title in titles)
    heights = [
        side * max(shown[n].shape[-2] / shown[n].shape[-1] for n in row) + 0.2 * lines
        for row in rows
    ]
    values = [n for n, image in enumerate(shown) if image.ndim == 2]
    bars = 0.7 if values and limits else 0.45 * columns if values else 0.0  # inches
    figure, panels = empty_axes(len(shown), columns, heights, side * columns + bars)
    for image, title, axes in zip(shown, titles, panels, strict=False):
        if image.ndim == 3:
            axes.imshow(image.transpose(1, 2, 0).clip(0, 1), interpolation="none")
        else:
            axes.imshow(image, cmap="cividis", vmin=lowest, vmax=highest, interpolation="none")
        axes.set_title(title, fontsize=9)
    if values and limits:
        _bar(figure, panels, panels[values[0]])
    for number in () if limits else values:
        _bar(figure, [panels[number]], panels[number])
    for axes in panels:
        axes.set_axis_off()
    return figure


@styled
def weights(
    matrices: "Mapping[str, Tensor]",
    tokens: Sequence[str] = (),
    others: Sequence[str] = (),
    *,
    sides: tuple[str, str] = ("query", "key"),
    label: str = "weight",
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
        label: what the colour bar says that they hold.
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
    height, width = side * high / wide + 0.5, side * columns + 0.9
    figure, panels = empty_axes(len(shown), columns, height, width)
    for title, matrix, axes in zip(matrices, shown, panels, strict=False):
        axes.imshow(matrix, cmap=shade, vmin=0, vmax=1, interpolation="none")
        axes.grid(visible=False)
        axes.set_title(title, fontsize=10)
        axes.set_yticks(*_ticks(tokens, high))
        axes.set_xticks(*_ticks(others, wide), rotation=90 if others else 0)
        axes.tick_params(labelsize=8, length=0)
        axes.set_xlabel(sides[1], fontsize=9)
        for row, column in product(range(high), range(wide)) if numbers else ():
            weight = matrix[row, column]
            ink = LIGHT if weight > 0.4 else DARK
            axes.text(column, row, f"{weight:.2f}", color=ink, ha="center", va="center", fontsize=8)
    for axes in panels[::columns]:
        axes.set_ylabel(sides[0], fontsize=9)
    for unused in panels[len(shown) :]:
        unused.set_axis_off()
    _bar(figure, panels, panels[0], label)
    return figure


def _bar(figure: "Figure", beside: "Sequence[Axes]", shown: "Axes", label: str = "") -> None:
    """A colour bar beside some axes, for what one of them shows."""
    one = len(beside) == 1
    thick, aspect = (0.08, 15) if one else (0.05, 30)
    bar = figure.colorbar(shown.images[0], ax=list(beside), label=label, pad=0.03, fraction=thick,
                          aspect=aspect)  # fmt: skip
    for colours in bar.ax.collections:
        colours.set_rasterized(True)  # one small picture, not a path for each colour
    bar.outline.set_visible(False)
    bar.ax.locator_params(nbins=3 if one else 5)
    bar.ax.tick_params(labelsize=8, length=2)


def _ticks(names: Sequence[str], size: int) -> tuple[list[int], list[str]]:
    """Where the axis of a matrix is named, and how: each token by its name, or every third."""
    if names:
        return list(range(size)), list(names)
    places = list(range(0, size, 1 if size < 6 else 3))
    return places, [str(place + 1) for place in places]
