"""The page of a mechanism: all that its card says, in the order a reader asks."""

import inspect
import re
import sys
from pathlib import Path
from textwrap import dedent

from attention_lib.cards import notation, properties
from attention_lib.cards.card import Card
from attention_lib.catalog import NETWORKS
from attention_lib.official import published, without
from attention_lib.teaching.diagrams import Diagram
from tools.chapters import ROOT
from tools.pages.authors import authors_blocks
from tools.pages.elsewhere import elsewhere_blocks
from tools.pages.example import program, shown
from tools.pages.markdown import COST_NAMES, Row, growth, page, table, words
from tools.pages.reading import chapter_of
from tools.pages.typeset import mathematics
from tools.pages.use import use_blocks


def sections(text: str) -> tuple[str, dict[str, str]]:
    """A docstring without its first line: the prose without the formula, and its sections."""
    found = dict(re.findall(r"^(Args|Raises|Returns):\n((?: {4}.*\n?|\n)+)", text, flags=re.M))
    prose = re.sub(r"^(Args|Raises|Returns):\n(?: {4}.*\n?|\n)+", "", text, flags=re.M)
    prose = re.sub(r"\.\. math::\n(?: {4}.*\n|\n)+", "", prose)
    prose = re.sub(r"(?<=\S)\n(?=\S)", " ", prose.partition("\n")[2].strip())
    return prose, {k: dedent(v) for k, v in found.items()}


def entries(section: str) -> list[tuple[str, str]]:
    """The `name: meaning` pairs of a section, each meaning on one line."""
    found = re.findall(r"^(\S+): ((?:.*\n?)(?:[ ]+.*\n?)*)", section, flags=re.M)
    return [(name, " ".join(meaning.split())) for name, meaning in found]


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
        f"{mathematics(card.summary)} The {card.source} is {{cite:t}}`{card.paper}`.",
        f"$$\n{stacked(card.formula)}\n$$",
        *flow_blocks(card),
        mathematics(prose),
    ]
    if chapter := chapter_of(card.family, root):
        link = f"../../../notebooks/{chapter.name}"
        blocks.append(f"Where it comes from, and how it fares: [the chapter]({link}).")
    blocks += [
        *use_blocks(card),
        "## Make one",
        f"```python\n{program(card)}\n```",
        "`create` knows it as "
        + ", ".join(f"`{name}`" for name in card.names)
        + "; case, hyphens, underscores and blanks do not count.",
    ]
    defaults = inspect.signature(card.mechanism).parameters
    rows = []
    for name, meaning in entries(parts.get("Args", "")):
        default = defaults[name].default
        told = "none" if default is inspect.Parameter.empty else f"`{default}`"
        rows.append([f"`{name}`", told, mathematics(meaning)])
    blocks.append(table(["Argument", "Default", "Meaning"], rows, "arguments"))
    raised = entries(parts.get("Raises", ""))
    blocks += [f"It raises `{name}` {mathematics(why)}" for name, why in raised]

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
        *cost_blocks(card),
        *property_blocks(card),
        "## Evidence",
        evidence(card),
        *weights_blocks(card),
        *authors_blocks(card, root),
        *elsewhere_blocks(card, root),
    ]
    if card.cannot:
        rows = [[f"`{check}`", reason] for check, reason in card.cannot.items()]
        blocks += ["## What it cannot", table(["Check of the contract", "Why not"], rows)]
    path = f"../../../{source.as_posix()}"
    blocks += ["## Source", f"```{{literalinclude}} {path}\n:language: python\n```"]
    return page(*blocks)


def flow_blocks(card: Card) -> list[str]:
    """The diagram, made with the arguments of the example."""
    if not card.flow:
        return []
    arguments = ", ".join(f"{name}={shown(value)}" for name, value in card.example.items())
    return [
        f"```{{raw}} html\n{Diagram(card)._repr_html_()}\n```",
        f"The diagram is that of `{card}({arguments})`; its letters are those of the"
        " [notation page](../../notation.md). A test proves each step against the code.",
    ]


def cost_blocks(card: Card) -> list[str]:
    """The declared formulas, and what a network's presets are known to cost."""
    blocks = ["## Cost"]
    rows = [
        [title, growth(card, kind), f"${card.typeset(kind)}$"]
        for kind, title in COST_NAMES.items()
        if getattr(card, kind)
    ]
    if rows:
        blocks += [
            "For one sample. The contract counts parameters and multiply-adds at small and at large"
            " sizes, the largest tensor at large ones, and demands these numbers.",
            table(["What", "Grows as", "Formula"], rows),
        ]
    presets = [
        [
            f"`{name}`",
            ", ".join(f"`{key}={shown(value)}`" for key, value in preset.arguments.items()),
            f"{preset.params:,}",
            f"{preset.macs:,} at {preset.height} × {preset.width}",
        ]
        for name, preset in card.presets.items()
    ]
    if presets:
        blocks += [
            "`create` makes each of these by its name. The numbers are the published ones, and a"
            " test counts them.",
            table(["Preset", "Arguments", "Parameters", "Multiply-adds"], presets),
        ]
    return blocks if len(blocks) > 1 else []


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


def about(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def evidence(card: Card) -> str:
    """What vouches for the code, as the tests demand it."""
    if card.family == NETWORKS:
        names = " and ".join(f"`{name}`" for name in card.oracles)
        return (
            f"- **Published weights**: the state dicts of {names}, renamed by"
            " `attention_lib.official`, give the same logits and gradients in float64.\n"
            "- **Parts**: it is made of mechanisms that have pages here.\n"
            f"- **Contract**: it passes every check of `attention_lib.checks` for {card.kind}."
        )
    lines = [
        f"- **Reference**: the formula of the {card.source} in loops, one subscript at a time, in"
        " float64; outputs and gradients agree.",
    ]
    names = ", ".join(f"`{name}`" for name in card.oracles)
    equal = f"given the same weights, outputs and gradients equal those of {names}."
    unseen = f"it was written from the {card.source} by somebody who had not seen the class."
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


def weights_blocks(card: Card) -> list[str]:
    """From where weights load, as the tables have it; what a network loads is its evidence."""
    if card.family == NETWORKS:
        return []
    sources = published(card)
    if not sources:
        reason = without(card)
        because = f": {reason}" if reason else ""
        return ["## Published weights", f"There is no table for weights of its authors{because}."]
    items = []
    for source in sources:
        repository, _, rest = source.source.partition("@")
        commit, _, path = rest.partition(":")
        link = f"https://github.com/{repository}/blob/{commit}/{path}"
        needs = f" Needed: {source.needs}." if source.needs else ""
        items.append(f"- [{repository}]({link}), `{path}` at commit {commit}.{needs}")
    return [
        "## Published weights",
        "`attention_lib.load_official` gives a module the weights of these classes, also with the"
        " `prefix` that they have in a network. Tests load random weights that are laid out alike,"
        " and compare the answer with that code's formula.",
        "\n".join(items),
    ]
