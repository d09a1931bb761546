"""One style for all figures, and one look for each mechanism wherever it appears."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from attention_lib.catalog import FAMILIES, catalog, find

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType


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


def styled(draw: "Callable[Arguments, Figure]") -> "Callable[Arguments, Figure]":
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
    name, *others = (str(find(n)) if is_known(n) else n for n in (name, *others))
    for other in dict.fromkeys((*others, name)):
        if is_known(other):
            card = find(other)
            place = [str(c) for c in catalog(card.family)].index(str(card))
            for turn in range(len(COLOURS) * len(MARKERS)):
                shift = FAMILIES.index(card.family) + turn
                style = appearance(COLOURS, place + turn // len(MARKERS), shift)
                if style not in looks.values():
                    break
        else:
            style = appearance(OTHERS, greys, -1 - 2 * greys)  # from the last marker backwards
            greys += 1
        looks[other] = style
    return looks[name]


def appearance(colours: Sequence[str], place: int, shift: int) -> dict[str, Any]:
    """Each colour comes with every marker before a look is repeated."""
    turn = place + shift + place // len(COLOURS)
    return dict(
        color=colours[place % len(colours)],
        marker=MARKERS[turn % len(MARKERS)],
        linestyle=STROKES[turn % len(STROKES)],
    )


def empty_axes(
    count: int,
    columns: int = 2,
    height: float = 3.0,
    width: float = 6.4,
    shared: bool = False,
) -> "tuple[Figure, list[Axes]]":
    """Empty axes in a new figure, closed in pyplot, so that a notebook shows it once."""
    from matplotlib import pyplot

    columns = min(columns, count)
    rows = -(-count // columns)
    size = (width, height * rows)
    figure, panels = pyplot.subplots(
        rows, columns, figsize=size, sharex=shared, sharey=shared, squeeze=False
    )
    pyplot.close(figure)
    return figure, list(panels.flat)


def is_known(name: str) -> bool:
    try:
        find(name)
    except ValueError:
        return False
    return True


def title_of(name: str) -> str:
    """A mechanism's name in words."""
    return find(name).title if is_known(name) else name
