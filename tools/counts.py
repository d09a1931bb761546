"""Write tests/counts/<family>/<mechanism>.json: what each costs at a realistic size, counted now.

    make counts

A test fails when one of these numbers grows, so that no mechanism's cost grows unnoticed. They are
counted, not timed, and the same on every machine with the pinned torch. What was never counted is
written by that test: commit the file.
"""

import json
from pathlib import Path

from attention_lib.cards.card import Card
from attention_lib.catalog import catalog
from attention_lib.measure.cost import live_bytes, measure
from attention_lib.measure.sizes import realistic

COUNTS = Path(__file__).parents[1] / "tests/counts"


def file(card: Card) -> Path:
    """Where the counts of a mechanism are kept."""
    return COUNTS / card.family / f"{card.mechanism.__module__.rpartition('.')[2]}.json"


def counted(card: Card) -> dict[str, int]:
    """Multiply-adds of a forward pass; bytes that live at once, without and with gradients."""
    large = realistic(card)
    mechanism, inputs = large.build(), large.inputs()
    return {
        "multiply-adds": measure(mechanism, *inputs).macs,
        "live bytes": live_bytes(mechanism, *inputs),
        "live bytes with gradients": live_bytes(mechanism, *inputs, backward=True),
    }


def write(card: Card, counts: dict[str, int]) -> None:
    """Keep the counts of a mechanism."""
    file(card).parent.mkdir(parents=True, exist_ok=True)
    file(card).write_text(json.dumps(counts, indent=1) + "\n", "utf-8")


def main() -> None:
    for card in catalog():
        write(card, counted(card))


if __name__ == "__main__":
    main()
