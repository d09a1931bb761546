"""Every mechanism, in reading order, and the one call that makes any of them.

There is no registry to keep. A family is a folder whose first line asks a question in italics, its
`__all__` is the list of its mechanisms, and the card lies beside the class.
"""

import inspect
import re
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from torch import nn

from attention_lib.card import Card

# An order, not a list of what there is: a family that is not named here comes after these.
ORDER = (
    *("dense", "linear", "channel", "spatial", "joint", "sparse", "hybrid", "mixing"),
    *("recurrent", "convolution"),
)


def _families(home: Path = Path(__file__).parent) -> tuple[str, ...]:
    """The folders whose first line asks, as in `Channel attention: *which feature matters?*`."""
    asks = re.compile(r'"""[^"\n]*: \*[^*\n]+\?\*')
    files = home.glob("*/__init__.py")
    names = [file.parent.name for file in files if asks.match(file.read_text("utf-8"))]
    return tuple(sorted(names, key=lambda name: ([*ORDER, name].index(name), name)))


FAMILIES = _families()


def catalog(family: str | None = None) -> list[Card]:
    """The cards of all families, or of one.

    Raises:
        ValueError: if there is no such family.
    """
    if family not in (None, *FAMILIES):
        raise ValueError(f"no family {family!r}; there are {', '.join(FAMILIES)}")
    names = [name for name in FAMILIES if family in (None, name)]
    shelves = [import_module(f"attention_lib.{name}") for name in names]
    classes = [getattr(shelf, name) for shelf in shelves for name in shelf.__all__]
    return [sys.modules[found.__module__].CARD for found in classes]


def find(name: str) -> Card:
    """The card of a mechanism, by class name or alias in any case.

    Raises:
        ValueError: if there is none, with the nearest names.
    """
    cards = {known.lower(): card for card in catalog() for known in (str(card), *card.aliases)}
    if name.lower() in cards:
        return cards[name.lower()]
    shown = {known.lower(): known for card in catalog() for known in (str(card), *card.aliases)}
    near = get_close_matches(name.lower(), shown, n=3, cutoff=0.4) or sorted(shown)
    raise ValueError(f"no mechanism {name!r}; did you mean {', '.join(shown[n] for n in near)}?")


def create(name: str, **arguments: object) -> nn.Module:
    """Make a mechanism by class name or alias: `create("se", channels=64)`.

    Raises:
        ValueError: if there is no such mechanism, or the arguments make no sense for it.
        TypeError: if it knows no such argument, or lacks one; the accepted ones are named.
    """
    mechanism = find(name).mechanism
    try:
        inspect.signature(mechanism).bind(**arguments)
    except TypeError as error:
        accepted = inspect.signature(mechanism)
        raise TypeError(f"{error}; it is {mechanism.__name__}{accepted}") from None
    return mechanism(**arguments)
