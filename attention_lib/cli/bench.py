"""`attention-lib bench`: time mechanisms while a size grows."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from attention_lib.catalog import find
from attention_lib.cli.app import app
from attention_lib.cli.arguments import (
    Device,
    Precision,
    Threads,
    machine,
    numbers_of,
    said_where,
    settings_of,
)
from attention_lib.cli.tables import console_for, print_table, with_unit


@app.command()
def bench(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME... [NAME=VALUE]...", help="Mechanisms, and sizes.")
    ],
    axis: Annotated[str, typer.Option(help="What grows: tokens, channels, or height,width.")],
    sizes: Annotated[str, typer.Option(help="Its sizes: five over 16 times give an exponent.")],
    backward: Annotated[bool, typer.Option("--backward", help="Gradients too.")] = False,
    device: Device = "cpu",
    dtype: Precision = "float32",
    threads: Threads = None,
    seconds: Annotated[float, typer.Option(min=0, help="To measure, at least roughly.")] = 30,
    json: Annotated[Path | None, typer.Option(help="Store it here, with its provenance.")] = None,
) -> None:
    """Time mechanisms while a size grows.

    All run in the same rounds, in random order, on the same inputs.  Peak memory, counted costs
    and, from five sizes that span 16 times, the exponents of growth stand beside the times.
    """
    from attention_lib.measure.growth import fits
    from attention_lib.measure.store import write
    from attention_lib.measure.sweep import sweep

    cards = [find(name) for name in names if "=" not in name]
    fixed = settings_of([name for name in names if "=" in name])
    kind = machine(device, dtype, threads)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def progress(done: int, steps: int, what: str) -> None:
            bar.update(task, completed=done, total=steps, description=what)

        rows = sweep(cards, axis, numbers_of(sizes), fixed=fixed, device=device, dtype=kind,
                     backward=backward, seconds=seconds, progress=progress)  # fmt: skip
    origin = said_where(device, dtype, backward)
    say = console_for().print
    shown = [
        [
            row.mechanism,
            row.size,
            with_unit(row.seconds, "s"),
            f"{with_unit(row.seconds_low, 's')} to {with_unit(row.seconds_high, 's')}",
            with_unit(row.peak_bytes, "B"),
            f"{row.macs:,}",
            f"{row.params:,}",
        ]
        for row in rows
    ]
    head = ["mechanism", axis, "time", "of ten rounds eight", "peak memory", "multiply-adds"]
    print_table([*head, "parameters"], shown, right=range(1, 7))
    try:
        time, memory = fits(rows, "seconds"), fits(rows, "peak_bytes")
    except ValueError as error:
        say(f"\nno exponents: {error}", soft_wrap=True)
    else:
        shown = [
            [name, time[name], " ".join(f"{s:.2f}" for s in time[name].slopes), memory[name]]
            for name in time
        ]
        say()
        head = ["mechanism", "exponent of time", "between the sizes", "exponent of peak memory"]
        print_table(head, shown)
        say("in brackets: 95 % confidence, if growth were a straight line on log-log paper")
    if json:
        measured = dict(axis=axis, fixed=fixed, backward=backward, rows=rows)
        say(f"stored in {write(json, dict(provenance=origin, sweeps=[measured]))}", soft_wrap=True)
