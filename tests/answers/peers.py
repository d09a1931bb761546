"""Answers to the exercises of the page on other packages: two right and three wrong ones each."""

from math import exp, log, prod
from statistics import fmean, median

RIGHT = {
    1: [
        lambda ratios: prod(ratios) ** (1 / len(ratios)),
        lambda ratios: exp(fmean(map(log, ratios))),
    ],
    2: [
        lambda theirs, ours: median(a / b for a, b in zip(theirs, ours, strict=True)),
        lambda theirs, ours: (
            1 / median(b / a for a, b in zip(theirs, ours, strict=True))
            if len(ours) % 2
            else median(a / b for a, b in zip(theirs, ours, strict=True))
        ),
    ],
    4: [
        lambda macs, moved, product, copy: max(macs / product, moved / copy),
        lambda macs, moved, product, copy: (
            macs / product if macs * copy > moved * product else moved / copy
        ),
    ],
}
WRONG = {
    1: [lambda ratios: None, fmean, lambda ratios: len(ratios) / sum(1 / r for r in ratios)],
    2: [
        lambda theirs, ours: None,
        lambda theirs, ours: median(theirs) / median(ours),
        lambda theirs, ours: fmean(a / b for a, b in zip(theirs, ours, strict=True)),
    ],
    4: [
        lambda macs, moved, product, copy: None,
        lambda macs, moved, product, copy: macs / product + moved / copy,
        lambda macs, moved, product, copy: min(macs / product, moved / copy),
    ],
}
