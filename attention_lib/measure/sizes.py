"""A card at sizes that one meets in practice, in place of its small example."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral

import torch
from torch import nn

from attention_lib.cards.card import Card
from attention_lib.catalog import find
from attention_lib.core.arguments import MOST

# A ResNet-50's first stage and the Transformer of Vaswani et al.: sizes nobody has named.
TYPICAL = dict(channels=64, height=56, width=56, dim=512, tokens=1024, classes=80, batch=1)


def realistic(thing: Card | str | type[nn.Module], /, **given: object) -> Card:
    """The card with sizes one meets in practice, in place of its small example.

    Constructor arguments and axes are those given; else those of TYPICAL; else the constructor's
    own defaults and, where it has none, the example's.

    Raises:
        ValueError: if the mechanism has no axis or argument of a name that is given.
    """
    card = find(thing)
    known = inspect.signature(card.mechanism).parameters
    axes = dict.fromkeys((*card.sizes, *known))
    for name in given:
        if name not in axes:
            raise ValueError(f"{card} has no axis {name!r}; it has {', '.join(axes)}")
    for axis in card.sizes:
        size = given.get(axis, 1)
        check_size(f"{card}: {axis}", size)
    wanted = {**{k: v for k, v in TYPICAL.items() if k in axes}, **given}
    example = {**card.needed, **{k: v for k, v in wanted.items() if k in known}}
    if not given.keys() & known.keys():
        try:
            with torch.device("meta"):
                card.mechanism(**example)
        except ValueError:  # a default for wider maps, such as 64 groups, where nobody asked for it
            example = {**card.example, **example}
    numbers = {axis: size for axis, size in wanted.items() if isinstance(size, int)}
    sizes = {  # a size that is a product follows from its factors
        axis: size if isinstance(size, tuple) else numbers.get(axis, size)
        for axis, size in card.sizes.items()
    }
    return replace(card, example=example, sizes=sizes)


def sized(
    card: Card, features: int, height: int | None, width: int | None, tokens: int, **more: object
) -> Card:
    """The card on a map of `features` channels, or on tokens of as many features.

    Args:
        card: of either layout.
        features: channels, or features of a token.
        height, width: of the map; may be None for a mechanism on tokens.
        tokens: how many.
        more: other axes and constructor arguments; those it does not know are left out.
    """
    sizes = dict(channels=features, dim=features, height=height, width=width, tokens=tokens, **more)
    known = {*card.sizes, *inspect.signature(card.mechanism).parameters}
    return realistic(card, **{k: v for k, v in sizes.items() if k in known and v is not None})


def check_size(name: str, size: object) -> None:
    """Refuse what no axis can measure.

    Raises:
        ValueError: if it is no whole number, below 1, or larger than any axis.
    """
    if isinstance(size, bool) or not isinstance(size, Integral) or int(size) < 1:
        raise ValueError(f"{name}={size!r} must be a number, at least 1")
    if int(size) > MOST:
        raise ValueError(f"{name}={size} is too large: it must be at most {MOST}")


@contextmanager
def sizes_named(*cards: Card) -> Iterator[None]:
    """Says at which sizes it was that torch ran out of memory, or of numbers to count it.

    Raises:
        ValueError: if that happens inside.
    """
    try:
        yield
    except (RuntimeError, OverflowError) as error:
        told = [{a: card.words()[a] for a in card.shapes["x"] if not a.isdigit()} for card in cards]
        shown = (", ".join(f"{axis}={size}" for axis, size in sizes.items()) for sizes in told)
        named = "; ".join(f"{c} on x ({s})" for c, s in zip(cards, shown, strict=True))
        why = str(error).partition("\n")[0]
        raise ValueError(f"{named}: too large, or not for this machine ({why})") from error
