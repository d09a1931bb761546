"""Answers to the exercises on channel attention: two right and three wrong ones each."""

from math import e, exp

import torch
from torch import nn
from torch.nn import functional as F


def eca_by_convolution(x, weight):
    return F.conv1d(x.mean((2, 3))[:, None], weight[None, None], padding=len(weight) // 2)[
        :, 0
    ].sigmoid()


def eca_by_shifts(x, weight, sign=1):
    z, half = F.pad(x.mean((2, 3)), (len(weight), len(weight))), len(weight) // 2
    total = sum(w * z.roll(sign * (half - t), 1) for t, w in enumerate(weight))
    return total[:, len(weight) : -len(weight)].sigmoid()


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


RIGHT = {
    2: [
        lambda widths, r, bias: sum(squeeze_excitation_size(c, r, bias) for c in widths),
        lambda widths, r, bias: sum((c // r) * (2 * c + bias) + bias * c for c in widths),
    ],
    3: [eca_by_convolution, eca_by_shifts],
    5: [
        gate(lambda x: x * mean(x).sigmoid()),
        gate(lambda x: x / (1 + (-x.mean(-1).mean(-1)[..., None, None]).exp())),
    ],
    6: [lambda s: e / (e + s - 1), lambda s: 1 / (1 + (s - 1) * exp(-1))],
}
WRONG = {
    2: [
        lambda widths, r, bias: None,
        lambda widths, r, bias: sum(2 * c * c // r + bias * (c + c // r) for c in widths),
        lambda widths, r, bias: sum(squeeze_excitation_size(c, r, True) for c in widths),
    ],
    3: [
        lambda x, weight: None,
        lambda x, weight: eca_by_shifts(x, weight, sign=-1),  # convolution, not correlation
        lambda x, weight: eca_by_convolution(x, weight)[..., None, None],
    ],
    5: [
        gate(lambda x: mean(x).sigmoid().expand_as(x)),
        gate(lambda x: x * x.mean(dim=(0, 2, 3), keepdim=True).sigmoid()),
        gate(lambda x: x * mean(x).sigmoid(), parameters=True),
    ],
    6: [lambda s: None, lambda s: 1.0, lambda s: e / (e + s)],
}
