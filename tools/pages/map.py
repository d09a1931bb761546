"""The map of the first page: every mechanism, its family against the year of its paper, as SVG."""

from html import escape
from importlib import import_module
from pathlib import Path

from attention_lib.cards.card import Card
from attention_lib.catalog import FAMILIES, catalog, find
from tools.chapters import ROOT
from tools.pages.mechanisms import year
from tools.pages.reading import chapter_of

WIDTH, LEFT, RIGHT, LINE = 360, 6, 24, 20  # in pixels of a narrow phone
LETTER = 6.2  # about the width of a letter


def drawing(root: Path = ROOT) -> str:
    """Families from top to bottom, years from left to right; each name is a link."""
    years = {card: int(year(card, root)) for card in catalog()}
    first, last = min(years.values()), max(years.values())
    step = (WIDTH - LEFT - RIGHT) / (last - first + 1)
    across = {when: LEFT + step * (when - first) for when in range(first, last + 1)}
    parts = [_text(x, 14, str(when), "year") for when, x in across.items()]
    bottom = LINE
    for family in FAMILIES:
        parts.append(_heading(family, bottom, root))
        rows: list[list[tuple[float, float]]] = []  # what is taken of each, from left to right
        for card in sorted(catalog(family), key=lambda card: len(short(card))):
            when = years[card]
            box = across[when] - 4, across[when] + 10 + LETTER * len(short(card))
            free = (i for i, taken in enumerate(rows) if all(_apart(box, other) for other in taken))
            row = next(free, len(rows))
            rows += [[]] * (row == len(rows))
            rows[row] = [*rows[row], box]
            parts.append(_point(card, when, across[when], bottom + (row + 2) * LINE))
        bottom += (len(rows) + 1) * LINE + 10
    grid = "".join(f"M{x - 4:g} {LINE}V{bottom:g}" for x in across.values())
    name = f"{len(years)} mechanisms in {len(FAMILIES)} families, from {first} to {last}"
    return "\n".join(
        [
            f'<svg class="map" viewBox="0 0 {WIDTH} {bottom:g}" role="group"'
            f' aria-label="{name}" xmlns="http://www.w3.org/2000/svg">',
            f'<path class="grid" d="{grid}"/>',
            *parts,
            "</svg>",
        ]
    )


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[1] < other[0] or other[1] < one[0]


def short(card: Card) -> str:
    """The shortest of its own names that is no other's."""
    own = [str(card), card.stem, *card.aliases]
    return min((name for name in own if _only(card, name)), key=len)


def _only(card: Card, name: str) -> bool:
    try:
        return find(name) is card
    except ValueError:  # the name of several
        return False


def _heading(family: str, top: float, root: Path) -> str:
    shelf = import_module(f"attention_lib.{family}")
    title, _, _ = (shelf.__doc__ or "").partition(": ")
    found = chapter_of(family, root)
    line = _text(LEFT, top + 17, title + ("" if found else " (no chapter yet)"), "family")
    rule = f'<path class="rule" d="M0 {top + 2:g}H{WIDTH}"/>'
    return rule + (f'<a href="../notebooks/{family}.html">{line}</a>' if found else line)


def _point(card: Card, when: int, x: float, y: float) -> str:
    told = escape(f"{card.title}, {when}")
    link = f"api/{card.family}/{card}.html"
    mark = f'<circle cx="{x + 1:g}" cy="{y - 4:g}" r="3.5"/>'
    return f'<a href="{link}" aria-label="{told}">{mark}{_text(x + 7, y, short(card), "name")}</a>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'
