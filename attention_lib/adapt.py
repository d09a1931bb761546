"""Plug a mechanism in: tokens for maps, maps for tokens, and into a network that has none.

on_tokens(create("se", channels=64), height=7, width=5)    # takes (batch, 35, 64)
on_maps(create("mha", dim=64))                             # takes (batch, 64, height, width)
for placed in insert(resnet50(), "se", where="bn3"):
    print(placed)                    # layer1.0.bn3.squeeze_excitation: SqueezeExcitation(...
"""

import inspect
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import shaped, signature
from attention_lib.catalog import create, find
from attention_lib.measure.cost import trace_fake


class OnTokens(nn.Module):
    """A mechanism that works on maps, given tokens: the pixels of a map, row by row."""

    def __init__(self, mechanism: nn.Module, height: int, width: int):
        super().__init__()
        if height < 1 or width < 1:
            raise ValueError(f"height={height} and width={width} must be at least 1")
        self.mechanism, self.height, self.width = mechanism, height, width
        self.tokens = height * width

    @shaped
    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Tensor:
        y = self.mechanism(x.transpose(-2, -1).unflatten(-1, (self.height, self.width)))
        return y.flatten(-2).transpose(-2, -1) if y.dim() == 4 else y


class OnMaps(nn.Module):
    """A mechanism that works on tokens, given a map: its pixels, row by row, are the tokens."""

    def __init__(self, mechanism: nn.Module):
        super().__init__()
        self.mechanism = mechanism

    @shaped
    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        size = x.shape[-2:]
        sizes = dict(zip(("height", "width"), size, strict=True))
        y = self.mechanism(x.flatten(-2).transpose(-2, -1), **_asked(self.mechanism, sizes))
        return y.transpose(-2, -1).unflatten(-1, size)


class _Sized(nn.Module):
    """A mechanism on tokens that asks for the height and width they are laid out in."""

    def __init__(self, mechanism: nn.Module, height: int, width: int):
        super().__init__()
        self.mechanism, self.height, self.width = mechanism, height, width

    def forward(self, x: Tensor) -> Tensor:
        return self.mechanism(x, height=self.height, width=self.width)


def on_tokens(mechanism: nn.Module, height: int, width: int) -> nn.Module:
    """The mechanism as a module on tokens (batch, tokens, dim) of a map of height × width.

    One that works on tokens anyway is returned as it is, or with the sizes it asks for filled in.

    Raises:
        ValueError: if a size is below 1; in `forward`, if there are not height · width tokens.
    """
    if _layout(mechanism) != "tokens":
        return OnTokens(mechanism, height, width)
    asks = _asked(mechanism, dict(height=height, width=width))
    return _Sized(mechanism, **asks) if asks else mechanism


def on_maps(mechanism: nn.Module) -> nn.Module:
    """The mechanism as a module on maps (batch, channels, height, width) of any size.

    One that works on maps anyway is returned as it is.
    """
    return mechanism if _layout(mechanism) == "maps" else OnMaps(mechanism)


class Insertion(NamedTuple):
    """Where `insert` put a mechanism, and the map it meets there."""

    name: str  # of the mechanism among the network's modules
    channels: int
    height: int
    width: int
    mechanism: nn.Module

    def __str__(self) -> str:
        kind = type(getattr(self.mechanism, "mechanism", self.mechanism)).__name__
        return f"{self.name}: {kind} on {self.channels} × {self.height} × {self.width}"


def insert(
    network: nn.Module,
    mechanism: str | type[nn.Module] | Card,
    where: str | type[nn.Module] | Callable[[str, nn.Module], bool],
    *,
    example: Tensor | None = None,
    **arguments: object,
) -> list[Insertion]:
    """Put a mechanism after chosen modules of a network, in place, and say where.

    It becomes a child of each module it follows, named after its file, and takes what that module
    gives.  No name in the network changes, so published weights still load
    (`strict=False`).  Channels, and height and width where the constructor asks for them, are
    read off one pass of `example` without arithmetic; nothing is changed if anything does not fit.

    Args:
        network: of torchvision, of timm, or your own; what it gives at these places are maps.
        mechanism: what `find` takes: a name, a class or a card.
        where: a type; or the end of a name, in which each `*` stands for one part or less
            ("bn3", "layer4.*.bn3"); or a function of name and module.
        example: an input of the network; a picture (1, 3, 224, 224) if None.
        arguments: of the mechanism's constructor.

    Raises:
        ValueError: if nothing is found, or what is found gives no map, gives maps of several
            sizes, or is not reached by the example; or if the mechanism does not give a map.
    """
    card = find(mechanism)
    if len(card.shapes["return"]) != len(card.shapes["x"]):  # a classifier head
        raise ValueError(f"{card} gives {card.shapes['return']}, which no network can go on with")
    chosen = {name: m for name, m in network.named_modules() if name and _chosen(name, m, where)}
    if not chosen:
        raise ValueError(f"where={where!r} fits no module of {type(network).__name__}")
    child = card.stem
    if hasattr(nn.Module, child):  # such as double, which makes any module one of float64
        child += "_attention"
    picture = torch.empty(1, 3, 224, 224, device="meta") if example is None else example
    maps, placed = _maps(network, chosen, picture), []
    for name, module in chosen.items():
        if hasattr(module, child):
            raise ValueError(f"{name} has a {child} already")
        made = _fitting(card, *maps[name], arguments)
        placed.append(Insertion(f"{name}.{child}", *maps[name], made))
    for module, place in zip(chosen.values(), placed, strict=True):
        own = next(iter(module.parameters()), next(iter(network.parameters()), None))
        if own is not None:
            place.mechanism.to(device=own.device, dtype=own.dtype)
        place.mechanism.train(module.training)
        module.add_module(child, place.mechanism)
        if type(module).forward is not nn.Sequential.forward:  # that runs all its children anyway
            module.register_forward_hook(partial(_then, child))
    return placed


def _then(child: str, module: nn.Module, given: tuple, answer: Tensor) -> Tensor:
    """A forward hook: what the module gives goes through its child."""
    return getattr(module, child)(answer)


def _chosen(name: str, module: nn.Module, where: str | type | Callable) -> bool:
    if isinstance(where, type):
        return isinstance(module, where)
    if not isinstance(where, str):
        return where(name, module)
    parts, wanted = name.split("."), where.split(".")
    end = parts[-len(wanted) :]
    return len(end) == len(wanted) and all(map(fnmatchcase, end, wanted))


def _maps(
    network: nn.Module, chosen: dict[str, nn.Module], example: Tensor
) -> dict[str, tuple[int, int, int]]:
    """Channels, height and width of what each chosen module gives for the example."""
    found: dict[str, tuple[int, int, int]] = {}

    def note(name: str, module: nn.Module, given: tuple, answer: object) -> None:
        if not isinstance(answer, Tensor) or answer.ndim != 4:
            other = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise ValueError(f"{name} gives {other}, not a map")
        _, channels, height, width = answer.shape
        size = (channels, height, width)
        if found.setdefault(name, size) != size:
            raise ValueError(f"{name} gives maps of {found[name]} and of {size}")

    hooks = [m.register_forward_hook(partial(note, name)) for name, m in chosen.items()]
    try:
        trace_fake(network, example)
    finally:
        for hook in hooks:
            hook.remove()
    if unreached := chosen.keys() - found.keys():
        raise ValueError(f"the example does not reach {', '.join(sorted(unreached))}")
    return found


def _fitting(
    card: Card, channels: int, height: int, width: int, arguments: dict[str, object]
) -> nn.Module:
    """The mechanism for a map of these sizes, unless the caller has said others."""
    known = inspect.signature(card.mechanism).parameters
    sizes = dict(channels=channels, dim=channels, height=height, width=width)
    wanted = {k: v for k, v in sizes.items() if k in known and known[k].default is known[k].empty}
    return on_maps(create(card, **{**wanted, **arguments}))


def _layout(mechanism: nn.Module) -> str:
    """'maps' or 'tokens', by the signature of its forward; '' if that does not say."""
    axes = signature(type(mechanism).forward).get("x", ())
    return "maps" if "height" in axes else "tokens" if "tokens" in axes else ""


def _asked(mechanism: nn.Module, sizes: dict[str, int]) -> dict[str, int]:
    """Of these sizes, what the mechanism's forward takes as a number."""
    taken = inspect.signature(type(mechanism).forward).parameters
    return {name: size for name, size in sizes.items() if name in taken}
