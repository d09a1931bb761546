"""`attention-lib check`: hold any module to the contract."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from attention_lib.cli.app import app
from attention_lib.cli.arguments import Settings, settings_of
from attention_lib.cli.tables import console_for, instance

COLOURS = {"passed": "green", "xfail": "yellow", "failed": "bold red"}


@app.command()
def check(
    module: Annotated[str, typer.Argument(help="A mechanism, or path/to/file.py:Class.")],
    settings: Settings = None,
    layout: Annotated[
        str | None, typer.Option(help="maps or tokens, where the class does not say.")
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Axes of the input, as height=7,width=5.")
    ] = None,
    flow: Annotated[
        Path | None, typer.Option(help="A file with the steps of its diagram, to be proven too.")
    ] = None,
) -> None:
    """Hold any module to the contract.

    A line a check: passed, failed, xfail (its card says why it must fail) or not applicable, which
    includes what a module of yours does not declare.  The exit code is 1 if one failed.  The
    forward of your module must take one tensor and return one.
    """
    from attention_lib.checks import CONTRACT
    from attention_lib.checks.adopt import adopt, held_to

    axes = settings_of(sizes.split(",") if sizes else None)
    card = adopt(module, settings_of(settings), layout, axes)
    if flow:
        card = replace(card, flow=_text(flow))
    console = console_for()
    console.print(instance(card), soft_wrap=True)
    tally = dict.fromkeys(("passed", "failed", "xfail", "not applicable"), 0)
    texts = {check.__name__: inspect.getdoc(check) or "" for check in CONTRACT}
    for promise, status, why in held_to(card):
        tally[status] += 1
        name = promise.removeprefix("check_").replace("_", " ")
        what = texts[promise].partition("\n")[0]
        if status == "not applicable":
            what = why
        elif why:
            what += f" Found: {why.removesuffix(': ')}"
        line = Text(f"{status:15}", style=COLOURS.get(status, "dim")).append(
            f"{name:24} {what}", style="default"
        )
        console.print(line, soft_wrap=True)
    console.print(", ".join(f"{count} {status}" for status, count in tally.items() if count))
    if tally["failed"]:
        raise typer.Exit(1)


def _text(file: Path) -> str:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the flow in {file}: {error}") from error
    if not text.strip():
        raise ValueError(f"cannot read the flow in {file}: it is empty")
    return text
