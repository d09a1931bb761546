"""`attention-lib recommend`: what fits a task, what it costs at this size, and why."""

from typing import Annotated

import typer

from attention_lib.cli.app import app
from attention_lib.cli.arguments import Precision
from attention_lib.cli.tables import console_for, print_table, with_unit


@app.command()
def recommend(
    layout: Annotated[str, typer.Option(help="tokens or maps.")],
    features: Annotated[int, typer.Option(min=1, help="Channels, or size of a token.")] = 256,
    tokens: Annotated[int | None, typer.Option(min=1, help="Else height times width.")] = None,
    height: Annotated[int | None, typer.Option(min=1, help="Of the map.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Of the map; else its height.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a call.")] = 1,
    memory: Annotated[
        str | None, typer.Option(help="For the largest tensor, as 512MiB or 2GiB.")
    ] = None,
    causal: Annotated[bool, typer.Option("--causal", help="No token looks ahead.")] = False,
    padding: Annotated[
        bool, typer.Option("--padding", help="Sequences of several lengths in a batch.")
    ] = False,
    task: Annotated[str, typer.Option(help="What for, as gate or far; an error lists all.")] = "",
    by: Annotated[str, typer.Option(help="macs, touched, params or memory.")] = "macs",
    dtype: Precision = "float32",
) -> None:
    """What fits a task, what it costs at this size, and why.

    All costs are counted at the size given, none is guessed.  Where the width has no divisor such
    as the default number of heads, the nearest is taken and named.  What cannot be used is left
    out, with the reason.
    """
    from attention_lib.advice import Need, parse_bytes, ranking

    need = Need(
        layout, features, tokens, height, width or height, batch,
        parse_bytes(memory) if memory else None, causal, padding, task, dtype,
    )  # fmt: skip
    advice = ranking.recommend(need, by)
    say = console_for().print
    say(f"{need}; counted for the whole batch, ordered by {by}\n", soft_wrap=True)
    rows = []
    for choice in advice.choices:
        counts = (choice.macs, choice.touched, choice.params)
        size = with_unit(choice.bytes, "B")
        rows.append([choice.name, *(f"{n:,}" for n in counts), size, choice.changed])
    head = ["mechanism", "multiply-adds", "numbers touched", "parameters", "largest tensor", ""]
    if rows:
        print_table(head, rows, right=range(1, 5))
    else:
        say("nothing fits")
    say()
    for line in ranking.reasons(advice):
        say(line, soft_wrap=True)
