"""Beside the authors' own code: stored ratios of time and memory, theirs ÷ ours."""

import json
from functools import cache
from pathlib import Path

from attention_lib.cards.card import Card
from attention_lib.catalog import find
from attention_lib.measure.source import older
from tools.chapters import ROOT
from tools.pages.markdown import Row, page, table

HEADS = ["Set-up", "Pass", "Time", "Memory", "Their code"]
# Why ours is slower, where it is.
REASONS = {
    "MultiResolutionOverlappedAttention": "theirs reshapes tokens to a map without moving an axis,"
    " which costs nothing and mixes places and channels",
}


@cache
def _stored(root: Path) -> list[tuple[dict, list[str]]]:
    """What is stored on each machine, and whose code has changed since."""
    files = sorted((root / "book/results").glob("*/peers-authors.json"))
    payloads = [json.loads(file.read_text("utf-8")) for file in files]
    return [(payload, older(payload, root)) for payload in payloads]


def authors_rows(card: Card | None = None, root: Path = ROOT) -> list[tuple[Card, Row]]:
    """Each stored comparison, of one mechanism or of all."""
    return [
        (of, _row(row, row["mechanism"] in changed))
        for payload, changed in _stored(root)
        for row in payload["rows"]
        if card in (None, of := find(row["mechanism"]))
    ]


def _row(row: dict, changed: bool) -> Row:
    link = f"https://github.com/{row['repository']}/blob/{row['commit']}/{row['file']}"
    time = f"{row['time_ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    if row["high"] < 1:  # ours is slower, by all quartiles
        reason = row.get("reason") or REASONS.get(row["mechanism"], "")
        time += f"; behind{': ' * bool(reason)}{reason}"
    return [
        f"{row['arguments']}; on {row['input']}; {row['layout']}",
        ("training" if row["backward"] else "forward") + ", compiled" * row.get("compiled", False),
        time + "; measured on older code" * changed,
        f"{row['memory_ratio']:.2f}",
        f"[{row['repository']}]({link}) at {row['commit'][:7]}",
    ]


def machines(root: Path = ROOT) -> str:
    """Where and when it was measured."""
    made = [payload["provenance"] for payload, _ in _stored(root)]
    told = [
        f"{m['processor']}, {m['threads']} of {m['cores']} cores, torch {m['torch']},"
        f" {m['date'][:10]}"
        for m in made
    ]
    return "; ".join(told)


MEANING = (
    "Each number is theirs ÷ ours: above 1 ours is faster, or needs less memory. In brackets stand"
    " the quartiles of the rounds."
)


def authors_blocks(card: Card, root: Path = ROOT) -> list[str]:
    """On a mechanism's page."""
    rows = [row for _, row in authors_rows(card, root)]
    if not rows:
        return []
    where = f"Measured on {machines(root)}. [All comparisons](../../authors.md)."
    return ["## Beside the authors' code", MEANING, table(HEADS, rows, "authors"), where]


def authors_page(root: Path = ROOT) -> str:
    """The table of all."""
    rows = authors_rows(None, root)
    behind = [card for card, row in rows if "behind" in row[2]]
    told = [[f"[{card.title}](api/{card.family}/{card}.md)", *row] for card, row in rows]
    names = ", ".join(dict.fromkeys(card.title for card in behind))
    return page(
        f"{MEANING} Measured on {machines(root)}.",
        f"Behind, by all quartiles: {names}." if behind else "None is behind by all quartiles.",
        table(["Mechanism", *HEADS], told, "authors"),
    )
