"""`attention-lib cost`: count costs at any size, computing nothing."""

import torch

from attention_lib.cards.notation import COSTS
from attention_lib.catalog import find, preset_of
from attention_lib.cli.app import app
from attention_lib.cli.arguments import Settings, settings_of
from attention_lib.cli.tables import console_for, instance, print_table


@app.command()
def cost(name: str, settings: Settings = None) -> None:
    """Count costs at any size, computing nothing.

    Parameters, multiply-adds and the numbers in the largest tensor, beside what is declared.
    For example: cost mha tokens=1000000, or cost se channels=512 reduction=8.
    """
    from attention_lib.measure.cost import measure
    from attention_lib.measure.sizes import realistic, sizes_named

    card, given = find(name), settings_of(settings)
    if made := preset_of(card, name):
        given = {**card.defaults, **made.arguments, "height": made.height, **given}
        given.setdefault("width", made.width)
    card = realistic(card, **given)
    with sizes_named(card):
        with torch.device("meta"):
            mechanism, inputs = card.build(), card.inputs()
        counted = measure(mechanism, *inputs)
    batch = card.words()["batch"]
    rows = []
    for kind, title in COSTS.items():
        formula = getattr(card, kind)
        declared = card.cost(kind, batch) if formula else None
        shown = "not declared" if declared is None else f"{declared:,}"
        rows.append([title, f"{getattr(counted, kind):,}", shown, formula])
    console_for().print(instance(card), soft_wrap=True)
    print_table(["", "counted", "declared", "formula, for one sample"], rows, right=(1, 2))
    if counted.uncounted:
        console_for().print(f"Not counted: {', '.join(counted.uncounted)}", soft_wrap=True)
