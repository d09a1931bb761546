"""`attention-lib show`: show a formula, its costs and evidence."""

import inspect
import re
from pathlib import Path
from typing import Annotated

import typer

from attention_lib.cards import properties
from attention_lib.catalog import find
from attention_lib.cli.app import app
from attention_lib.cli.tables import console_for


@app.command()
def show(
    name: str,
    source: Annotated[bool, typer.Option("--source", help="Print its file too.")] = False,
) -> None:
    """Show a formula, its costs and evidence.

    Shapes, properties, paper and file too: all that the mechanism says of itself.
    """
    from attention_lib.teaching.diagrams import Diagram
    from attention_lib.teaching.display import citation, evidence

    card = find(name)
    say = console_for().print
    say(f"{card.title}: {card}{inspect.signature(card.mechanism)}", soft_wrap=True)
    say(card.summary, soft_wrap=True)
    formula = "\n".join(f"    {line}" for line in card.formula.splitlines())
    say(f"\n{formula}\n", soft_wrap=True)
    if card.flow:
        say("\n".join(Diagram(card).sentences()) + "\n", soft_wrap=True)
    answer, file = card.shapes["return"], inspect.getsourcefile(card.mechanism) or ""
    takes = [f"{key} ({', '.join(axes)})" for key, axes in card.shapes.items() if key != "return"]
    kept = [p.__name__.replace("_", " ") for p in card.properties or ()]
    facts = {
        "family": f"{card.family}, works on {card.layout}",
        "aliases": ", ".join(card.aliases),
        "elsewhere": ", ".join(card.elsewhere),
        "takes": "; ".join(takes),
        "gives": f"({', '.join(answer)})",
        "parameters": card.params,
        "multiply-adds": card.macs and f"{card.macs}, for one sample",
        "largest tensor": card.memory and f"{card.memory} numbers, for one sample",
        "state": card.state and f"{card.state} numbers, for one sample",
        "presets": ", ".join(card.presets),
        "keeps": properties.applicable(card)
        and (", ".join(sorted(kept)) or "none of the properties measured"),
        "evidence": evidence(card).replace("`", ""),
        "cannot": "; ".join(f"{check}: {why}" for check, why in card.cannot.items()),
        card.source: re.sub(r"\[(.*?)\]\((.*?)\)", r"\1, \2", citation(card.paper)),
        "file": file,
    }
    for key, fact in facts.items():
        if fact:
            say(f"{key:15} {fact}", soft_wrap=True)
    if source:
        say("\n" + Path(file).read_text("utf-8"), soft_wrap=True)
