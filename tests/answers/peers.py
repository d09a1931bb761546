"""Answers to the exercises of the page on other packages: two right and five wrong ones each."""

from math import exp, log, prod
from statistics import fmean, median

import torch


def ratios_of(theirs, ours):
    return [a / b for a, b in zip(theirs, ours, strict=True)]


def learned(module):
    return list(module.parameters())


def nbytes(tensor):
    return tensor.element_size() * tensor.nelement()


def by_root(ratios):
    return prod(ratios) ** (1 / len(ratios))


RIGHT = {
    1: [by_root, lambda ratios: exp(fmean(map(log, ratios)))],
    2: [
        lambda theirs, ours: median(ratios_of(theirs, ours)),
        lambda theirs, ours: torch.tensor(ratios_of(theirs, ours)).quantile(0.5),
    ],
    4: [
        lambda first, second: min(zip(first, second, strict=True))[1],
        lambda first, second: second[min(range(len(first)), key=first.__getitem__)],
    ],
    5: [
        lambda module, x: sum(map(nbytes, [x, module(x), *learned(module)])),
        lambda module, x: (
            x.element_size() * sum(t.numel() for t in [x, module(x), *learned(module)])
        ),
    ],
    6: [
        lambda macs, moved, product, copy: max(macs / product, moved / copy),
        lambda macs, moved, product, copy: (
            macs / product if macs * copy > moved * product else moved / copy
        ),
    ],
}
WRONG = {
    1: [
        (lambda ratios: None, "it returned nothing"),
        (lambda ratios: sum(ratios) / len(ratios), "the arithmetic mean"),
        (lambda ratios: len(ratios) / sum(1 / r for r in ratios), "the harmonic mean"),
        (lambda ratios: sorted(ratios)[len(ratios) // 2], "it is 4, not 2"),
        (lambda ratios: by_root(ratios) ** len(ratios), "no root was taken"),
    ],
    2: [
        (lambda theirs, ours: None, "it returned nothing"),
        (lambda theirs, ours: median(theirs) / median(ours), "ratio of the two medians"),
        (lambda theirs, ours: fmean(ratios_of(theirs, ours)), "mean of the ratios"),
        (lambda theirs, ours: 1 / median(ratios_of(theirs, ours)), "it is 4, not 0.25"),
        (lambda theirs, ours: torch.tensor(ratios_of(theirs, ours)).median(), "it is 2, not"),
    ],
    4: [
        (lambda first, second: None, "it returned nothing"),
        (lambda first, second: sorted(first)[0], "the run that chose the form"),
        (lambda first, second: sorted(second)[0], "by its luck again"),
        (lambda first, second: max(zip(first, second, strict=True))[1], "slowest in the first"),
        (lambda first, second: min(map(fmean, zip(first, second, strict=True))), "not 3.75"),
    ],
    5: [
        (lambda module, x: None, "it returned nothing"),
        (lambda module, x: nbytes(x) + nbytes(module(x)), "without the parameters"),
        (lambda module, x: sum(map(nbytes, [x, *learned(module)])), "without the output"),
        (lambda module, x: nbytes(x) + sum(map(nbytes, learned(module))) * 2, "it is 1560, not"),
        (
            lambda module, x: sum(t.numel() for t in [x, module(x), *learned(module)]),
            "not yet bytes",
        ),
    ],
    6: [
        (lambda macs, moved, product, copy: None, "it returned nothing"),
        (lambda macs, moved, product, copy: moved / copy + macs / product, "the sum of the two"),
        (lambda macs, moved, product, copy: sorted((macs / product, moved / copy))[0], "shorter"),
        (lambda macs, moved, product, copy: max(moved / product, macs / copy), "exchanged"),
        (lambda macs, moved, product, copy: macs / product, "the arithmetic alone"),
    ],
}
