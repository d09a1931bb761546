"""Judges for the exercises on joint attention."""

from collections.abc import Callable
from math import exp

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib import checks
from attention_lib.joint import ConvolutionalBlockAttention, ParNetAttention
from attention_lib.teaching.exercises.numbers import (
    EXACT,
    Case,
    as_tensor,
    hold_numbers,
    hold_parts,
    hold_tensor,
)
from attention_lib.teaching.exercises.watch import Judge

Folded = tuple[Tensor, Tensor]  # the kernel and the bias of one convolution


def _logistic(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def _by_hand(answer: Callable[[], tuple[list[float], list[float]]]) -> None:
    inverse, gates = _simam()
    hold_parts(answer(), {"1/e": (inverse, 0.006), "the gate": (gates, 0.006)})


def _simam(
    others: int = 3, half: float = 0.5, power: int = 2, mean: float = 4.0, factor: float = 4.0
) -> tuple[list[float], list[float]]:
    """The inverse energies and the gates of exercise 1, to two decimals."""
    distances = [abs(x - mean) ** power for x in (0.0, 2.0, 4.0, 10.0)]
    spread = sum(distances) / others
    inverse = [d / (factor * spread) + half for d in distances]
    return [round(e, 2) for e in inverse], [round(_logistic(e), 2) for e in inverse]


def _parameters(answer: Callable[[int, int, int], int]) -> None:
    cases: list[Case] = []
    for channels, reduction, kernel in ((256, 16, 7), (64, 4, 3), (20, 3, 5)):
        module = ConvolutionalBlockAttention(channels, reduction, kernel)
        wanted = sum(p.numel() for p in module.parameters())
        said = f"for {channels} channels, reduction={reduction}, kernel_size={kernel}"
        cases.append(((channels, reduction, kernel), wanted, said))
    hold_numbers(answer, cases, form=",")


def _counted(channels: int, hidden: int, kernel: int, layers: int = 1, extra: int = 0) -> int:
    mlp = 2 * channels * hidden + channels + hidden
    return layers * mlp + 2 * kernel**2 + 2 + extra


def _order(answer: Callable[[], tuple[float, float]]) -> None:
    first, last = _orders()
    hold_parts(answer(), {"channels first": ([first], 0.006), "places first": ([last], 0.006)})


def _orders(rule: Callable[[float], float] = _logistic, loud: float = 5.0) -> tuple[float, float]:
    """The number of the open channel at the first place, to two decimals, by both orders."""
    return round(3 * rule(3.0), 2), round(3 * rule(3.0 - loud), 2)


def _bounds(answer: Callable[[int], tuple[float, float]]) -> None:
    for places in (4, 16, 49):
        least, largest = _between(places)
        parts = {
            f"the least 1/e of {places} places": ([least], 1e-4),
            f"the largest 1/e of {places} places": ([largest], 1e-4),
        }
        hold_parts(answer(places), parts)


def _between(places: int) -> tuple[float, float]:
    return 0.5, (places - 1) ** 2 / (4 * places) + 0.5


def _folded(answer: Callable[[nn.Sequential, nn.Sequential], Folded]) -> None:
    module = checks.randomize(ParNetAttention(5)).double().eval()
    given = answer(module.point, module.square)
    assert given is not None, "it returned nothing"
    both = isinstance(given, list | tuple) and len(given) == 2
    assert both, "wanted are two things: the kernel and the bias"
    wanted = module.folded()
    assert wanted.bias is not None
    hold_tensor(as_tensor(given[0]).double(), wanted.weight, "the kernel:")
    hold_tensor(as_tensor(given[1]).double(), wanted.bias, "the bias:")


def _fold(
    point: nn.Sequential,
    square: nn.Sequential,
    spread: Callable[[Tensor, float], Tensor] = lambda var, eps: (var + eps).sqrt(),
    shifted: float = 1.0,
    centred: float = 1.0,
    around: tuple[int, int, int, int] = (1, 1, 1, 1),
) -> Folded:
    """The folded convolution of exercise 5, and what mistakes make of it.

    Args:
        spread: of a variance and ε, what a normalisation divides by.
        shifted, centred: 0 to leave out the shifts, or the running means.
        around: the zeros around the 1×1 kernel.
    """
    kernels, biases = [], []
    for branch in (point, square):
        kernel, weight, bias, mean, var = (
            branch.get_parameter("0.weight"),
            branch.get_parameter("1.weight"),
            branch.get_parameter("1.bias"),
            branch.get_buffer("1.running_mean"),
            branch.get_buffer("1.running_var"),
        )
        scale = weight / spread(var, 1e-5)
        kernels.append(scale[:, None, None, None] * kernel)
        biases.append(shifted * (bias - centred * scale * mean))
    return F.pad(kernels[0], around) + kernels[1], biases[0] + biases[1]


def _votes(answer: Callable[[], tuple[list[float], list[float]]]) -> None:
    added, multiplied = _of_votes()
    parts = {"the gate by addition": (added, 0.006), "by multiplication": (multiplied, 0.006)}
    hold_parts(answer(), parts)


VOTES = ((-2.0, -2.0), (0.0, -2.0), (2.0, -2.0))


def _of_votes(
    rule: Callable[[float], float] = _logistic,
    add: Callable[[float, float], float] = lambda channel, place: channel + place,
    multiply: Callable[[float, float], float] = lambda channel, place: channel * place,
) -> tuple[list[float], list[float]]:
    """The gates of exercise 6 for three pairs of votes, to two decimals."""
    return (
        [round(rule(add(*pair)), 2) for pair in VOTES],
        [round(rule(multiply(*pair)), 2) for pair in VOTES],
    )


def _places_alone(answer: type[ConvolutionalBlockAttention]) -> None:
    right = checks.randomize(ConvolutionalBlockAttention(6, 2, 3)).double().eval()
    module = answer(6, 2, 3).double().eval()
    module.load_state_dict(right.state_dict())
    for height, width in ((4, 4), (3, 5)):
        x = torch.randn(2, 6, height, width, dtype=EXACT)
        given = module(x)
        assert given is not None, "forward returned nothing"
        wanted = _gate(right, x)[:, None] * x
        hold_tensor(given, wanted, f"for a map of shape {tuple(x.shape)}")


def _gate(module: ConvolutionalBlockAttention, x: Tensor) -> Tensor:
    """The gate of the places, made from a map whose channels have no gates."""
    pictures = torch.stack([x.amax(dim=1), x.mean(dim=1)], dim=1)
    return module.mix(pictures).squeeze(1).sigmoid()


def _with_gates(
    join: Callable[[ConvolutionalBlockAttention, Tensor], Tensor],
) -> type[ConvolutionalBlockAttention]:
    """CBAM whose answer is made otherwise, of the module and x."""

    class Mistake(ConvolutionalBlockAttention):
        def forward(self, x: Tensor) -> Tensor:
            return join(self, x)

    return Mistake


JUDGES = {
    1: Judge(
        _by_hand,
        mistakes={
            "this is what comes out if the squares are divided by n, not by n - 1": (
                lambda: _simam(others=4)
            ),
            "this is what comes out without the ½": lambda: _simam(half=0.0),
            "this is what comes out if the distances are not squared": lambda: _simam(power=1),
            "this is what comes out if the mean is not taken off": lambda: _simam(mean=0.0),
            "this is what comes out without the 4 under the fraction": lambda: _simam(factor=1.0),
        },
    ),
    2: Judge(
        _parameters,
        forbids=("a module",),
        mistakes={
            "this counts two pairs of layers; mean and maximum share one": (
                lambda channels, r, k: _counted(channels, channels // r, k, layers=2)
            ),
            "this counts a bias in the large convolution": (
                lambda channels, r, k: _counted(channels, channels // r, k, extra=1)
            ),
            "this leaves out the two numbers of the normalisation": (
                lambda channels, r, k: _counted(channels, channels // r, k, extra=-2)
            ),
            "this leaves out the biases of the two layers": (
                lambda channels, r, k: _counted(
                    channels, channels // r, k, extra=-channels - channels // r
                )
            ),
            "this takes one picture for the convolution; it reads two": (
                lambda channels, r, k: _counted(channels, channels // r, k, extra=-(k**2))
            ),
        },
    ),
    3: Judge(
        _order,
        mistakes={
            "the two are swapped": lambda: _orders()[::-1],
            "these are the gates; the answer is the gate times 3": (
                lambda: tuple(round(n / 3, 2) for n in _orders())
            ),
            "this is what comes out without σ": lambda: _orders(rule=lambda logit: logit),
            "this takes both orders for the same, channels first": lambda: _orders(loud=0.0),
            "places first: the larger maximum is subtracted from the smaller": (
                lambda: (_orders()[0], round(3 * _logistic(2.0), 2))
            ),
        },
    ),
    4: Judge(
        _bounds,
        mistakes={
            "these are the bounds of σ, of any logit": lambda places: (0.0, 1.0),
            "the least is not 0: ½ is added to a number that is not negative": (
                lambda places: (0.0, _between(places)[1])
            ),
            "this leaves out the ½": lambda places: (0.0, _between(places)[1] - 0.5),
            "this divides the squares by n": lambda places: (0.5, (places - 1) / 4 + 0.5),
            "this takes 1/e to grow without bound": lambda places: (0.5, 1e9),
        },
    ),
    5: Judge(
        _folded,
        mistakes={
            "this leaves out the shifts of the normalisations": (
                lambda point, square: _fold(point, square, shifted=0.0)
            ),
            "this leaves out the running means": (
                lambda point, square: _fold(point, square, centred=0.0)
            ),
            "this divides by the variance; its square root is wanted": (
                lambda point, square: _fold(point, square, spread=lambda var, eps: var + eps)
            ),
            "this leaves out ε": (
                lambda point, square: _fold(point, square, spread=lambda var, eps: var.sqrt())
            ),
            "this puts the 1×1 into a corner of the 3×3, not into its middle": (
                lambda point, square: _fold(point, square, around=(0, 2, 0, 2))
            ),
        },
    ),
    6: Judge(
        _votes,
        mistakes={
            "this takes both for the same; a product of two negative votes is positive": (
                lambda: (_of_votes()[0], _of_votes()[0])
            ),
            "the two are swapped": lambda: _of_votes()[::-1],
            "this is what comes out without σ": lambda: _of_votes(rule=lambda logit: logit),
            "these are 1 + σ, the factors; asked are the gates": (
                lambda: _of_votes(rule=lambda logit: 1 + _logistic(logit))
            ),
            "this multiplies the gates, not the votes": (
                lambda: (
                    _of_votes()[0],
                    [round(_logistic(channel) * _logistic(place), 2) for channel, place in VOTES],
                )
            ),
        },
    ),
    7: Judge(
        _places_alone,
        mistakes={
            "this is what comes out with both gates": ConvolutionalBlockAttention,
            "these are the gates of the channels": _with_gates(
                lambda self, x: self.channel_gate(x)[..., None, None] * x
            ),
            "this gate is made from the map whose channels are gated": _with_gates(
                lambda self, x: self.spatial_gate(x)[:, None] * x
            ),
            "this is the square of the gate": _with_gates(
                lambda self, x: _gate(self, x).square()[:, None] * x
            ),
            "this adds the gate to the map": _with_gates(
                lambda self, x: _gate(self, x)[:, None] + x
            ),
        },
    ),
}
