"""Answers to the exercises on counting a ResNet-50: two right and five wrong ones each."""

from statistics import fmean

import torch
from torch import nn


def weights(blocks):
    return [count * (256 << stage) ** 2 for stage, count in enumerate(blocks)]


def spelled(parameters, printed, millions=(("10^6", 1e6), ("2^20", 1 << 20))):
    decimals = len(printed.split(".")[1]) if "." in printed else 0
    found = [
        name for name, million in millions if f"%.{decimals}f" % (parameters / million) == printed
    ]
    return found[0] if found else "neither"


def by_source(reports, network):
    sources = {}
    for source, name, top in reports:
        sources.setdefault(source, {})[name] = top
    return [of[network] - of["plain"] for of in sources.values() if {network, "plain"} <= set(of)]


def run_cbam(channels, height, width, reduction, kernel_size):
    """Runs a layer, and counts what it knows."""
    plane = torch.zeros(1, 2, height, width)
    edge = kernel_size // 2
    nn.Conv2d(2, 1, kernel_size, padding=edge)(plane)
    return 4 * channels * (channels // reduction) + 2 * kernel_size**2 * height * width


def run_linear(channels, height, width, reduction, kernel_size):
    nn.Linear(channels, channels // reduction)(torch.zeros(2, channels))
    return 4 * channels * (channels // reduction) + 2 * kernel_size**2 * height * width


def run_shift(inside, width, side):
    nn.Conv2d(inside, width, 1)(torch.zeros(1, inside, side, side))
    return 3 * inside * width * side**2 // 4


def run_product(inside, width, side):
    torch.zeros(width, inside) @ torch.zeros(inside, side**2)
    return 3 * inside * width * side**2 // 4


RIGHT = {
    1: [
        lambda blocks: weights(blocks)[-1] / sum(weights(blocks)),
        lambda blocks: (
            blocks[-1] / sum(n / 4 ** (len(blocks) - 1 - s) for s, n in enumerate(blocks))
        ),
    ],
    2: [
        lambda widths, p, share: 2 * sum(c * c for c in widths) / (share * p),
        lambda widths, p, share: sum(2 * c**2 / p for c in widths) / share,
    ],
    3: [
        lambda c, h, w, r, k: 4 * c * (c // r) + 2 * k * k * h * w,
        lambda c, h, w, r, k: 2 * (2 * c * (c // r) + k**2 * h * w),
    ],
    4: [
        lambda inside, width, side: 3 * inside * width * side**2 // 4,
        lambda inside, width, side: inside * width * (side**2 - (side // 2) ** 2),
    ],
    5: [
        spelled,
        lambda p, printed: (
            "10^6"
            if spelled(p, printed, [("a", 1e6)]) == "a"
            else "2^20"
            if spelled(p, printed, [("b", 2**20)]) == "b"
            else "neither"
        ),
    ],
    6: [
        lambda reports, network: (
            fmean(by_source(reports, network)) if by_source(reports, network) else None
        ),
        lambda reports, network: (
            sum(found) / len(found) if (found := by_source(reports, network)) else None
        ),
    ],
}
FORBIDDEN = {
    3: [(run_cbam, "uses convolution"), (run_linear, "uses matmul")],
    4: [(run_shift, "uses convolution"), (run_product, "uses matmul")],
}
WRONG = {
    1: [
        (lambda blocks: None, "it returned nothing"),
        (lambda blocks: blocks[-1] / sum(blocks), "the share of the blocks"),
        (
            lambda blocks: (
                blocks[-1] * 2 ** len(blocks) / sum(2 ** (s + 1) * n for s, n in enumerate(blocks))
            ),
            "if C, and not C²",
        ),
        (lambda blocks: 1 - weights(blocks)[-1] / sum(weights(blocks)), "all but the last stage"),
        (lambda blocks: weights(blocks)[0] / sum(weights(blocks)), "it is 0.6254"),
    ],
    2: [
        (lambda widths, p, share: None, "it returned nothing"),
        (lambda widths, p, share: sum(c * c for c in widths) / share / p, "one matrix"),
        (lambda widths, p, share: 2 * sum(widths) ** 2 / share / p, "the sum is squared"),
        (lambda widths, p, share: sum(2 * c for c in widths) / share / p, "are not squared"),
        (lambda widths, p, share: round(2 * sum(c * c for c in widths) / share / p), "12.288"),
    ],
    3: [
        (lambda c, h, w, r, k: None, "it returned nothing"),
        (lambda c, h, w, r, k: 2 * c * (c // r) + 2 * k * k * h * w, "for one vector only"),
        (lambda c, h, w, r, k: 4 * c * (c // r) + k * k * h * w, "reads one plane only"),
        (lambda c, h, w, r, k: 2 * (2 * c * c / r + k * k * h * w), "is not rounded down"),
        (lambda c, h, w, r, k: 4 * c * (c // r) + 2 * k * h * w, "for 256 × 56 × 56"),
    ],
    4: [
        (lambda inside, width, side: None, "it returned nothing"),
        (lambda inside, width, side: inside * width * side**2, "all that the first 1×1 costs"),
        (lambda inside, width, side: 9 * width * width * side**2 * 3 // 4, "if the 3×3 were"),
        (lambda inside, width, side: inside * width * (side // 2) ** 2, "with the stride in it"),
        (lambda inside, width, side: 3 * width**2 * side**2 // 4, "128 in the middle"),
    ],
    5: [
        (lambda p, printed: None, "it returned nothing"),
        (lambda p, printed: spelled(p, printed, [("10^6", 1e6)]), "2^20 is never tried"),
        (lambda p, printed: spelled(p, printed, [("2^20", 1e6), ("10^6", 2**20)]), "exchanged"),
        (lambda p, printed: spelled(p, f"{float(printed):.2f}"), "two decimals"),
        (lambda p, printed: "10^6" if p / 1e6 - float(printed) < 1 else "2^20", "it is 'neither'"),
    ],
    6: [
        (lambda reports, network: None, "it returned nothing"),
        (lambda reports, network: fmean(by_source(reports, network) or [0]), "nothing to quote"),
        (lambda reports, network: max(by_source(reports, network), default=None), "the largest"),
        (
            lambda reports, network: (
                fmean([top for _, name, top in reports if name == network] or [75.0]) - 75.0
                if network != "CBAM"
                else None
            ),
            "the worst plain",
        ),
        (
            lambda reports, network: sum(found) if (found := by_source(reports, network)) else None,
            "the sum of the gains",
        ),
    ],
}
