"""How to make a mechanism and call it, at sizes that one meets in practice, as a program."""

import inspect
from dataclasses import replace

from attention_lib.cards.card import Card, tensors_of
from attention_lib.cards.shape import Wanted
from attention_lib.measure.sizes import realistic

BATCH = 8


def program(card: Card) -> str:
    """A program that makes one in two ways and calls it; a network is its first preset."""
    name, made = str(card), realistic(card, batch=BATCH)
    arguments = dict(made.example)
    alias = card.aliases[0] if card.aliases else name
    if card.presets:
        alias, preset = next(iter(card.presets.items()))
        arguments = dict(preset.arguments)
        sizes = dict(batch=BATCH, height=preset.height, width=preset.width)
        made = replace(card, example=arguments, sizes={**card.sizes, **sizes})
    told = ", ".join(f"{key}={shown(value)}" for key, value in arguments.items())
    parts = [value for value in arguments.values() if isinstance(value, type)]
    imports = {f"from {part.__module__.rpartition('.')[0]} import {part.__name__}"
               for part in [*parts, card.mechanism]}  # fmt: skip
    again = f'create("{alias}")' if card.presets else f'create("{alias}", {told})'
    return "\n".join(
        [
            "import torch",
            "from attention_lib import create",
            *sorted(imports),
            "",
            f"mechanism = {name}({told})",
            f"mechanism = {again}  # the same",
            "",
            *call(made),
        ]
    )


def call(card: Card) -> list[str]:
    """Inputs of the card's sizes, the call, and the shape of what it returns."""
    words, given, lines = card.words(), [], []
    parameters = list(inspect.signature(card.mechanism.forward).parameters.values())[1:]
    for name in [p.name for p in parameters if p.default is p.empty]:
        note = card.notes.get(name)
        if not isinstance(note, Wanted):
            given.append(f"{name}={words[name]}")
            continue
        size = ", ".join(map(str, card.measure(note)))
        whole = note.kind == "integer"
        made = f"randint({words['vocabulary']}, ({size}))" if whole else f"randn({size})"
        lines.append(f"{name} = torch.{made}")
        given.append(name)
    answers = ", ".join(str(card.measure(note)) for note in tensors_of(card.notes["return"]))
    return [*lines, f"y = mechanism({', '.join(given)})", f"print(y.shape)  # {answers}"]


def shown(value: object) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)
