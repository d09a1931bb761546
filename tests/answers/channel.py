"""Answers to the exercises on channel attention: right, wrong and forbidden ones."""

from math import e, exp

import torch
from torch import nn
from torch.nn import functional as F

from attention_lib.channel import SqueezeExcitation


def eca_by_convolution(x, weight):
    return F.conv1d(x.mean((2, 3))[:, None], weight[None, None], padding=len(weight) // 2)[
        :, 0
    ].sigmoid()


def eca_by_shifts(x, weight, sign=1):
    z, half = F.pad(x.mean((2, 3)), (len(weight), len(weight))), len(weight) // 2
    total = sum(w * z.roll(sign * (half - t), 1) for t, w in enumerate(weight))
    return total[:, len(weight) : -len(weight)].sigmoid()


def eca_by_matrix(x, weight):
    channel = torch.arange(x.shape[1])
    reads = channel[None, :] - channel[:, None] + len(weight) // 2
    inside = (reads >= 0) & (reads < len(weight))
    matrix = torch.where(inside, weight[reads.clamp(0, len(weight) - 1)], 0.0)
    return (x.mean((2, 3)) @ matrix.T).sigmoid()


def eca_by_windows(x, weight):
    padded = F.pad(x.mean((2, 3)), (len(weight) // 2, len(weight) // 2))
    return (padded.unfold(1, len(weight), 1) @ weight).sigmoid()


def eca_in_a_ring(x, weight):
    z, half = x.mean((2, 3)), len(weight) // 2
    return sum(w * z.roll(half - t, 1) for t, w in enumerate(weight)).sigmoid()


def gate(forward, parameters=False):
    class Gate(nn.Module):
        def __init__(self, channels):
            super().__init__()
            if parameters:
                self.scale = nn.Parameter(torch.ones(channels))

    Gate.forward = lambda self, x: forward(x)
    return Gate


def mean(x):
    return x.mean((2, 3), keepdim=True)


def squeeze_excitation_size(c, r, bias):
    return 2 * c * (c // r) + (c + c // r if bias else 0)


def counted_on_layers(widths, r, bias):
    """The parameters of layers that are built."""
    layers = [nn.Linear(*ends, bias) for c in widths for ends in ((c, c // r), (c // r, c))]
    return sum(p.numel() for layer in layers for p in layer.parameters())


def squeezed_by(function, last=torch.sigmoid):
    class Squeezed(SqueezeExcitation):
        def gate(self, x):
            hidden = F.relu(F.linear(function(x), self.squash.weight, self.squash.bias))
            return last(F.linear(hidden, self.excite.weight, self.excite.bias))

    return Squeezed


class WholeForward(SqueezeExcitation):
    def gate(self, x):
        return torch.sigmoid(
            self.excite(F.relu(self.squash(F.adaptive_max_pool2d(x, 1)[..., 0, 0])))
        )

    def forward(self, x):
        return torch.einsum("bc,bchw->bchw", self.gate(x), x)


RIGHT = {
    1: [
        lambda: ([0.953, 0.047], [1.905, 3.81, -0.047, 0.047]),
        lambda: (torch.tensor([0.95, 0.05]), [[1.9, 3.8], [-0.05, 0.05]]),
    ],
    2: [
        lambda widths, r, bias: sum(squeeze_excitation_size(c, r, bias) for c in widths),
        lambda widths, r, bias: sum((c // r) * (2 * c + bias) + bias * c for c in widths),
    ],
    3: [eca_by_matrix, eca_by_shifts],
    5: [
        gate(lambda x: x * mean(x).sigmoid()),
        gate(lambda x: x / (1 + (-x.mean(-1).mean(-1)[..., None, None]).exp())),
    ],
    6: [lambda s: e / (e + s - 1), lambda s: 1 / (1 + (s - 1) * exp(-1))],
    7: [squeezed_by(lambda x: x.flatten(2).max(dim=2).values), WholeForward],
}
WRONG = {
    1: [
        (lambda: None, "returned nothing"),
        (lambda: ([1.0, 0.0], [2.0, 3.99, 0.0, 0.0]), "summed, not averaged"),
        (lambda: ([3, -3], [6, 12, 3, -3]), "without σ"),
        (lambda: ([0.05, 0.95], [0.09, 0.19, -0.95, 0.95]), "swapped"),
        (lambda: ([0.95, 0.05], [2.95, 4.95, -0.95, 1.05]), "added to the pixels"),
    ],
    2: [
        (lambda widths, r, bias: None, "returned nothing"),
        (
            lambda widths, r, bias: sum(2 * c * c // r + bias * (c + c // r) for c in widths),
            "rounded only at the end",
        ),
        (
            lambda widths, r, bias: sum(squeeze_excitation_size(c, r, True) for c in widths),
            "biases are always counted",
        ),
        (
            lambda widths, r, bias: sum(squeeze_excitation_size(c, r, False) for c in widths),
            "biases are never counted",
        ),
        (lambda widths, r, bias: sum(2 * c // r for c in widths), "it is 580, not 8"),
    ],
    3: [
        (lambda x, weight: None, "returned nothing"),
        (lambda x, weight: eca_by_shifts(x, weight, sign=-1), "from last to first"),
        (lambda x, weight: eca_by_shifts(x, weight).logit(), "without σ"),
        (eca_in_a_ring, "close to a ring"),
        (lambda x, weight: eca_by_matrix(x, weight)[..., None, None], "it has shape (2, 8, 1, 1)"),
    ],
    5: [
        (gate(lambda x: mean(x).sigmoid().expand_as(x)), "to multiply the map"),
        (gate(lambda x: x * torch.sigmoid(x.mean())), "over all axes"),
        (gate(lambda x: x * mean(x).sigmoid(), parameters=True), "no parameters"),
        (gate(lambda x: x * x.sigmoid().mean((2, 3), keepdim=True)), "σ stands before the mean"),
        (gate(lambda x: (x.float() * mean(x.float()).sigmoid()).double()), "in float32"),
    ],
    6: [
        (lambda s: None, "returned nothing"),
        (lambda s: 1.0, "the bound for any logits"),
        (lambda s: e / (e + s), "there are S - 1"),
        (lambda s: s**-1, "all gates are equal"),
        (lambda s: exp(-1) / (exp(-1) + s - 1), "the greatest lower bound"),
    ],
    7: [
        (squeezed_by(lambda x: x.sum((2, 3)) / 20), "with the mean"),
        (squeezed_by(lambda x: x.amax((2, 3)), last=lambda logit: logit), "without σ"),
        (squeezed_by(lambda x: F.adaptive_max_pool2d(x.abs(), 1)[..., 0, 0]), "absolute values"),
        (squeezed_by(lambda x: x.amin((2, 3))), "a number is off"),
        (squeezed_by(lambda x: x.amax((2, 3)), last=lambda logit: None), "gate returned nothing"),
    ],
}
FORBIDDEN = {
    2: [(counted_on_layers, "uses a module")],
    3: [(eca_by_convolution, "uses convolution"), (eca_by_windows, "uses unfold")],
}
