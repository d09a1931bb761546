"""A card for a module that has none, so that anybody's mechanism can be held to the contract.

    for promise, verdict, why in check("my_gate.py:MyGate", channels=16):
        print(promise, verdict, why)

Checks of what nobody declared do not apply: costs, properties and rejected arguments.
"""

import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import signature
from attention_lib.catalog import find
from attention_lib.checks import CONTRACT, verdict

AXES = {"maps": "batch channels height width", "tokens": "batch tokens dim"}
WIDTH = {"maps": "channels", "tokens": "dim"}
SMALL = (7, 5, 9, 11, 13)  # distinct and coprime, so that swapped axes cannot hide


class Checked(NamedTuple):
    """What became of one promise of the contract."""

    check: str  # the name of the check in `attention_lib.checks`
    verdict: str
    why: str


def check(
    thing: str | type[nn.Module] | nn.Module | Card,
    /,
    *,
    layout: str | None = None,
    sizes: Mapping[str, int] | None = None,
    **arguments: object,
) -> list[Checked]:
    """Hold any module to the contract: `check("se")`, `check(MyGate, channels=16)`.

    Args:
        thing: a mechanism as `find` takes it, any module or its class, or "path/to/file.py:Class".
        layout, sizes: see `card_for_module`.
        arguments: of the constructor; where there is a card, what changes in its example.

    Raises:
        ValueError: if there is no such thing, or it cannot be made or run.
    """
    return list(held_to(adopt(thing, arguments, layout, sizes)))


def adopt(
    thing: str | type[nn.Module] | nn.Module | Card,
    arguments: Mapping[str, object],
    layout: str | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Card:
    """A card for what `check` takes, with these arguments and sizes."""
    if isinstance(thing, str):
        thing = load(thing) if ".py" in thing else find(thing)
    if isinstance(thing, Card):
        example = {**thing.example, **arguments}
        return _tried(replace(thing, example=example, sizes={**thing.sizes, **(sizes or {})}))
    mechanism = type(thing) if isinstance(thing, nn.Module) else thing
    return card_for_module(mechanism, arguments, layout, sizes)


def held_to(card: Card) -> Iterator[Checked]:
    """The verdict on each promise, one after the other."""
    for promise in CONTRACT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a custom module may warn as it likes
            found = verdict(promise, card)
        yield Checked(promise.__name__, *found)


def load(place: str) -> type[nn.Module]:
    """The class at "path/to/file.py:Class".

    Raises:
        ValueError: if there is no such file or class, or the file does not run.
    """
    file, _, name = place.rpartition(":")
    path = Path(file if file.endswith(".py") else place)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    module_name = path.stem if path.stem not in sys.modules else f"guest_{path.stem}"
    spec = spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    module = sys.modules[module_name] = module_from_spec(spec)  # where pickle looks for it
    sys.path.insert(0, str(path.resolve().parent))  # as if it were run: it may have neighbours
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # it is anybody's file: whatever it raises is the answer
        raise ValueError(f"{path} does not run: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    found = getattr(module, name, None) if path == Path(file) else None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        modules = [
            name
            for name, thing in vars(module).items()
            if isinstance(thing, type)
            and issubclass(thing, nn.Module)
            and thing.__module__ == module_name
        ]
        there = f"it has {', '.join(modules)}" if modules else "it has none"
        raise ValueError(f"say which class of {path}, as in {path}:Class; {there}")
    return found


def card_for_module(
    mechanism: type[nn.Module],
    arguments: Mapping[str, object],
    layout: str | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Card:
    """Its own card, if its file has one; else a card made from what is known.

    Shapes are those of `forward`'s jaxtyping annotations, if its first argument is `x` and both
    it and the answer have one; else those of the layout, with the answer shaped like the input.

    Args:
        mechanism: a module whose `forward` takes one tensor and returns one.
        arguments: of its constructor, for a small instance.
        layout: "maps" for (batch, channels, height, width), "tokens" for (batch, tokens, dim).
            If None, maps where there is an argument `channels`, and tokens where there is `dim`.
        sizes: of axes of the input; small ones if not named.

    Raises:
        ValueError: if the module cannot be made, or does not run on such an input.
    """
    name, sizes = mechanism.__name__, dict(sizes or {})
    own = getattr(sys.modules[mechanism.__module__], "CARD", None)
    if isinstance(own, Card) and own.mechanism is mechanism:
        example = {**own.example, **arguments}
        return _tried(replace(own, example=example, sizes={**own.sizes, **sizes}))
    try:
        inspect.signature(mechanism).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"{error}; it is {name}{inspect.signature(mechanism)}") from None
    _one_tensor(mechanism)
    try:
        shapes = signature(mechanism.forward)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if not {"x", "return"} <= shapes.keys():
        layout = _layout(mechanism, layout)
        mechanism = _annotated(mechanism, layout, _width(mechanism, layout, arguments, sizes))
        sizes.pop(WIDTH[layout], None)
    card = Card(mechanism, paper="", example=dict(arguments), sizes={}, properties=None)
    with _named(card), torch.random.fork_rng(devices=[]):
        held = vars(card.build())
    axes = [axis for axis in card.shapes["x"] if axis not in held and axis not in arguments]
    free = dict(zip([axis for axis in axes if axis != "batch"], SMALL, strict=False))
    return _tried(replace(card, sizes={"batch": 2, **free, **sizes}))


def _layout(mechanism: type[nn.Module], layout: str | None) -> str:
    known = inspect.signature(mechanism).parameters
    likely = [name for name, width in WIDTH.items() if width in known]
    if layout in WIDTH:
        return layout
    if layout is None and len(likely) == 1:
        return likely[0]
    raise ValueError(f"say which layout {mechanism.__name__} has: maps or tokens (got {layout})")


def _width(
    mechanism: type[nn.Module], layout: str, arguments: Mapping[str, object], sizes: Mapping
) -> int:
    """How many channels or features its input has: as named, else its first argument."""
    axis = WIDTH[layout]
    first = next(iter(inspect.signature(mechanism).parameters), "")
    width = sizes.get(axis, arguments.get(axis, arguments.get(first)))
    if not isinstance(width, int):
        raise ValueError(f"say how many {axis} the input of {mechanism.__name__} has, as a size")
    return width


def _one_tensor(mechanism: type[nn.Module]) -> None:
    arguments = list(inspect.signature(mechanism.forward).parameters.values())[1:]
    needed = [a.name for a in arguments if a.default is a.empty and a.kind is not a.VAR_KEYWORD]
    if len(needed) != 1:
        takes = ", ".join(needed) or "nothing"
        raise ValueError(f"{mechanism.__name__}.forward must need one tensor, it needs {takes}")


def _annotated(mechanism: type[nn.Module], layout: str, width: int) -> type[nn.Module]:
    """The same class, but its forward calls its argument x and says its shape."""
    note = Float[Tensor, AXES[layout]]
    base: Any = mechanism  # which class that is, is known at run time only

    class Annotated(base):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            setattr(self, WIDTH[layout], width)

        def forward(self, x: note) -> note:
            return super().forward(x)

        def __reduce__(self) -> tuple:  # pickle finds no such class by its name: it is made again
            return _blank, (mechanism, layout, width), self.__dict__

    Annotated.__signature__ = inspect.signature(mechanism)
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(Annotated, name, getattr(mechanism, name))
    return Annotated


def _blank(mechanism: type[nn.Module], layout: str, width: int) -> nn.Module:
    """An instance of the annotated class that nothing was stored in yet."""
    annotated = _annotated(mechanism, layout, width)
    return annotated.__new__(annotated)


def _tried(card: Card) -> Card:
    """The card, once its example has run on its sizes and answered with a tensor."""
    with _named(card), torch.no_grad(), torch.random.fork_rng(devices=[]):
        answer = card.build().eval()(*card.inputs())
        if not isinstance(answer, Tensor):
            raise TypeError(f"forward must return one tensor, it returns a {type(answer).__name__}")
    return card


class _named:
    """Names the module in whatever building or running it raises."""

    def __init__(self, card: Card):
        self.card = card

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: Exception | None, _: object) -> None:
        if isinstance(error, Exception):
            arguments = ", ".join(f"{k}={v}" for k, v in self.card.example.items())
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ValueError(f"{self.card}({arguments}) does not work: {what}") from error
