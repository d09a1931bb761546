"""A card for a module that has none, so that anybody's mechanism can be held to the contract.

    for promise, verdict, why in check("my_gate.py:MyGate", channels=16):
        print(promise, verdict, why)

The class, its file and the module itself stay as they are; what is known of them stands on the
card.  Checks of what nobody declared do not apply: costs, properties and rejected arguments.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Axes, Maps, Several, Tokens, Wanted, signature, wanted
from attention_lib.catalog import find
from attention_lib.checks import CONTRACT, verdict
from attention_lib.checks.files import load
from attention_lib.measure.sizes import check_size

WIDTH = {"maps": "channels", "tokens": "dim"}
SMALL = (7, 5, 9, 11, 13)  # distinct and coprime, so that swapped axes cannot hide


def _on_maps(self: nn.Module, x: Maps) -> Maps:
    """What a forward is annotated with that gives maps for maps; never called."""
    return x


def _on_tokens(self: nn.Module, x: Tokens) -> Tokens:
    """The same of tokens."""
    return x


LAYOUTS: dict[str, Callable] = {"maps": _on_maps, "tokens": _on_tokens}


class Checked(NamedTuple):
    """What became of one promise of the contract."""

    check: str  # the name of the check in `attention_lib.checks`
    verdict: str
    why: str


@dataclass(frozen=True, eq=False)
class CustomCard(Card):
    """A card of somebody's module: its forward may not say its shapes, it may be there already."""

    laid: str = ""  # "maps" or "tokens", where its forward does not say
    width: int = 0  # channels or features of its input
    instance: nn.Module | None = None  # what is copied, in place of being made

    @property
    def notes(self) -> Mapping[str, Wanted | Several]:
        return wanted(LAYOUTS[self.laid]) if self.laid else super().notes

    @property
    def given(self) -> dict[str, Axes]:
        if not self.laid:
            return super().given
        _, x, *_ = inspect.signature(self.mechanism.forward).parameters
        return {x: self.shapes["x"][1:]}

    def build(self, **arguments: object) -> nn.Module:
        if self.instance is None:
            return super().build(**arguments)
        device = torch.empty(0).device  # which `with torch.device("meta")` has set
        copied = deepcopy(self.instance)
        movable = not isinstance(copied, torch.jit.ScriptModule)  # not to the meta device
        return copied.to(device) if movable and device.type == "meta" else copied

    def inputs(self, dtype: torch.dtype = torch.float32, /, **sizes: int) -> list[Any]:
        if not self.laid:
            return super().inputs(dtype, **sizes)
        [shape] = self.answers(**sizes)  # which is also that of the input
        return [torch.randn(shape, dtype=dtype)]

    def words(self, **sizes: int) -> dict[str, Any]:
        return {**super().words(**sizes), **({WIDTH[self.laid]: self.width} if self.laid else {})}


def check(
    thing: str | type[nn.Module] | nn.Module | Card,
    /,
    *,
    layout: str | None = None,
    sizes: Mapping[str, int] | None = None,
    flow: str | None = None,
    **arguments: object,
) -> list[Checked]:
    """Hold any module to the contract: `check("se")`, `check(MyGate, channels=16)`.

    Args:
        thing: a mechanism as `find` takes it, any module or its class, or "path/to/file.py:Class".
            A module that has no card is copied, unless there are arguments to make another.
        layout, sizes: see `card_for_module`.
        flow: the steps of its diagram, as `attention_lib.cards.flow` reads them; then the check
            of the flow applies too.  In place of a card's own.
        arguments: of the constructor; where there is a card, what changes in its example.

    Raises:
        ValueError: if there is no such thing, or it cannot be made or run.
        TypeError: if `thing` is of another type.
    """
    card = adopt(thing, arguments, layout, sizes)
    return list(held_to(card if flow is None else replace(card, flow=flow)))


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
        return _tried(_changed(thing, arguments), sizes or {})
    return card_for_module(thing, arguments, layout, sizes)


def held_to(card: Card) -> Iterator[Checked]:
    """The verdict on each promise, one after the other."""
    for promise in CONTRACT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a custom module may warn as it likes
            found = verdict(promise, card)
        yield Checked(promise.__name__, *found)


def card_for_module(
    thing: type[nn.Module] | nn.Module,
    arguments: Mapping[str, object],
    layout: str | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Card:
    """Its own card, if its file has one; else a card made from what is known.

    Shapes are those of `forward`'s jaxtyping annotations, if its first argument is `x` and both
    it and the answer have one; else those of the layout, with the answer shaped like the input.

    Args:
        thing: a module, or its class, whose `forward` takes one tensor and returns one.
        arguments: of its constructor, for a small instance.
        layout: "maps" for (batch, channels, height, width), "tokens" for (batch, tokens, dim).
            If None, maps where there is an argument `channels`, and tokens where there is `dim`.
        sizes: of axes of the input; small ones if not named.

    Raises:
        ValueError: if the module cannot be made, or does not run on such an input.
        TypeError: if it is neither a module nor a class of modules.
    """
    instance = thing if isinstance(thing, nn.Module) else None
    mechanism: Any = thing if instance is None else type(instance)
    if not (isinstance(mechanism, type) and issubclass(mechanism, nn.Module)):
        raise TypeError(f"a name, file.py:Class, module or class of one is wanted, got {thing!r}")
    own = getattr(sys.modules.get(mechanism.__module__), "CARD", None)
    if isinstance(own, Card) and own.mechanism is mechanism:
        return _tried(_changed(own, arguments), sizes or {})
    instance = None if arguments else instance
    if instance is None:
        accepted = inspect.signature(mechanism)
        try:
            accepted.bind(**arguments)
        except TypeError as error:
            raise ValueError(f"{error}; it is {mechanism.__name__}{accepted}") from None
    readable = inspect.isfunction(getattr(mechanism, "forward", None))  # in a script it is none
    if readable:
        _one_tensor(mechanism)
    card = CustomCard(
        mechanism,
        paper="",
        example=dict(arguments),
        sizes={},
        properties=None,
        instance=instance,
    )
    sizes = dict(sizes or {})
    try:
        said = readable and {"x", "return"} <= signature(mechanism.forward).keys()
    except TypeError as error:
        raise ValueError(str(error)) from None
    if not said:
        layout = _layout(card, layout)
        card = replace(card, laid=layout, width=_width(card, layout, sizes))
        sizes.pop(WIDTH[layout], None)
    with _named(card), torch.random.fork_rng(devices=[]):
        fixed = {*vars(card.build()), *arguments, WIDTH.get(card.laid)}
    axes = [axis for axis in card.shapes["x"] if axis not in fixed]
    free = dict(zip([axis for axis in axes if axis != "batch"], SMALL, strict=False))
    return _tried(replace(card, sizes={"batch": 2, **free}), sizes)


def _changed(card: Card, arguments: Mapping[str, object]) -> Card:
    """The card with another example; a flow tells the steps of its own alone."""
    example = {**card.example, **arguments}
    return replace(card, example=example, flow=card.flow if example == card.example else "")


def _layout(card: CustomCard, layout: str | None) -> str:
    known = {*inspect.signature(card.mechanism).parameters, *card.example}
    likely = [name for name, width in WIDTH.items() if width in known]
    if layout in LAYOUTS:
        return layout
    if layout is None and len(likely) == 1:
        return likely[0]
    raise ValueError(f"say which layout {card} has: maps or tokens (got {layout})")


def _width(card: CustomCard, layout: str, sizes: Mapping[str, int]) -> int:
    """How many channels or features its input has: as named, held, or its first argument."""
    axis = WIDTH[layout]
    first = next(iter(inspect.signature(card.mechanism).parameters), "")
    held = {} if card.instance is None else vars(card.instance)
    told = {**held, **card.example, **sizes}
    width = told.get(axis, told.get(first))
    if not isinstance(width, int) or isinstance(width, bool):
        raise ValueError(f"say how many {axis} the input of {card} has, as a size")
    return width


def _one_tensor(mechanism: type[nn.Module]) -> None:
    arguments = list(inspect.signature(mechanism.forward).parameters.values())[1:]
    several = [a for a in arguments if a.kind is a.VAR_POSITIONAL]
    beside = (*several, *(a for a in arguments if a.kind is a.VAR_KEYWORD))
    needed = [a.name for a in arguments if a.default is a.empty and a not in beside]
    if len(needed) != 1 and not (several and not needed):
        takes = ", ".join(needed) or "nothing"
        raise ValueError(f"{mechanism.__name__}.forward must need one tensor, it needs {takes}")


def _tried(card: Card, sizes: Mapping[str, int]) -> Card:
    """The card at these sizes, once its example has run on them and answered with a tensor."""
    axes = dict.fromkeys((*card.shapes["x"], *card.sizes))
    for axis, size in sizes.items():
        if axis not in axes:
            raise ValueError(f"{card} has no axis {axis!r}; it has {', '.join(axes)}")
        check_size(axis, size)
    card = replace(card, sizes={**card.sizes, **sizes})
    with _named(card), torch.no_grad(), torch.random.fork_rng(devices=[]):
        answer = card.build().eval()(*card.inputs())
        if not isinstance(answer, Tensor):
            raise TypeError(f"forward must return one tensor, it returns a {type(answer).__name__}")
    return card


@contextmanager
def _named(card: Card) -> Iterator[None]:
    """Names the module in whatever building or running it raises."""
    try:
        yield
    except (Exception, SystemExit) as error:
        arguments = ", ".join(f"{k}={v}" for k, v in card.example.items())
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{card}({arguments}) does not work: {what}") from error
