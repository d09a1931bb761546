"""Judges for the exercises on channel attention."""

from collections.abc import Callable
from math import e, exp

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib import checks
from attention_lib.channel import EfficientChannelAttention, SqueezeExcitation
from attention_lib.checks import answers, travel
from attention_lib.checks.adopt import card_for_module
from attention_lib.teaching.exercises.numbers import (
    EXACT,
    Case,
    hold_numbers,
    hold_parts,
    hold_tensor,
)
from attention_lib.teaching.exercises.watch import Judge


def _by_hand(answer: Callable[[], tuple[list[float], list[float]]]) -> None:
    gates, numbers = _hand()
    hold_parts(answer(), {"the gate g": (gates, 0.006), "the answer y": (numbers, 0.03)})


def _hand(
    hidden: float = 3.0,
    rule: Callable[[float], float] = lambda logit: 1 / (1 + exp(-logit)),
    signs: tuple[int, int] = (1, -1),
    join: Callable[[float, float], float] = lambda gate, pixel: gate * pixel,
) -> tuple[list[float], list[float]]:
    """The gates and the answer of exercise 1, to two decimals."""
    gates = [rule(sign * hidden) for sign in signs]
    pixels = [(gates[0], 2.0), (gates[0], 4.0), (gates[1], -1.0), (gates[1], 1.0)]
    return [round(gate, 2) for gate in gates], [round(join(*pair), 2) for pair in pixels]


def _added_parameters(answer: Callable[[list[int], int, bool], int]) -> None:
    cases: list[Case] = []
    for widths, reduction, bias in (
        ([64], 16, True),
        ([256] * 3 + [512] * 4, 16, False),
        ([20, 33, 64], 8, True),
    ):
        modules = [SqueezeExcitation(width, reduction, bias) for width in widths]
        wanted = sum(p.numel() for module in modules for p in module.parameters())
        said = f"for {widths}, reduction={reduction}, bias={bias}"
        cases.append(((widths, reduction, bias), wanted, said))
    hold_numbers(answer, cases, form=",")


def _counted(widths: list[int], r: int, matrices: int = 2, whole: int = 0, middle: int = 0) -> int:
    """Matrices, and vectors as wide as the map and as the middle."""
    return sum((matrices * c + middle) * (c // r) + whole * c for c in widths)


def _eca_gate(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    for channels, kernel_size in ((8, 3), (5, 1), (3, 7)):
        x = torch.randn(2, channels, 4, 5, dtype=EXACT)
        attention = checks.randomize(EfficientChannelAttention(channels, kernel_size)).double()
        case = f"with {channels} channels and {kernel_size} weights"
        hold_tensor(answer(x, attention.mix.weight.flatten()), attention.gate(x), case)


def _eca(
    x: Tensor,
    weight: Tensor,
    z: Tensor | None = None,
    padding: str = "constant",
    before: int | None = None,
) -> Tensor:
    """The gates before σ; a mistake gives its own means, padding, or zeros before channel 1."""
    z = x.mean(dim=(2, 3)) if z is None else z
    before = len(weight) // 2 if before is None else before
    padded = F.pad(z[:, None], (before, len(weight) - 1 - before), padding)[:, 0]
    return padded.unfold(1, len(weight), 1) @ weight


def _mean_gate(answer: type[nn.Module]) -> None:
    assert not list(answer(4).parameters()), "it is to have no parameters"
    x = torch.randn(2, 4, 3, 5, dtype=EXACT)
    wanted = x * x.mean(dim=(2, 3), keepdim=True).sigmoid()
    hold_tensor(answer(4)(x), wanted, f"for a map of shape {tuple(x.shape)}")
    card = card_for_module(answer, dict(channels=4))
    for check in (answers.check_empty_batch, answers.check_dtype, travel.check_leaves_no_trace):
        status, why = checks.verdict(check, card)
        promise = (check.__doc__ or "").partition("\n")[0]
        assert status == "passed", f"{promise} {why}"


def _module(formula: Callable[[Tensor], Tensor]) -> type[nn.Module]:
    """A module without parameters that computes a formula."""

    class Mistake(nn.Module):
        def __init__(self, channels: int):
            super().__init__()

        def forward(self, x: Tensor) -> Tensor:
            return formula(x)

    return Mistake


def _mean(x: Tensor, dim: tuple[int, ...] = (2, 3)) -> Tensor:
    return x.mean(dim=dim, keepdim=True)


def _largest_share(answer: Callable[[int], float]) -> None:
    cases = [((s,), e / (e + s - 1), f"for S = {s}") for s in (4, 2, 9, 1)]
    hold_numbers(answer, cases, form=".4f")


def _maximum_gate(answer: type[SqueezeExcitation]) -> None:
    right = checks.randomize(SqueezeExcitation(6, reduction=2)).double()
    module = answer(6, reduction=2).double()
    module.load_state_dict(right.state_dict())
    x = torch.randn(3, 6, 4, 5, dtype=EXACT) - 0.5
    assert module.gate(x) is not None, "gate returned nothing"
    wanted = right.excite(right.squash(x.amax(dim=(2, 3))).relu()).sigmoid()
    hold_tensor(module(x), wanted[..., None, None] * x, f"for a map of shape {tuple(x.shape)}")


def _squeezing(squeeze: Callable[[Tensor], Tensor]) -> type[SqueezeExcitation]:
    """A Squeeze-and-Excitation with another squeeze."""

    class Mistake(SqueezeExcitation):
        def gate(self, x: Tensor) -> Tensor:
            return self.excite(self.squash(squeeze(x)).relu()).sigmoid()

    return Mistake


class _Open(SqueezeExcitation):
    def gate(self, x: Tensor) -> Tensor:
        return self.excite(self.squash(x.amax(dim=(2, 3))).relu())


JUDGES = {
    1: Judge(
        _by_hand,
        mistakes={
            "this is what comes out if the pixels are summed, not averaged": lambda: _hand(6.0),
            "this is what comes out without σ": lambda: _hand(rule=lambda logit: logit),
            "the two gates are swapped: W₂ is 1 for the first channel": (
                lambda: _hand(signs=(-1, 1))
            ),
            "this is what comes out if a second ReLU stands behind W₂": (
                lambda: _hand(rule=lambda logit: 1 / (1 + exp(-max(logit, 0))))
            ),
            "this is what comes out if the gates are added to the pixels, not multiplied": (
                lambda: _hand(join=lambda gate, pixel: gate + pixel)
            ),
        },
    ),
    2: Judge(
        _added_parameters,
        forbids=("a module",),
        mistakes={
            "this is what comes out if biases are never counted": (
                lambda widths, r, bias: _counted(widths, r)
            ),
            "this is what comes out if biases are always counted": (
                lambda widths, r, bias: _counted(widths, r, whole=1, middle=1)
            ),
            "this is what comes out with one matrix instead of two": (
                lambda widths, r, bias: _counted(widths, r, 1, bias, bias)
            ),
            "this is what comes out if the middle has no biases": (
                lambda widths, r, bias: _counted(widths, r, whole=bias)
            ),
            "this is what comes out if C / r is rounded only at the end": (
                lambda widths, r, bias: sum(2 * c * c // r + bias * (c + c // r) for c in widths)
            ),
        },
    ),
    3: Judge(
        _eca_gate,
        forbids=("convolution", "unfold"),
        mistakes={
            "this is what comes out if the weights are read from last to first": (
                lambda x, weight: _eca(x, weight.flip(0)).sigmoid()
            ),
            "this is what comes out without σ": _eca,
            "this is what comes out if the channels close to a ring": (
                lambda x, weight: sum(
                    w * x.mean(dim=(2, 3)).roll(len(weight) // 2 - t, 1)
                    for t, w in enumerate(weight)
                ).sigmoid()
            ),
            "this is what comes out if the outermost means are repeated beyond the ends": (
                lambda x, weight: _eca(x, weight, padding="replicate").sigmoid()
            ),
            "this is what comes out if gate c reads only channels from c on": (
                lambda x, weight: _eca(x, weight, before=0).sigmoid()
            ),
            "this is what comes out if the pixels are summed, not averaged": (
                lambda x, weight: _eca(x, weight, x.sum(dim=(2, 3))).sigmoid()
            ),
        },
    ),
    5: Judge(
        _mean_gate,
        mistakes={
            "this is the gate; it is to multiply the map": _module(
                lambda x: _mean(x).sigmoid().expand_as(x)
            ),
            "this is what comes out without σ": _module(lambda x: x * _mean(x)),
            "this is what comes out if the mean runs over the batch too": _module(
                lambda x: x * _mean(x, (0, 2, 3)).sigmoid()
            ),
            "this is what comes out if the mean runs over the channels too": _module(
                lambda x: x * _mean(x, (1, 2, 3)).sigmoid()
            ),
            "this is what comes out if the mean runs over all axes": _module(
                lambda x: x * x.mean().sigmoid()
            ),
            "this is what comes out if σ stands before the mean": _module(
                lambda x: x * _mean(x.sigmoid())
            ),
            "this is what comes out in float32; the answer is to have the precision of x": _module(
                lambda x: x.float() * _mean(x.float()).sigmoid()
            ),
        },
    ),
    6: Judge(
        _largest_share,
        mistakes={
            "this is the share of each branch if all gates are equal": lambda branches: (
                1 / branches
            ),
            "this is the bound for any logits; here they are gates, between 0 and 1": (
                lambda branches: 1.0
            ),
            "this counts S other branches; there are S - 1": lambda branches: e / (e + branches),
            "this is the greatest lower bound": lambda branches: 1 / (1 + (branches - 1) * e),
            "this divides by S; the divisor is the sum of all S exponentials": (
                lambda branches: e / branches
            ),
        },
    ),
    7: Judge(
        _maximum_gate,
        mistakes={
            "this is what comes out with the mean": SqueezeExcitation,
            "this is what comes out without σ": _Open,
            "this is what comes out if the maximum runs over the batch too": _squeezing(
                lambda x: x.amax(dim=(0, 2, 3))[None].expand(len(x), -1)
            ),
            "this is what comes out if the maximum is of absolute values": _squeezing(
                lambda x: x.abs().amax(dim=(2, 3))
            ),
            "this is the mean of the rows' maxima": _squeezing(lambda x: x.amax(dim=3).mean(dim=2)),
        },
    ),
}
