"""Write tests/counts.json: what each mechanism costs at a realistic size, as counted today.

    make counts

A test fails when one of these numbers grows, so that nobody makes a mechanism dearer unawares.
They are counted, not timed, and the same on every machine with the pinned torch.
"""

import json
from pathlib import Path

from attention_lib.bench import realistic
from attention_lib.card import Card
from attention_lib.catalog import catalog
from attention_lib.cost import live_bytes, measure

COUNTS = Path(__file__).parents[1] / "tests/counts.json"


def counted(card: Card) -> dict[str, int]:
    """Multiply-adds of a forward pass; bytes that live at once, without and with gradients."""
    large = realistic(card)
    mechanism, inputs = large.build(), large.inputs()
    return {
        "multiply-adds": measure(mechanism, *inputs).macs,
        "live bytes": live_bytes(mechanism, *inputs),
        "live bytes with gradients": live_bytes(mechanism, *inputs, backward=True),
    }


def main() -> None:
    lines = [f"  {json.dumps(str(card))}: {json.dumps(counted(card))}" for card in catalog()]
    COUNTS.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
