"""`attention-lib list`: list the mechanisms."""

from typing import Annotated

import typer
from rich.padding import Padding

from attention_lib.catalog import catalog
from attention_lib.cli.app import app
from attention_lib.cli.tables import console_for, print_table


@app.command("list")
def list_(
    family: Annotated[str | None, typer.Option(help="Only one, such as channel.")] = None,
    layout: Annotated[str | None, typer.Option(help="Only maps or only tokens.")] = None,
) -> None:
    """List the mechanisms."""
    if layout not in (None, "maps", "tokens"):
        raise ValueError(f"no layout {layout!r}; there are maps, tokens")
    cards = [card for card in catalog(family) if layout in (None, card.layout)]
    console = console_for()
    if console.width < 120:  # too narrow for columns
        for card in cards:
            console.print(f"{card} ({', '.join(card.aliases)}), {card.family}, on {card.layout}")
            console.print(Padding(card.summary, (0, 0, 0, 4)))
        return
    rows = [[str(c), ", ".join(c.aliases), c.family, c.layout, c.summary] for c in cards]
    print_table(["mechanism", "aliases", "family", "layout", "what it does"], rows)
