"""`attention-lib compare`: compare mechanisms side by side at one size."""

import inspect
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import Console

from attention_lib.catalog import find
from attention_lib.cli.app import app
from attention_lib.cli.arguments import Device, Precision, Threads, machine, said_where, settings_of
from attention_lib.cli.tables import console_for, instance, print_table, with_unit


@app.command()
def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME... [NAME=VALUE]...", help="Mechanisms, and sizes.")
    ],
    tokens: Annotated[int | None, typer.Option(min=1, help="Else height times width.")] = None,
    height: Annotated[int | None, typer.Option(min=1, help="Of the map; else 56.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Of the map; else its height.")] = None,
    features: Annotated[int, typer.Option(min=1, help="Channels, or size of a token.")] = 256,
    backward: Annotated[bool, typer.Option("--backward", help="Gradients too.")] = False,
    device: Device = "cpu",
    dtype: Precision = "float32",
    threads: Threads = None,
    seconds: Annotated[float, typer.Option(min=0, help="To measure, at least roughly.")] = 10,
) -> None:
    """Compare mechanisms side by side at one size.

    Parameters, multiply-adds, largest tensor, measured time and peak memory.  Those that work on
    maps get a map, and those that work on tokens as many tokens as it has pixels, so that both
    layouts can be compared.
    """
    from attention_lib.measure.sizes import sized
    from attention_lib.measure.sweep import side_by_side

    kind, fixed = machine(device, dtype, threads), settings_of([n for n in names if "=" in n])
    cards = [find(name) for name in dict.fromkeys(names) if "=" not in name]
    if not cards:
        raise ValueError("nothing to compare: name two mechanisms or more")
    if tokens is None:
        height = height or 56
        tokens = height * (width or height)
    if height is None and any(card.layout == "maps" for card in cards):
        raise ValueError(f"tokens={tokens} says nothing of a map: give --height and --width too")
    width = width or height
    known = {n for c in cards for n in (*c.sizes, *inspect.signature(c.mechanism).parameters)}
    if unknown := fixed.keys() - known:
        raise ValueError(f"none of them has an axis or argument {', '.join(sorted(unknown))}")
    at_size = [sized(card, features, height, width, tokens, **fixed) for card in cards]
    errors = Console(stderr=True)
    with errors.status("measuring") if errors.is_terminal else nullcontext():
        rows = side_by_side(at_size, device=device, dtype=kind, backward=backward, seconds=seconds)
    said_where(device, dtype, backward)
    for card in at_size:
        console_for().print(instance(card), soft_wrap=True)
    shown = [
        [
            row.mechanism,
            f"{row.params:,}",
            f"{row.macs:,}",
            f"{row.memory:,}",
            with_unit(row.seconds, "s"),
            f"{with_unit(row.seconds_low, 's')} to {with_unit(row.seconds_high, 's')}",
            with_unit(row.peak_bytes, "B"),
        ]
        for row in rows
    ]
    head = ["mechanism", "parameters", "multiply-adds", "largest tensor", "time"]
    console_for().print()
    print_table([*head, "of ten rounds eight", "peak memory"], shown, right=range(1, 7))
