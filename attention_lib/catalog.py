"""Every mechanism, in reading order, how one is found, and the one call that makes any of them.

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

from attention_lib.cards.card import Card, Preset

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
NETWORKS = "networks"  # no family: whole models, which are found and made alike


def catalog(family: str | None = None) -> list[Card]:
    """The cards of all families, of one, or of the whole "networks", which are in no family.

    Raises:
        ValueError: if there is no such family.
    """
    if family not in (None, NETWORKS, *FAMILIES):
        raise ValueError(f"no family {family!r}; there are {', '.join(FAMILIES)}")
    names = FAMILIES if family is None else (family,)
    shelves = [import_module(f"attention_lib.{name}") for name in names]
    classes = [getattr(shelf, name) for shelf in shelves for name in shelf.__all__]
    return [sys.modules[found.__module__].CARD for found in classes]


def every_card() -> list[Card]:
    """The cards of all mechanisms, then those of the networks."""
    return [*catalog(), *catalog(NETWORKS)]


def find(thing: str | type[nn.Module] | nn.Module | Card) -> Card:
    """The card of a mechanism.

    Args:
        thing: a name, in which case, hyphens, underscores and blanks do not count: of the class,
            of its file, of the paper, or of other collections; or the class, an instance, or the
            card itself.

    Raises:
        ValueError: if there is none, with the nearest names; or if several mechanisms have that
            name, with these.
        TypeError: if `thing` is of another type.
    """
    if isinstance(thing, Card):
        return thing
    if isinstance(thing, str):
        return _named(thing)
    mechanism = type(thing) if isinstance(thing, nn.Module) else thing
    if not (isinstance(mechanism, type) and issubclass(mechanism, nn.Module)):
        raise TypeError(f"a name, class, instance or card is wanted, got {thing!r}")
    card = getattr(sys.modules[mechanism.__module__], "CARD", None)
    if isinstance(card, Card) and card.mechanism is mechanism:
        return card
    name = mechanism.__name__
    raise ValueError(f"class {name} has no card in its file; near to it are {_nearest(name)}")


def create(
    thing: str | type[nn.Module] | nn.Module | Card, /, *arguments: object, **named: object
) -> nn.Module:
    """Make a mechanism from what `find` takes: `create("se", 64, reduction=8)`.

    Args:
        thing: which one; the name of a preset, such as "resnet50", brings its arguments.
        arguments, named: of its constructor.

    Raises:
        ValueError: if there is no such mechanism, or the arguments make no sense for it.
        TypeError: if it knows no such argument, or lacks one, and the accepted ones are named;
            or if an argument is of the wrong type.
    """
    card = find(thing)
    mechanism, accepted = card.mechanism, inspect.signature(card.mechanism)
    if isinstance(thing, str) and (made := preset_of(card, thing)):
        named = {**made.arguments, **named}
    try:
        accepted.bind(*arguments, **named)
    except TypeError as error:
        raise TypeError(f"{error}; it is {mechanism.__name__}{accepted}") from None
    return mechanism(*arguments, **named)


def _named(name: str) -> Card:
    cards = [card for card in every_card() if _spelled(name) in map(_spelled, card.names)]
    if len(cards) > 1:
        candidates = ", ".join(f"{card} ({card.family})" for card in cards)
        raise ValueError(f"{name!r} is the name of several mechanisms: {candidates}")
    if not cards:
        raise ValueError(f"no mechanism {name!r}; did you mean {_nearest(name)}?")
    return cards[0]


def _nearest(name: str) -> str:
    """The names that are spelled most like it; all classes if none is."""
    known = {_spelled(known): known for card in every_card() for known in reversed(card.names)}
    near = get_close_matches(_spelled(name), known, n=3, cutoff=0.4)
    return ", ".join([known[spelled] for spelled in near] or sorted(map(str, catalog())))


def preset_of(card: Card, name: str) -> Preset | None:
    """The card's preset of this name; None if it is another of the card's names."""
    presets = {_spelled(preset): made for preset, made in card.presets.items()}
    return presets.get(_spelled(name))


def _spelled(name: str) -> str:
    """A name without what does not count in it."""
    return "".join(letter for letter in name.lower() if letter not in "-_ ")
