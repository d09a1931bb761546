"""How commands print: units, tables, a console that a pipe can read."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Literal

from rich.console import Console
from rich.table import Table

from attention_lib.cards.card import Card

UNITS = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "B": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
}


def instance(card: Card) -> str:
    """`SqueezeExcitation(channels=16) on x (batch=2, channels=16, height=7, width=5)`."""
    arguments = ", ".join(f"{name}={value}" for name, value in card.example.items())
    words = card.words()
    axes = [axis if axis.isdigit() else f"{axis}={words[axis]}" for axis in card.shapes["x"]]
    x = ", ".join(axes)
    return f"{card}({arguments}) on x ({x})"


def with_unit(number: float, unit: str) -> str:
    """With the largest unit that leaves a number above 1."""
    scale, name = next((u for u in UNITS[unit] if number >= u[0]), UNITS[unit][-1])
    return f"{number / scale:.3g} {name}"


def console_for() -> Console:
    """Standard output; in a pipe it has no colours and so much room that nothing is wrapped."""
    plain = partial(Console, markup=False, highlight=False, emoji=False)
    console = plain()
    return console if console.is_terminal else plain(width=10_000)


def print_table(names: Sequence[str], rows: Sequence[Sequence], right: Sequence[int] = ()) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for place, name in enumerate(names):
        side: Literal["left", "right"] = "right" if place in right else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*map(str, row))
    console = console_for()
    with console.capture() as captured:
        console.print(table)
    print(re.sub(r" +$", "", captured.get(), flags=re.MULTILINE), end="")
