"""One style for all figures, and one look for each mechanism wherever it appears."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING, Any, ParamSpec

from attention_lib.catalog import FAMILIES, catalog, find

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType


Arguments = ParamSpec("Arguments")


# Okabe and Ito's colours, told apart with any colour vision, but for their yellow, which is too
# pale on white; and Tol's wine red.  book/_static/figures.css has each for a dark page.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4A3A", "#882255")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
STROKES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)))
CONTROLS = (
    "none",
    "no attention",
    "constant",
    "dense attention",
)  # what the others are held against
GREYS = ("#555555", "#8A8A8A", "#000000")
PAPER, INK, FRAME, GRID = "#FFFFFF", "#111111", "#333333", "#DDDDDD"
LIGHT, DARK = "#FAFAFA", "#0A0A0A"  # ink on a map, whose colours are the same on every page
SETTINGS: "dict[RcKeyType, Any]" = {
    "figure.facecolor": PAPER,
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "axes.facecolor": PAPER,
    "axes.edgecolor": FRAME,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
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


def looks(names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line style of each variant in a figure.

    - A mechanism's follow from its place in its family, so they are the same in every figure; the
      second of two that look alike, of different families, takes the next marker, and the next
      colour when all markers are taken.
    - "se, equal weights" has the colour of "se", and is hollow.
    - A control is grey.
    - The colour of any other name, "delta rule" say, follows from the name; of up to eight variants
      no two have the same if that can be.

    Args:
        names: class name, alias, or what else a variant is called; no two of 64 look alike.
    """
    found: dict[str, dict[str, Any]] = {}
    known = {name: find(name) for name in names if is_known(name)}
    for name, card in known.items():
        place = [str(c) for c in catalog(card.family)].index(str(card))
        for turn in range(len(COLOURS) * len(MARKERS)):
            shift = FAMILIES.index(card.family) + turn
            style = appearance(COLOURS, place + turn // len(MARKERS), shift)
            if style not in found.values():
                break
        found[name] = style
    for place, name in enumerate(name for name in names if name in CONTROLS):
        found[name] = appearance(GREYS, place, -1 - 2 * place)  # from the last marker backwards
    for name in names:
        if name not in found:
            found[name] = _free(name, list(found.values()), len(names) > len(COLOURS))
    return {name: found[name] for name in names}


def look(name: str) -> dict[str, Any]:
    """Colour, marker and line style of a variant alone in its figure."""
    return looks([name])[name]


def _free(name: str, taken: Sequence[Mapping[str, Any]], many: bool) -> dict[str, Any]:
    """A look that follows from a name, and that none has; nor its colour, unless there are many."""
    base = name.partition(",")[0]
    own = look(base)["color"] if is_known(base) else None
    used = [(other["color"], other["marker"]) for other in taken]
    colours, markers = zip(*used, strict=True) if used else ((), ())

    def unfit(pair: tuple[str, str]) -> tuple[int | str, ...]:
        drawn = (sha256(f"{name} {part}".encode()).hexdigest() for part in pair)
        again = 0 if many else colours.count(pair[0])
        return used.count(pair), again, markers.count(pair[1]), *drawn

    colour, marker = min(product((own,) if own else COLOURS, MARKERS), key=unfit)
    stroke = STROKES[MARKERS.index(marker)]
    hollow = dict(markerfacecolor=PAPER) if own else {}
    return dict(color=colour, marker=marker, linestyle=stroke, **hollow)


def appearance(colours: Sequence[str], place: int, shift: int) -> dict[str, Any]:
    """Each colour comes with every marker before a look is repeated."""
    turn = place + shift + place // len(COLOURS)
    return dict(
        color=colours[place % len(colours)],
        marker=MARKERS[turn % len(MARKERS)],
        linestyle=STROKES[turn % len(STROKES)],
    )


def layered(place: int) -> dict[str, float]:
    """Thinner than the line before, so that lines on top of each other all show."""
    return dict(linewidth=max(3.2 - 0.5 * place, 1.2), markersize=max(9 - place, 4))


def empty_axes(
    count: int,
    columns: int = 2,
    height: float | Sequence[float] = 3.0,
    width: float = 6.8,
    shared: bool = False,
) -> "tuple[Figure, list[Axes]]":
    """Empty axes in a new figure, closed in pyplot, so that a notebook shows it once.

    Args:
        height: of a row, in inches, or of each.
    """
    from matplotlib import pyplot

    from attention_lib.teaching.plot.drawing import Drawing

    columns = min(columns, count)
    rows = -(-count // columns)
    heights = [height] * rows if isinstance(height, int | float) else list(height)
    figure, panels = pyplot.subplots(
        rows, columns, figsize=(width, sum(heights)), sharex=shared, sharey=shared, squeeze=False,
        height_ratios=heights, FigureClass=Drawing,
    )  # fmt: skip
    pyplot.close(figure)
    return figure, list(panels.flat)


def is_known(name: str) -> bool:
    try:
        find(name)
    except ValueError:
        return False
    return True


def title_of(name: str) -> str:
    """A mechanism's name in words, and what is changed in it: "se, equal weights"."""
    base, comma, detail = name.partition(",")
    return f"{find(base).title}{comma}{detail}" if is_known(base) else name
