"""The tables that list all there is: mechanisms with their costs, and letters."""

from pathlib import Path

from pybtex.database import parse_file

from attention_lib.cards import notation, properties
from attention_lib.cards.card import COSTS, Card
from attention_lib.catalog import catalog
from attention_lib.measure.growth import fits
from attention_lib.measure.sizes import sized
from attention_lib.teaching import display
from tools.chapters import ROOT
from tools.pages.markdown import growth, page, table, words
from tools.stale import measurements, outdated

# one size for all in the table: as many features at as many places, as tokens or as a map
FEATURES, HEIGHT, WIDTH = 256, 14, 14


def year(card: Card, root: Path = ROOT) -> str:
    """The year of the paper, from references.bib."""
    entries = parse_file(root / "book/references.bib").entries
    return display.reference(card.paper, entries).fields["year"]


def mechanisms_page(root: Path = ROOT) -> str:
    """The table of all mechanisms."""
    rows, measured = [], exponents(root)
    for card in catalog():
        name = f"[{card.title}](api/{card.family}/{card}.md)\n\n"
        measurable = properties.applicable(card)
        kept = [words(test.__name__) for test in measurable if test in (card.properties or ())]
        costs = [f"{count(card, kind):,}\n\n{growth(card, kind)}" for kind in COSTS]
        aliases = ", ".join(f"`{alias}`" for alias in card.aliases)
        row = [name + aliases, card.family, year(card, root), card.layout, *costs]
        if measured:
            row.append("\n\n".join(measured.get(str(card), ["not measured"])))
        rows.append([*row, ", ".join(kept) or "none"])
    heads = ["Mechanism", "Family", "Year", "Layout", *map(str.capitalize, notation.COSTS.values())]
    heads += ["Measured exponent"] * bool(measured) + ["Properties"]
    return page(
        "# All mechanisms",
        f"Each number is counted on one sample of {FEATURES} features at {HEIGHT * WIDTH} places,"
        f" as {HEIGHT * WIDTH} tokens or as a map of {HEIGHT} × {WIDTH}, with every other argument"
        " at its default. Below it stands how the cost grows: with the input, and"
        " parameters with the width; the letters are those of the [notation page](notation.md)."
        " A property that is not listed was measured where the layout allows it, and does not"
        " hold.",
        "A measured exponent p says that time or peak memory of a forward pass grew as the size to"
        " the power p, with its 95 % confidence interval; where that is wide, small inputs cost"
        " mostly overhead. *Older code*: the mechanism has changed since it was measured. The"
        " [status page](status.md) names the machines."
        if measured
        else "",
        table(heads, rows, "mechanisms"),
    )


def count(card: Card, kind: str) -> int:
    """A cost of the mechanism, its arguments at their defaults, at the size of the table."""
    return sized(card, FEATURES, HEIGHT, WIDTH, HEIGHT * WIDTH).cost(kind)


def exponents(root: Path = ROOT) -> dict[str, list[str]]:
    """For each mechanism, how time and memory of a forward pass were measured to grow."""
    found: dict[str, list[str]] = {}
    older = outdated(root)
    for path, payload in measurements(root).items():
        if not path.endswith("-bench.json"):
            continue  # an experiment, whose sweeps are of another kind
        for sweep in payload["sweeps"]:
            device = sweep["rows"][0]["device"]
            if sweep["backward"] or (device == "cpu" and sweep.get("allocator") == "default"):
                continue  # a CPU's default allocator bends what it measures
            place = f"{sweep['dtype']}, {device}"
            sides = " = ".join(f"`{side}`" for side in sweep["axis"].split(","))
            for value, what in (("seconds", "time"), ("peak_bytes", "memory")):
                for name, fit in fits(sweep["rows"], value).items():
                    since = ", older code" if name in older.get(path, []) else ""
                    told = f"{what} {fit} in {sides} ({place}{since})"
                    found.setdefault(name, []).append(told)
    return found


def symbols_table() -> str:
    known = notation.SYMBOLS.items()
    rows = [[f"${letter}$", f"`{word}`", meaning] for word, (letter, meaning) in known]
    return page(table(["Letter", "Word in code", "Meaning"], rows))
