"""Change each flow in every small way, and report the changes that the check does not find.

    python -m tools.flows SqueezeExcitation

Without names all mechanisms are tried.  Changes that make no difference stand in
`tools/flow_survivors.toml`, each with its reason; each must be one that is tried and survives.  The
exit code is 1 if another survives, or if fewer than 97 % of all are found.
"""

import argparse
import sys
import tomllib
from collections import Counter
from pathlib import Path

from attention_lib.catalog import every_card, find
from tests.support.flows import survivors

REASONS = Path(__file__).with_name("flow_survivors.toml")
Changes = Counter[tuple[str, str]]  # line and kind -> how many
SHARE = 0.97  # of all changes, how many must be found


def explained() -> dict[str, Changes]:
    """Mechanism -> line and kind of each change that has a reason, and how many such there are."""
    found: dict[str, Changes] = {}
    for entry in tomllib.loads(REASONS.read_text("utf-8"))["survivor"]:
        if not entry["reason"].strip():
            raise ValueError(f"{entry} has no reason")
        counted = found.setdefault(entry["mechanism"], Counter())
        counted[entry["line"], entry["change"]] += entry.get("times", 1)
    return found


def differences(found: Changes, known: Changes) -> list[str]:
    """Survivors without a reason, and reasons without a survivor."""
    return [
        *(
            f"survives without a reason: {kind}: {line}"
            for line, kind in (found - known).elements()
        ),
        *(
            f"has a reason and is found: {kind}: {line}"
            for line, kind in (known - found).elements()
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="mechanisms; without, all of them")
    names = parser.parse_args().names
    cards = [find(name) for name in names] or every_card()
    reasons = explained()
    wrong = survived = changed = 0
    for card in cards:
        found, tried = survivors(card)
        told = differences(found, reasons.get(str(card), Counter()))
        print(f"{card}: {tried - found.total()} of {tried} changes found", flush=True)
        for line in told:
            print(f"    {line}", flush=True)
        wrong, survived, changed = wrong + len(told), survived + found.total(), changed + tried
    share = 1 - survived / changed
    print(f"{share:.1%} of {changed:,} changes found; {wrong} lines above need a reason or lost it")
    return int(bool(wrong) or (not names and share < SHARE))


if __name__ == "__main__":
    sys.exit(main())
