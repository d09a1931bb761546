"""A mechanism in another layout: tokens for maps, maps for tokens, channels last for first."""

import inspect

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.shape import Maps, Tokens, shaped, signature
from attention_lib.core.arguments import typed
from attention_lib.core.guards import at_least


class OnTokens(nn.Module):
    """A mechanism that works on maps, given tokens: the pixels of a map, row by row."""

    @typed
    def __init__(self, mechanism: nn.Module, height: int, width: int):
        super().__init__()
        at_least(1, height=height, width=width)
        self.mechanism, self.height, self.width = mechanism, height, width
        self.tokens = height * width

    @shaped
    def forward(self, x: Tokens) -> Tensor:
        y = self.mechanism(x.transpose(-2, -1).unflatten(-1, (self.height, self.width)))
        return y.flatten(-2).transpose(-2, -1) if y.dim() == 4 else y


class OnMaps(nn.Module):
    """A mechanism that works on tokens, given a map: its pixels, row by row, are the tokens."""

    @typed
    def __init__(self, mechanism: nn.Module):
        super().__init__()
        self.mechanism = mechanism

    @shaped
    def forward(self, x: Maps) -> Maps:
        size = x.shape[-2:]
        sizes = dict(zip(("height", "width"), size, strict=True))
        y = self.mechanism(x.flatten(-2).transpose(-2, -1), **_asked(self.mechanism, sizes))
        return y.transpose(-2, -1).unflatten(-1, size)


class ChannelsLast(nn.Module):
    """A mechanism that works on maps, given a map whose channels are its last axis."""

    @typed
    def __init__(self, mechanism: nn.Module):
        super().__init__()
        self.mechanism = mechanism

    @shaped
    def forward(
        self, x: Float[Tensor, "batch height width channels"]
    ) -> Float[Tensor, "batch height width channels"]:
        return self.mechanism(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class _Sized(nn.Module):
    """A mechanism on tokens that asks for the height and width they are laid out in."""

    @typed
    def __init__(self, mechanism: nn.Module, height: int, width: int):
        super().__init__()
        at_least(1, height=height, width=width)
        self.mechanism, self.height, self.width = mechanism, height, width

    def forward(self, x: Tensor) -> Tensor:
        return self.mechanism(x, height=self.height, width=self.width)


def on_tokens(mechanism: nn.Module, height: int, width: int) -> nn.Module:
    """The mechanism as a module on tokens (batch, tokens, dim) of a map of height × width.

    One that works on tokens anyway is returned as it is, or with the sizes it asks for filled in.

    Raises:
        TypeError: if the mechanism is no module, or a size no integer.
        ValueError: if a size is below 1; in `forward`, if there are not height · width tokens.
    """
    if _layout(mechanism) != "tokens":
        return OnTokens(mechanism, height, width)
    asks = _asked(mechanism, dict(height=height, width=width))
    return _Sized(mechanism, **asks) if asks else mechanism


def on_maps(mechanism: nn.Module) -> nn.Module:
    """The mechanism as a module on maps (batch, channels, height, width) of any size.

    One that works on maps anyway is returned as it is.

    Raises:
        TypeError: if the mechanism is no module.
    """
    return mechanism if _layout(mechanism) == "maps" else OnMaps(mechanism)


def inside(mechanism: nn.Module) -> nn.Module:
    """The mechanism itself, without what adapts its layout."""
    while isinstance(mechanism, (OnTokens, OnMaps, ChannelsLast, _Sized)):
        mechanism = mechanism.mechanism
    return mechanism


def _layout(mechanism: nn.Module) -> str:
    """'maps' or 'tokens', by the signature of its forward; '' if that does not say."""
    forward = getattr(type(mechanism), "forward", None)
    axes = signature(forward).get("x", ()) if forward else ()
    return "maps" if "height" in axes else "tokens" if "tokens" in axes else ""


def _asked(mechanism: nn.Module, sizes: dict[str, int]) -> dict[str, int]:
    """Of these sizes, what the mechanism's forward takes as a number."""
    taken = inspect.signature(type(mechanism).forward).parameters
    return {name: size for name, size in sizes.items() if name in taken}
