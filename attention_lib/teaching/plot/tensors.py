"""Figures of tensors: pictures, feature maps, attention weights."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

from attention_lib.teaching.plot.style import COLOURS, empty_axes, styled

if TYPE_CHECKING:
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
    shape = max(image.shape[-2] / image.shape[-1] for image in shown)
    lines_of_title = 1 + max(title.count("\n") for title in titles)
    height = side * shape + 0.2 * lines_of_title
    figure, panels = empty_axes(len(shown), columns, height=height, width=side * columns)
    for image, title, axes in zip(shown, titles, panels, strict=False):
        if image.ndim == 3:
            axes.imshow(image.transpose(1, 2, 0).clip(0, 1), interpolation="nearest")
        else:
            axes.imshow(image, cmap="cividis", vmin=lowest, vmax=highest, interpolation="nearest")
        axes.set_title(title, fontsize=9)
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
    figure, panels = empty_axes(len(shown), columns, height, width)
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
