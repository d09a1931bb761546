"""The table of all mechanisms: one row each, headed by family, with what it costs."""

import re
from html import escape
from importlib import import_module
from pathlib import Path

from pybtex.database import parse_file

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.notation import COUNTED
from attention_lib.catalog import FAMILIES, catalog
from attention_lib.measure.growth import fits
from attention_lib.measure.order import big_o
from attention_lib.measure.sizes import sized
from attention_lib.teaching import display
from tools.chapters import ROOT
from tools.pages.markdown import breakable, page, table, words
from tools.stale import measurements, outdated

# one size for all in the table: as many features at as many places, as tokens or as a map
FEATURES, HEIGHT, WIDTH = 256, 14, 14


def mechanisms_page(root: Path = ROOT) -> str:
    """The table of all mechanisms, and below it what was measured of each."""
    return page(
        "# All mechanisms",
        f"Each number is counted on one sample of {FEATURES} features at {HEIGHT * WIDTH} places,"
        f" as {HEIGHT * WIDTH} tokens or as a map of ${HEIGHT} \\times {WIDTH}$, with every other"
        " argument at its default. Below it stands how the cost grows, without constants and"
        " without terms that others outgrow; the letters are those of the"
        " [notation page](notation.md).",
        "*Multiply-adds* are those of matrix products and convolutions; means, softmax and Fourier"
        " transforms are not counted. *Numbers touched* are read or written at least: the input and"
        " the parameters, and the largest tensor that is made on the way. A click on a head sorts"
        " by it, a third click brings the families back. The filter looks in names and"
        " descriptions.",
        f"```{{raw}} html\n{costs_table(root)}\n```",
        measured_table(root),
    )


def costs_table(root: Path = ROOT) -> str:
    """As HTML: in Markdown a table has one body and no heading over several rows."""
    heads = ["Mechanism", "Year", "Layout", *map(str.capitalize, COUNTED.values())]
    return "\n".join(
        [
            '<div class="pst-scrollable-table-container">',
            '<table class="table mechanisms sortable filterable stack" data-what="mechanisms">',
            "<thead><tr>" + "".join(f'<th scope="col">{h}</th>' for h in heads) + "</tr></thead>",
            *(body(family, len(heads), root) for family in FAMILIES if catalog(family)),
            "</table></div>",
        ]
    )


def body(family: str, wide: int, root: Path) -> str:
    """A family's rows below its question."""
    title, question = asks(family)
    heading = f"{escape(title)}: <em>{escape(question)}</em>"
    rows = [row(card, title, root) for card in catalog(family)]
    return "\n".join(
        [
            f'<tbody id="{family}"><tr class="heading"><th colspan="{wide}" scope="rowgroup">'
            f"{heading}</th></tr>",
            *rows,
            "</tbody>",
        ]
    )


def asks(family: str) -> tuple[str, str]:
    """A family's title and its question."""
    doc = import_module(f"attention_lib.{family}").__doc__ or ""
    title, _, question = doc.partition("\n")[0].partition(": ")
    return title, re.findall(r"\*(.*?)\*", question)[0]


def row(card: Card, family: str, root: Path) -> str:
    named = " ".join((*card.names, card.title, card.summary)).lower()
    marks = {"words": named, "family": family, "layout": card.layout, "holds": "|".join(held(card))}
    data = " ".join(f'data-{name}="{escape(text)}"' for name, text in marks.items())
    link = f'<a href="api/{card.family}/{card}.html">{escape(card.title)}</a>'
    costs = "".join(cost(card, kind) for kind in COUNTED)
    return (
        f'<tr {data}><th scope="row">{link} <code>{escape(card.aliases[0])}</code></th>'
        f"<td>{year(card, root)}</td><td>{card.layout}</td>{costs}</tr>"
    )


def cost(card: Card, kind: str) -> str:
    """A cell: the count at the size of the table, and how it grows."""
    number, grown = count(card, kind), breakable(big_o(card, kind))
    shown = [f'<span class="math notranslate nohighlight">\\({part}\\)</span>' for part in grown]
    told = f"{number:,} <br>{' '.join(shown)}" if grown else "none"
    return f'<td data-value="{number}">{told}</td>'


def count(card: Card, kind: str) -> int:
    """A cost of one sample, its arguments at their defaults, at the size of the table."""
    return sized(card, FEATURES, HEIGHT, WIDTH, HEIGHT * WIDTH).cost(kind, batch=1)


def held(card: Card) -> list[str]:
    """The properties that were measured and hold, in words."""
    kept = card.properties or ()
    return [words(test.__name__) for test in properties.applicable(card) if test in kept]


def year(card: Card, root: Path = ROOT) -> str:
    """The year of the paper, from references.bib."""
    entries = parse_file(root / "book/references.bib").entries
    return display.reference(card.paper, entries).fields["year"]


def measured_table(root: Path = ROOT) -> str:
    """How time and memory were measured to grow, and which properties hold."""
    rows, found = [], exponents(root)
    for card in catalog():
        link = f"[{card.title}](api/{card.family}/{card}.md)"
        sweeps = found.get(str(card), [["not measured"] * 3])
        cells = ["\n\n".join(column) for column in zip(*sweeps, strict=True)]
        rows.append([link, *cells, ", ".join(held(card)) or "none"])
    return page(
        "The second table holds what was measured. An exponent p says that time or peak memory of"
        " a forward pass grew as the size to the power p, with its 95 % confidence interval; where"
        " that is wide, small inputs cost mostly overhead. *Older code*: the mechanism has changed"
        " since it was measured. The [status page](status.md) names the machines. A property that"
        " is not listed was measured where the layout allows it, and does not hold.",
        f"<details>\n<summary>{len(rows)} mechanisms</summary>",
        table(
            ["Mechanism", "Size", "Time", "Peak memory", "Properties that hold"],
            rows,
            "measured stack",
        ),
        "</details>",
    )


def exponents(root: Path = ROOT) -> dict[str, list[list[str]]]:
    """For each mechanism and sweep: what grew, and how time and memory of a forward pass did."""
    found: dict[str, list[list[str]]] = {}
    older = outdated(root)
    for path, payload in measurements(root).items():
        if not path.endswith("-bench.json"):
            continue  # an experiment, whose sweeps are of another kind
        for sweep in payload["sweeps"]:
            device = sweep["rows"][0]["device"]
            if sweep["backward"] or (device == "cpu" and sweep.get("allocator") == "default"):
                continue  # a CPU's default allocator bends what it measures
            sides = " = ".join(f"`{side}`" for side in sweep["axis"].split(","))
            time, memory = (fits(sweep["rows"], kind) for kind in ("seconds", "peak_bytes"))
            for name in time:
                since = ", older code" if name in older.get(path, []) else ""
                where = f"{sides} ({sweep['dtype']}, {device}{since})"
                found.setdefault(name, []).append([where, str(time[name]), str(memory[name])])
    return found
