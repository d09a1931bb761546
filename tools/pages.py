"""Write the pages that follow from the cards: `python -m tools.pages`, before the site is built.

    book/api/<family>/<Class>.md   a page for each mechanism
    book/api/symbols.md            the table of the notation page
    book/api/chapters.md           the table of chapters of the first page
    book/api/paths.md              its table of reading paths, with their minutes
    book/api/selection-*.md        the parts of the page "Which one?", see tools.selection
    book/mechanisms.md             the table of all mechanisms
    book/status.md                 what was executed and measured, where and when

The same cards give the same files; a file that would not change is not written, so that the site
builds only what changed.
"""

import inspect
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import nbformat
from pybtex.database import parse_file

from attention_lib.cards import notation, properties
from attention_lib.cards.card import COSTS, Card
from attention_lib.catalog import FAMILIES, catalog
from attention_lib.measure.growth import fits
from attention_lib.measure.sizes import sized
from attention_lib.teaching import display
from tools import selection
from tools.chapters import ROOT, chapters, notebook_of
from tools.stale import measurements, outdated

COST_NAMES = {
    "params": "parameters",
    "macs": "multiply-adds",
    "memory": "largest tensor",
}
# one size for all in the table: as many features at as many places, as tokens or as a map
FEATURES, HEIGHT, WIDTH = 256, 14, 14
Row = list[str]
# Who reads what, in which order: chapters by name; those that are not written yet are left out. A
# student reads all, in the order of _toc.yml.
PATHS = {
    "Vision engineer": "start channel spatial joint resnet50 dense sparse hybrid peers",
    "Language-model engineer": "start dense linear sparse mixing peers",
    "Student": "",
    "Teacher": "start dense channel",
}


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


def sections(text: str) -> tuple[str, dict[str, str]]:
    """A docstring without its first line: the prose without the formula, and its sections."""
    found = dict(re.findall(r"^(Args|Raises|Returns):\n((?: {4}.*\n?|\n)+)", text, flags=re.M))
    prose = re.sub(r"^(Args|Raises|Returns):\n(?: {4}.*\n?|\n)+", "", text, flags=re.M)
    prose = re.sub(r"\.\. math::\n(?: {4}.*\n|\n)+", "", prose)
    return prose.partition("\n")[2].strip(), {k: inspect.cleandoc(v) for k, v in found.items()}


def entries(section: str) -> list[tuple[str, str]]:
    """The `name: meaning` pairs of a section, each meaning on one line."""
    found = re.findall(r"^(\S+): ((?:.*\n?)(?:[ ]+.*\n?)*)", section, flags=re.M)
    return [(name, " ".join(meaning.split())) for name, meaning in found]


def year(card: Card, root: Path = ROOT) -> str:
    """The year of the paper, from references.bib."""
    entries = parse_file(root / "book/references.bib").entries
    return display.reference(card.paper, entries).fields["year"]


def chapter_of(family: str, root: Path = ROOT) -> Path | None:
    """The executed chapter of a family, if it is there."""
    path = root / "notebooks" / f"{family}.ipynb"
    return path if path.exists() else None


def stacked(formula: str) -> str:
    """Its equations one below the other, as they fit a narrow page."""
    if r"\qquad" not in formula:
        return formula
    lines = [line.strip() for line in formula.split(r"\qquad")]
    return "\\begin{gathered}\n" + " \\\\\n".join(lines) + "\n\\end{gathered}"


def shape(axes: tuple[str, ...]) -> Row:
    letters = r" \times ".join(notation.letter(axis) for axis in axes)
    return [f"({', '.join(axes)})", f"${letters}$"]


def mechanism_page(card: Card, root: Path = ROOT) -> str:
    """All that a card says, in the order a reader asks."""
    module = sys.modules[card.mechanism.__module__]
    prose, parts = sections((inspect.getdoc(card.mechanism) or "") + "\n")
    source = Path(inspect.getfile(module)).relative_to(root)
    blocks = [
        f"# {card.title}",
        f"{card.summary} The paper is {{cite:t}}`{card.paper}`.",
        f"$$\n{stacked(card.formula)}\n$$",
        prose,
    ]
    if chapter := chapter_of(card.family, root):
        link = f"../../../notebooks/{chapter.name}"
        blocks.append(f"Where it comes from, and how it fares: [the chapter]({link}).")

    arguments = ", ".join(f"{name}={value!r}" for name, value in card.example.items())
    alias = card.aliases[0] if card.aliases else str(card)
    blocks += [
        "## Make one",
        "```python\n"
        "from attention_lib import create\n"
        f"from attention_lib.{card.family} import {card}\n\n"
        f"mechanism = {card}({arguments})\n"
        f'mechanism = create("{alias}", {arguments})  # the same\n```',
        "`create` knows it as "
        + ", ".join(f"`{name}`" for name in card.names)
        + "; case, hyphens, underscores and blanks do not count.",
    ]
    defaults = inspect.signature(card.mechanism).parameters
    rows = []
    for name, meaning in entries(parts.get("Args", "")):
        default = defaults[name].default
        shown = "none" if default is inspect.Parameter.empty else f"`{default}`"
        rows.append([f"`{name}`", shown, meaning])
    blocks.append(table(["Argument", "Default", "Meaning"], rows))
    blocks += [f"Raises `{name}` {why}" for name, why in entries(parts.get("Raises", ""))]

    taken = inspect.signature(card.mechanism.forward).parameters
    rows = []
    for name, axes in card.shapes.items():
        optional = name in taken and taken[name].default is not inspect.Parameter.empty
        label = "what it returns" if name == "return" else f"`{name}`"
        rows.append([label + (", optional" if optional else ""), *shape(axes)])
    blocks += [
        "## Shapes",
        table(["Tensor", "Axes", "Sizes"], rows),
        f"In letters, as on the [notation page](../../notation.md). It works on {card.layout}.",
        "## Cost",
        "For one sample. The contract counts parameters and multiply-adds at small and at large"
        " sizes, the largest tensor at large ones, and demands these numbers.",
        table(
            ["What", "Formula", "Grows as"],
            [[COST_NAMES[kind], f"${card.typeset(kind)}$", growth(card, kind)] for kind in COSTS],
        ),
    ]
    blocks += [*property_blocks(card), "## Evidence", evidence(card)]
    if card.cannot:
        rows = [[f"`{check}`", reason] for check, reason in card.cannot.items()]
        blocks += ["## What it cannot", table(["Check of the contract", "Why not"], rows)]
    path = f"../../../{source.as_posix()}"
    blocks += ["## Source", f"```{{literalinclude}} {path}\n:language: python\n```"]
    return page(*blocks)


def property_blocks(card: Card) -> list[str]:
    """Which properties hold; none can be measured if the answer is not shaped like the input."""
    measured = properties.applicable(card)
    if not measured:
        return []
    held = ["yes" if test in (card.properties or ()) else "no" for test in measured]
    rows = [
        [words(test.__name__), holds, about(test)]
        for test, holds in zip(measured, held, strict=True)
    ]
    return [
        "## Properties",
        "Each was measured on random weights and inputs, and holds, or does not.",
        table(["Property", "Holds", "Meaning"], rows),
    ]


def growth(card: Card, kind: str) -> str:
    return rf"$O\left({card.order(kind)}\right)$"


def about(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def evidence(card: Card) -> str:
    """What vouches for the code, as the tests demand it."""
    lines = [
        "- **Reference**: the paper written out in loops, one subscript at a time, in float64;"
        " outputs and gradients agree.",
    ]
    names = ", ".join(f"`{name}`" for name in card.oracles)
    equal = f"given the same weights, outputs and gradients equal those of {names}."
    unseen = "it was written from the paper by somebody who had not seen the class."
    lines.append(
        {
            "independent package": f"- **Oracle**: {equal}",
            "related package": f"- **Oracle**: {equal} That is weak evidence, since this"
            f" package is not independent of other ports and has no tests; so the reference"
            f" counts, and {unseen}",
            "none": "- **Oracle**: none. No other package is known to compute the same, so the"
            f" reference alone vouches; {unseen}",
        }[card.proven_by]
    )
    passed = "every check" if not card.cannot else "every check but those listed below"
    lines.append(f"- **Contract**: it passes {passed} of `attention_lib.checks` for {card.kind}.")
    return "\n".join(lines)


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
    heads = ["Mechanism", "Family", "Year", "Layout", *map(str.capitalize, COST_NAMES.values())]
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


def chapters_table(root: Path = ROOT) -> str:
    """Each family: its question, its mechanisms, and its chapter where there is one."""
    rows = []
    for family in FAMILIES:
        shelf = import_module(f"attention_lib.{family}")
        title, _, question = (shelf.__doc__ or "").partition("\n")[0].partition(": ")
        [question, *_] = re.findall(r"\*.*?\*", question)
        links = [f"[{card.title}](api/{card.family}/{card}.md)" for card in catalog(family)]
        found = chapter_of(family, root)
        where = f"[read it](../notebooks/{found.name})" if found else "not written yet"
        rows.append([title, question, ", ".join(links), where])
    return page(table(["Family", "It asks", "Mechanisms", "Chapter"], rows))


def minutes(chapter: Path) -> int:
    """How long a chapter takes to read, as its text says.

    Raises:
        ValueError: if it does not say.
    """
    text = " ".join(chapter.read_text(encoding="utf-8").split())
    found = re.search(r"Reading takes about (\d+) minutes", text)
    if not found:
        raise ValueError(f"{chapter.name} does not say: Reading takes about … minutes")
    return int(found[1])


def in_order(root: Path = ROOT) -> list[str]:
    """The chapters as _toc.yml orders them."""
    found = re.findall(r"- file: notebooks/(\S+)", (root / "_toc.yml").read_text("utf-8"))
    return [name.removesuffix(".ipynb") for name in found]


def paths_table(root: Path = ROOT) -> str:
    """For each kind of reader, the chapters to read, in order, and how long they take together."""
    written = {path.stem: path for path in chapters(root) if notebook_of(path).exists()}
    rows = []
    for reader, names in PATHS.items():
        order = names.split() or in_order(root)
        found = [written[name] for name in order if name in written]
        links = [f"[{title(path)}](../notebooks/{path.stem}.ipynb)" for path in found]
        rows.append([reader, ", ".join(links), str(sum(map(minutes, found)))])
    return page(table(["Reader", "Chapters, in this order", "Minutes"], rows))


def title(chapter: Path) -> str:
    """The title of a chapter, up to the colon."""
    [heading, *_] = re.findall(r"^# (.*)", chapter.read_text(encoding="utf-8"), flags=re.M)
    return heading.partition(":")[0]


def status_page(root: Path = ROOT) -> str:
    """What was executed and measured: where, when, for how long."""
    rows = []
    for chapter in chapters(root):
        path = notebook_of(chapter)
        if not path.exists():
            rows.append([chapter.stem, *["–"] * 6])
            continue
        stamp = nbformat.read(path, as_version=4).metadata["attention_book"]
        facts = ("preset", "machine", "seconds", "date", "python", "torch")
        rows.append([f"[{chapter.stem}](../notebooks/{path.name})",
                     *(str(stamp[fact]) for fact in facts)])  # fmt: skip
    heads = ["Chapter", "Preset", "Machine", "Seconds", "Date", "Python", "torch"]
    return page(
        "# Status",
        "Each chapter was executed from top to bottom before this site was built, and the tests"
        " demand that the notebook shown is that of the present text, and run it again with the"
        " present library: it has to show the same.",
        table(heads, rows),
        *stored(root),
    )


def stored(root: Path = ROOT) -> list[str]:
    """The stored measurements that chapters show, and where each was made."""
    facts = ("processor", "gpu", "threads", "torch", "date")
    rows, older = [], outdated(root)
    for name, payload in measurements(root).items():
        known = payload.get("provenance", {})
        told = [str(known.get(fact, "–")).partition("T")[0] for fact in facts]
        rows.append([f"`{name}`", *told, ", ".join(older.get(name, ["–"]))])
    if not rows:
        return []
    heads = ["File", "Processor", "GPU", "Threads", "torch", "Date", "Of older code"]
    return [
        "## Stored measurements",
        "Some measurements take longer than a page should, or another machine. They are stored in"
        " `book/results`, each with what one must know to repeat it. *Of older code* is what has"
        " changed since it was measured.",
        table(heads, rows),
    ]


def page(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Every generated page and what it says."""
    book = root / "book"
    cards = {book / f"api/{card.family}/{card}.md": card for card in catalog()}
    which = {book / f"api/{name}": text for name, text in selection.parts(table, growth).items()}
    return {path: mechanism_page(card, root) for path, card in cards.items()} | {
        **which,
        book / "api/symbols.md": symbols_table(),
        book / "api/chapters.md": chapters_table(root),
        book / "api/paths.md": paths_table(root),
        book / "mechanisms.md": mechanisms_page(root),
        book / "status.md": status_page(root),
    }


def main() -> None:
    wanted = pages()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in (ROOT / "book/api").rglob("*.md"):
        if path not in wanted:  # a mechanism that was renamed or removed
            path.unlink()
    print(f"      {len(wanted)} pages follow from {len(catalog())} cards")


if __name__ == "__main__":
    main()
