"""Answers to the exercises on joint attention: right, wrong and forbidden ones."""

import torch
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

from attention_lib.joint import ConvolutionalBlockAttention


def cbam_size(channels, hidden, kernel):
    return 2 * channels * hidden + channels + hidden + 2 * kernel**2 + 2


def fold_by_torch(point, square):
    one, three = fuse_conv_bn_eval(*point), fuse_conv_bn_eval(*square)
    return F.pad(one.weight, (1, 1, 1, 1)) + three.weight, one.bias + three.bias


def scaled(branch, epsilon=True):
    conv, norm = branch
    scale = norm.weight / (norm.running_var + epsilon * norm.eps) ** 0.5
    return scale.view(-1, 1, 1, 1) * conv.weight, norm.bias - norm.running_mean * scale


def fold_by_hand(point, square, epsilon=True):
    (one, first), (three, second) = scaled(point, epsilon), scaled(square, epsilon)
    kernel = three.clone()
    kernel[:, :, 1:2, 1:2] += one
    return kernel, first + second


def by_places(forward):
    class PlacesAlone(ConvolutionalBlockAttention):
        pass

    PlacesAlone.forward = forward
    return PlacesAlone


class PlacesByMix(ConvolutionalBlockAttention):
    def forward(self, x):
        pictures = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return self.mix(pictures).sigmoid() * x


RIGHT = {
    1: [
        lambda: ([0.714, 0.554, 0.5, 0.982], [0.671, 0.635, 0.622, 0.728]),
        lambda: (torch.tensor([[0.71, 0.55], [0.5, 0.98]]), torch.tensor([0.67, 0.63, 0.62, 0.73])),
    ],
    2: [
        lambda channels, r, k: cbam_size(channels, channels // r, k),
        lambda channels, r, k: (2 * channels + 1) * (channels // r) + channels + 2 * (k * k + 1),
    ],
    3: [lambda: (2.858, 0.358), lambda: torch.tensor([2.86, 0.36]).unbind()],
    4: [
        lambda n: (0.5, (n - 1) ** 2 / (4 * n) + 0.5),
        lambda n: (torch.tensor(0.5), torch.tensor((n + 1 / n) / 4, dtype=torch.float64)),
    ],
    5: [fold_by_torch, fold_by_hand],
    6: [
        lambda: ([0.018, 0.119, 0.5], [0.982, 0.5, 0.018]),
        lambda: (torch.tensor([0.02, 0.12, 0.5]), torch.tensor([0.98, 0.5, 0.02])),
    ],
    7: [by_places(lambda self, x: self._spatial_gate(x)[:, None] * x), PlacesByMix],
}
FORBIDDEN = {
    2: [
        (
            lambda channels, r, k: sum(
                p.numel() for p in ConvolutionalBlockAttention(channels, r, k).parameters()
            ),
            "uses a module",
        )
    ],
}
WRONG = {
    1: [
        (lambda: None, "returned nothing"),
        (lambda: ([0.79, 0.57, 0.5, 1.14], [0.69, 0.64, 0.62, 0.76]), "divided by n, not by n - 1"),
        (lambda: ([0.21, 0.05, 0, 0.48], [0.55, 0.51, 0.5, 0.62]), "without the ½"),
        (lambda: ([1.36, 0.71, 0.5, 2.43], [0.8, 0.67, 0.62, 0.92]), "without the 4"),
        (lambda: ([0.71, 0.55, 0.5], [0.67, 0.63, 0.62]), "1/e has 4 numbers, not 3"),
    ],
    2: [
        (lambda channels, r, k: None, "returned nothing"),
        (
            lambda channels, r, k: 2 * cbam_size(channels, channels // r, k) - 2 * k**2 - 2,
            "mean and maximum share one",
        ),
        (lambda channels, r, k: cbam_size(channels, channels // r, k) + 1, "a bias in the large"),
        (lambda channels, r, k: cbam_size(channels, channels // r, k) - 2, "the normalisation"),
        (lambda channels, r, k: 2 * channels * k, "it is 8,564, not 3584"),
    ],
    3: [
        (lambda: None, "returned nothing"),
        (lambda: (0.36, 2.86), "swapped"),
        (lambda: (0.95, 0.12), "these are the gates"),
        (lambda: (2.86, 2.86), "takes both orders for the same"),
        (lambda: [2.86], "wanted are 2 things"),
    ],
    4: [
        (lambda n: None, "returned nothing"),
        (lambda n: (0.0, 1.0), "of any logit"),
        (lambda n: (0.5, (n - 1) / 4 + 0.5), "divides the squares by n"),
        (lambda n: (0.0, (n - 1) ** 2 / (4 * n)), "leaves out the ½"),
        (lambda n: (0.5, n / 4), "the largest 1/e of 4 places is not [1]"),
    ],
    5: [
        (lambda point, square: None, "returned nothing"),
        (lambda point, square: point[0].weight, "wanted are two things"),
        (lambda point, square: fold_by_hand(point, square, epsilon=False), "leaves out ε"),
        (
            lambda point, square: (fold_by_hand(point, square)[0], 0 * point[1].bias),
            "the shifts",
        ),
        (
            lambda point, square: (square[0].weight + point[0].weight, square[1].bias),
            "the kernel: a number is off",
        ),
    ],
    6: [
        (lambda: None, "returned nothing"),
        (lambda: ([0.02, 0.12, 0.5], [0.02, 0.12, 0.5]), "takes both for the same"),
        (lambda: ([0.98, 0.5, 0.02], [0.02, 0.12, 0.5]), "swapped"),
        (lambda: ([-4, -2, 0], [4, 0, -4]), "without σ"),
        (lambda: ([0.02, 0.12], [0.98, 0.5]), "the gate by addition has 3 numbers, not 2"),
    ],
    7: [
        (by_places(lambda self, x: None), "forward returned nothing"),
        (by_places(lambda self, x: self.channel_gate(x)[..., None, None] * x), "of the channels"),
        (by_places(lambda self, x: self.spatial_gate(x)[:, None] * x), "channels are gated"),
        (by_places(ConvolutionalBlockAttention.forward), "both gates"),
        (by_places(lambda self, x: self._spatial_gate(x)[:, None].expand_as(x)), "a number is off"),
    ],
}
