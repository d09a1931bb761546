"""How every page is written: tables, costs and properties in words, and a page of blocks."""

from collections.abc import Iterable

from attention_lib.cards import notation
from attention_lib.cards.card import Card
from attention_lib.measure.order import big_o

COST_NAMES = notation.COUNTED | {"state": "state, kept while decoding"}
Row = list[str]


def table(heads: Row, rows: Iterable[Row], name: str = "") -> str:
    """A table as a MyST directive; a cell may hold several paragraphs."""

    def cell(text: str, first: bool) -> str:
        lines = text.split("\n")
        begin = "* - " if first else "  - "
        return "\n".join([begin + lines[0], *(("    " + line).rstrip() for line in lines[1:])])

    lines = [cell(text, i == 0) for row in [heads, *rows] for i, text in enumerate(row)]
    style = f":class: {name}\n" if name else ""
    return "\n".join([f"```{{list-table}}\n:header-rows: 1\n{style}", *lines, "```"])


def words(identifier: str) -> str:
    """`only_attenuates` as people write it."""
    return identifier.replace("_", " ")


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def growth(card: Card, kind: str) -> str:
    """Its Big-O; "none" where nothing is counted."""
    return " ".join(f"${part}$" for part in breakable(big_o(card, kind))) or "none"


def breakable(formula: str) -> list[str]:
    """A sum as one formula a term, so that a narrow cell can break it before a plus."""
    first, *others = formula.split(" + ")
    return [first, *(f"{{}}+ {term}" for term in others)] if first else []


def page(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"
