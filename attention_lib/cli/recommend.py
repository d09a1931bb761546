"""`attention-lib recommend`: rank what fits a task by counted cost, and say why."""

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
    by: Annotated[str, typer.Option(help="macs, params, memory, or time.")] = "macs",
    backward: Annotated[bool, typer.Option("--backward", help="Times with gradients.")] = False,
    dtype: Precision = "float32",
) -> None:
    """Rank what fits a task by counted cost, and say why.

    Multiply-adds, parameters and the largest tensor are counted at the size given.  Times were
    measured, at the stored size nearest to it.  What cannot be used is left out, with the reason.
    """
    from attention_lib.advice import Need, parse_bytes, ranking

    need = Need(
        layout, features, tokens, height, width or height, batch,
        parse_bytes(memory) if memory else None, causal, padding, task, backward, dtype,
    )  # fmt: skip
    advice = ranking.recommend(need, by)
    say = console_for().print
    say(f"{need}; counted for the whole batch, ordered by {by}\n", soft_wrap=True)
    rows = []
    for choice in advice.choices:
        time = choice.measured
        rows.append([
            choice.name,
            f"{choice.macs:,}",
            f"{choice.params:,}",
            with_unit(choice.bytes, "B"),
            with_unit(time.seconds, "s") if time else "not measured",
            f"{time.where}, {time.machine}" if time else "",
        ])  # fmt: skip
    head = ["mechanism", "multiply-adds", "parameters", "largest tensor", "time", "measured at"]
    if rows:
        print_table(head, rows, right=range(1, 5))
    else:
        say("nothing fits")
    say()
    for line in ranking.reasons(advice):
        say(line, soft_wrap=True)
