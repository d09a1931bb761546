"""Put a mechanism after chosen modules of any network, and look whether it works there."""

import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map

from attention_lib.adapt.layouts import ChannelsLast, inside, on_maps
from attention_lib.adapt.look import Inputs, Look, Misfit
from attention_lib.adapt.then import Slot, place, slots
from attention_lib.cards.card import Card
from attention_lib.catalog import create, every_card, find

LAYOUTS = {"first": "(batch, channels, height, width)", "last": "(batch, height, width, channels)"}
POOLS = (nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
CHANNELS_FIRST = (
    *(nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.GroupNorm, nn.Upsample),
    *POOLS,
)
# what says how wide a layer's answer is, in torch's own layers
WIDTHS = ("out_channels", "num_features", "num_channels", "out_features", "normalized_shape")
WRAPPERS = re.compile("(FSDP.*|FullyShardedDataParallel|DistributedDataParallel|DataParallel)$")
# how constructors call the number of channels
CHANNELS = {"channels", "channel", "dim", "in_channels", "num_channels", "num_features"}
CHANNELS |= {"in_planes", "inplanes"}

Where = str | type[nn.Module] | Callable[[str, nn.Module], bool]


class Insertion(NamedTuple):
    """Where `insert` put a mechanism, and the map it meets there."""

    name: str  # of the mechanism among the network's modules
    channels: int
    height: int
    width: int
    mechanism: nn.Module

    def __str__(self) -> str:
        kind = type(inside(self.mechanism)).__name__
        return f"{self.name}: {kind} on {self.channels} × {self.height} × {self.width}"


def insert(
    network: nn.Module,
    mechanism: str | Card | type[nn.Module] | Callable[..., nn.Module],
    where: Where,
    *,
    example: Any = None,
    layout: str | None = None,
    **arguments: object,
) -> list[Insertion]:
    """Put a mechanism after chosen modules of a network, in place, and say where.

    Names in the network's state dict stay what they are, so published weights still load
    (`strict=False`).  A chosen module becomes a `Then` of itself and the mechanism; a plain
    `nn.Sequential` gets the mechanism as its last part.  The network is run before and after on
    tensors without numbers.  If a mechanism would not run exactly once, change a size, or make the
    network fail, the network is left as it was.

    What changes: `isinstance` of a chosen module is that of `Then`, and among the names of
    parameters and of exported programs its name is followed by `.host`.  An optimizer made before
    does not know the new parameters.

    Args:
        network: of torchvision, of timm, or your own; what it gives at these places are maps.
        mechanism: what `find` takes: a name, a class or a card; or a module class of your own; or
            a function that makes a module.  Each place gets one of its own.  The constructor is
            given channels, and height and width, where it asks for them by the usual names;
            else its first argument is the channels.
        where: a type; or the end of a name, in which each `*` stands for one part or less
            ("bn3", "layer4.*.bn3"); or a function of name and module.
        example: an input of the network: a tensor, a tuple of arguments or a dictionary of named
            ones; a picture (1, 3, 224, 224) if None.
        layout: "first" if the channels are the first axis after the batch, "last" if they are the
            last; found out if None.
        arguments: of the mechanism's constructor.

    Raises:
        TypeError: if an argument is of another type, such as one module in place of a class.
        ValueError: if nothing is found, or the mechanism does not fit what is found, with a reason.
    """
    make, child = _maker(mechanism, arguments)
    _refuse_early(network, where, layout)
    everywhere = list(slots(network))
    chosen = [slot for slot in everywhere if _is_chosen(slot, where)]
    if not chosen:
        raise ValueError(f"where={where!r} fits no module of {type(network).__name__}")
    for slot in chosen:
        names = [other.name for other in everywhere if other.module is slot.module]
        if len(names) > 1:
            raise ValueError(f"{' and '.join(names)} are one module: what follows one follows both")
    inputs, hosts = _inputs(network, example), [slot.name for slot in chosen]
    before = Look(hosts).at(network, inputs)
    maps = {name: before.map_of(name) for name in hosts}
    unsure = layout is None and any(_known_layout(slot.module) is None for slot in chosen)
    larger = _on_a_larger_picture(network, hosts, inputs) if unsure else {}
    placed: list[Insertion] = []
    undo: list[Callable[[], object]] = []
    try:
        for slot in chosen:
            size = maps[slot.name]
            last = (layout or _layout_of(slot, size, larger)) == "last"
            height, width, channels = size[1:] if last else (*size[2:], size[1])
            made = make(channels, height, width)
            made = ChannelsLast(made) if last else made
            made.to(device=_device(network, slot), dtype=before.dtypes[slot.name])
            undo.append(place(slot, child, made.train(slot.module.training)))
            placed.append(Insertion(f"{slot.name}.{child}", channels, height, width, made))
        must_give = {p.name: maps[slot.name] for slot, p in zip(chosen, placed, strict=True)}
        after = Look(must_give, must_give).at(network, inputs)
        for name in must_give:
            after.check_once(name)
        if before.answer != after.answer:
            raise Misfit(f"the network gave {before.answer}, with {child} {after.answer}")
    except Exception:
        for take_back in reversed(undo):
            take_back()
        raise
    return placed


def _refuse_early(network: nn.Module, where: object, layout: object) -> None:
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a module, got {network!r}")
    if not (isinstance(where, str | type) or callable(where)):
        raise TypeError(f"where must be the end of a name, a type or a function, got {where!r}")
    if layout not in (None, *LAYOUTS):
        raise ValueError(f"layout={layout!r} must be 'first' or 'last'")
    for module in network.modules():
        kind = type(module).__name__
        if WRAPPERS.match(kind) or isinstance(module, torch.jit.ScriptModule):
            raise ValueError(f"the network is wrapped in {kind}: insert first, then wrap")
    if any(is_lazy(parameter) for parameter in network.parameters()):
        raise ValueError("the network has parameters without a size yet: run it once, then insert")


def _is_chosen(slot: Slot, where: Where) -> bool:
    if isinstance(where, type):
        return isinstance(slot.module, where)
    if not isinstance(where, str):
        return where(slot.name, slot.module)
    parts, wanted = slot.name.split("."), where.split(".")
    end = parts[-len(wanted) :]
    return len(end) == len(wanted) and all(map(fnmatchcase, end, wanted))


def _inputs(network: nn.Module, example: Any) -> Inputs:
    if example is None:
        floating = (p.dtype for p in network.parameters() if p.is_floating_point())
        picture = torch.empty(1, 3, 224, 224, dtype=next(floating, None), device="meta")
        return Inputs((picture,), {}, given=False)
    if isinstance(example, dict):
        return Inputs((), example, given=True)
    return Inputs(example if isinstance(example, tuple) else (example,), {}, given=True)


def _device(network: nn.Module, slot: Slot) -> torch.device | None:
    """Of the parameter nearest to a module."""
    parts = slot.name.split(".")
    for depth in range(len(parts), -1, -1):
        for near in network.get_submodule(".".join(parts[:depth])).parameters():
            return near.device
    return None


# ---- what is inserted ----------------------------------------------------------------------------


def _maker(mechanism: Any, arguments: dict[str, object]) -> tuple[Callable[..., nn.Module], str]:
    """What makes one for channels, height and width, and the name of the child it becomes."""
    if isinstance(mechanism, nn.Module):
        kind = type(mechanism).__name__
        raise TypeError(f"mechanism is one {kind}; give the class: each place gets one of its own")
    if isinstance(mechanism, str | Card) or any(c.mechanism is mechanism for c in every_card()):
        card = find(mechanism)
        if len(card.shapes["return"]) != len(card.shapes["x"]):  # a classifier head
            gives = card.shapes["return"]
            raise ValueError(f"{card} gives {gives}, which no network can go on with")
        # such as double, which makes any module one of float64
        child = f"{card.stem}_attention" if hasattr(nn.Module, card.stem) else card.stem
        known = inspect.signature(card.mechanism).parameters

        def make(channels: int, height: int, width: int) -> nn.Module:
            sizes = dict(channels=channels, dim=channels, height=height, width=width)
            needed = {k: v for k, v in sizes.items() if k in known and _is_needed(known[k])}
            return on_maps(create(card, **{**needed, **arguments}))

        return make, child
    if not callable(mechanism):
        kind = type(mechanism).__name__
        raise TypeError(f"mechanism must be a name, a class or a function of channels, not {kind}")
    return partial(_make_own, mechanism, arguments), _snake(getattr(mechanism, "__name__", ""))


def _make_own(
    make: Callable[..., Any], arguments: dict[str, object], channels: int, height: int, width: int
) -> nn.Module:
    """One of somebody's own class or function, given the sizes that it asks for."""
    name = getattr(make, "__name__", repr(make))
    known = inspect.signature(make).parameters
    asked = {key: channels for key in CHANNELS if key in known}
    asked |= {k: v for k, v in dict(height=height, width=width).items() if k in known}
    asked |= {key: channels for key in ("out_channels", "out_planes") if key in known and asked}
    first = [key for key, p in known.items() if _is_needed(p)][:1]
    if not any(key in CHANNELS for key in {**asked, **arguments}):
        asked |= {key: channels for key in first}
    try:
        made = make(**{**asked, **arguments})
    except TypeError as error:
        raise TypeError(f"{name} cannot be made: {error}; insert gave it {asked}") from error
    if not isinstance(made, nn.Module):
        raise TypeError(f"{name} gives {type(made).__name__}, not a module")
    return made


def _is_needed(parameter: inspect.Parameter) -> bool:
    variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not variable


def _snake(name: str) -> str:
    """A class's name as that of a child."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    free = snake.isidentifier() and not hasattr(nn.Module, snake)
    return snake if free else f"inserted_{snake}" if snake.isidentifier() else "inserted"


# ---- which axis is the channels? -----------------------------------------------------------------


def _known_layout(module: nn.Module) -> str | None:
    """Of torch's own layers."""
    if isinstance(module, nn.Linear) or type(module).forward is nn.LayerNorm.forward:
        return "last"
    return "first" if isinstance(module, CHANNELS_FIRST) else None


def _layout_of(slot: Slot, size: tuple[int, ...], larger: dict[str, list]) -> str:
    """By torch's own layers; by the axis that does not grow with the picture; by widths."""
    if known := _known_layout(slot.module):
        return known
    grown = next(iter(larger.get(slot.name, ())), ())
    same = [axis for axis in (1, 2, 3) if len(grown) == 4 and grown[axis] == size[axis]]
    if same in ([1], [3]):
        return "first" if same == [1] else "last"
    for part in reversed(list(slot.module.modules())):  # the last layer that says how wide it is
        known = _known_layout(part)
        width = next((getattr(part, name) for name in WIDTHS if hasattr(part, name)), None)
        axis = {"first": 1, "last": 3}.get(known or "")
        if axis and width in (size[axis], (size[axis],)) and size.count(size[axis]) == 1:
            return str(known)
    either = " or ".join(LAYOUTS.values())
    raise Misfit(f"{slot.name} gives {size}: is that {either}? Say layout='first' or 'last'")


def _on_a_larger_picture(network: nn.Module, hosts: list[str], inputs: Inputs) -> dict[str, list]:
    """What is given for a picture of 2 × the height and 3 × the width, as far as it comes."""

    def larger(x: Any) -> Any:
        if not isinstance(x, Tensor) or x.dim() != 4:
            return x
        batch, channels, height, width = x.shape
        return torch.empty(batch, channels, 2 * height, 3 * width, dtype=x.dtype, device="meta")

    args, kwargs = tree_map(larger, (inputs.args, dict(inputs.kwargs)))
    look = Look(hosts)
    with suppress(ValueError):  # the network may fail behind the places that are looked at
        look.at(network, Inputs(args, kwargs, given=False))
    return look.gave
