"""Judges for the exercises on counting a ResNet-50."""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, floor
from statistics import fmean

import torch
from torch.testing import assert_close

from attention_lib.joint import ConvolutionalBlockAttention
from attention_lib.measure.cost import measure
from attention_lib.networks.resnet import Bottleneck
from attention_lib.teaching.exercises.numbers import Case, hold_numbers
from attention_lib.teaching.exercises.watch import Judge

Report = tuple[str, str, float]  # source, network, accuracy
LAYERS = ("convolution", "matmul")

_holds = partial(hold_numbers, form=",")


def _last_share(answer: Callable[[list[int]], float]) -> None:
    numbers = {(3, 4, 6, 3): 192 / 307, (2, 2): 0.8, (5,): 1.0}
    _holds(answer, [([list(b)], wanted, f"for {list(b)}") for b, wanted in numbers.items()])


def _units(blocks: list[int], growth: int = 4) -> list[int]:
    return [number * growth**stage for stage, number in enumerate(blocks)]


def _reduction_for(answer: Callable[[list[int], int, float], float]) -> None:
    numbers = (
        (([30, 40], 1000, 0.1), 50.0),
        (([100], 10_000, 0.5), 4.0),
        (([64] * 3, 1_000_000, 0.002), 12.288),
    )
    said = "for widths {}, {:,} parameters and a share of {}"
    _holds(answer, [(given, wanted, said.format(*given)) for given, wanted in numbers])


def _cbam_macs(answer: Callable[[int, int, int, int, int], int]) -> None:
    cases: list[Case] = []
    for sizes in ((256, 56, 56, 16, 7), (40, 7, 5, 3, 3), (16, 1, 9, 16, 5)):
        channels, height, width, reduction, kernel_size = sizes
        module = ConvolutionalBlockAttention(channels, reduction, kernel_size)
        wanted = measure(module, torch.empty(1, channels, height, width, device="meta")).macs
        said = f"for {channels} × {height} × {width}, r = {reduction}, k = {kernel_size}"
        cases.append((sizes, wanted, said))
    _holds(answer, cases)


def _stride_shift(answer: Callable[[int, int, int], int]) -> None:
    cases: list[Case] = []
    for inside, width, side in ((256, 128, 56), (24, 10, 8), (512, 256, 28)):
        picture = torch.empty(1, inside, side, side, device="meta")
        late, early = (
            measure(Bottleneck(inside, width, 4 * width, 2, stride_in=where), picture).macs
            for where in ("3x3", "1x1")
        )
        said = f"for {inside} channels in, {width} in the middle, side {side}"
        cases.append(((inside, width, side), late - early, said))
    _holds(answer, cases)


def _which_million(answer: Callable[[int, str], str]) -> None:
    cases = {
        (25_557_032, "25.56"): "10^6",
        (25_557_032, "24.37"): "2^20",
        (25_557_032, "24.4"): "2^20",
        (25_557_032, "25"): "neither",
        (28_088_024, "28.1"): "10^6",
        (28_088_024, "27.5"): "neither",
    }
    given = [answer(*arguments) for arguments in cases]
    for said, ((number, printed), wanted) in zip(given, cases.items(), strict=True):
        assert said is not None, "it returned nothing"
        asked = f"for {number:,} and {printed!r}"
        assert said == wanted, f"{asked} it is {wanted!r}, not {said!r}"


def _million(
    decimals: Callable[[str], int] = lambda printed: len(printed.partition(".")[2]),
    rounded: Callable[[float], float] = round,
    millions: Sequence[tuple[str, int]] = (("10^6", 10**6), ("2^20", 2**20)),
) -> Callable[[int, str], str]:
    """An answer, with its number of decimals, its rounding and its millions."""

    def which(parameters: int, printed: str) -> str:
        fine = 10 ** decimals(printed)
        for name, million in millions:
            if abs(rounded(parameters / million * fine) / fine - float(printed)) < 1e-9:
                return name
        return "neither"

    return which


def _fair_gain(answer: Callable[[list[Report], str], float | None]) -> None:
    reports = [
        ("A", "plain", 75.0), ("A", "SE", 76.5), ("B", "SE", 79.0), ("C", "plain", 78.0),
        ("D", "SE", 77.5), ("D", "plain", 76.5), ("C", "ECA", 78.25),
    ]  # fmt: skip
    cases = {"SE": 1.25, "ECA": 0.25, "CBAM": None}
    given = [answer(list(reports), network) for network in cases]
    assert any(said is not None for said in given), "it returned nothing"
    for said, (network, wanted) in zip(given, cases.items(), strict=True):
        asked = f"for {network} in the reports {reports}"
        if wanted is None:
            assert said is None, f"{asked} it is None: there is nothing to quote, not {said}"
        else:
            assert said is not None, f"{asked} it is {wanted}, not None"
            assert_close(float(said), wanted, msg=f"{asked} it is {wanted}, not {said}")


def _gain(
    over: Callable[[list[float], float | None], float | None],
    of: Callable[[list[float]], float] = fmean,
) -> Callable[[list[Report], str], float | None]:
    """An answer: `over` chooses a baseline from all plain ones and the source's own."""

    def gain(reports: list[Report], network: str) -> float | None:
        plain = {source: top for source, name, top in reports if name == "plain"}
        chosen = [
            (top, over(list(plain.values()), plain.get(source)))
            for source, name, top in reports
            if name == network
        ]
        gains = [top - base for top, base in chosen if base is not None]
        return of(gains) if gains else None

    return gain


JUDGES = {
    1: Judge(
        _last_share,
        mistakes={
            "this is what comes out if C, and not C², counts": (
                lambda blocks: _units(blocks, 2)[-1] / sum(_units(blocks, 2))
            ),
            "this is the share of the blocks, not of the weights": (
                lambda blocks: blocks[-1] / sum(blocks)
            ),
            "this is what comes out if every stage has one block": (
                lambda blocks: 4 ** (len(blocks) - 1) / sum(_units([1] * len(blocks)))
            ),
            "this is the last stage divided by the others, not by all": (
                lambda blocks: _units(blocks)[-1] / max(1, sum(_units(blocks)[:-1]))
            ),
            "this is the share of all but the last stage": (
                lambda blocks: sum(_units(blocks)[:-1]) / sum(_units(blocks))
            ),
            "this is in percent": lambda blocks: 100 * _units(blocks)[-1] / sum(_units(blocks)),
        },
    ),
    2: Judge(
        _reduction_for,
        mistakes={
            "this is what comes out with one matrix in place of two": (
                lambda widths, parameters, share: sum(c * c for c in widths) / (share * parameters)
            ),
            "this is what comes out if the sum is squared, not each width": (
                lambda widths, parameters, share: 2 * sum(widths) ** 2 / (share * parameters)
            ),
            "this is what comes out if the widths are not squared": (
                lambda widths, parameters, share: 2 * sum(widths) / (share * parameters)
            ),
            "this is the inverse, 1 / r": (
                lambda widths, parameters, share: (
                    share * parameters / (2 * sum(c * c for c in widths))
                )
            ),
            "this is what comes out if the share is taken as percent": (
                lambda widths, parameters, share: (
                    200 * sum(c * c for c in widths) / (share * parameters)
                )
            ),
        },
    ),
    3: Judge(
        _cbam_macs,
        forbids=LAYERS,
        mistakes={
            "this is what comes out if the layers are used for one vector only": (
                lambda c, h, w, r, k: 2 * c * (c // r) + 2 * k * k * h * w
            ),
            "this is what comes out if the convolution reads one plane only": (
                lambda c, h, w, r, k: 4 * c * (c // r) + k * k * h * w
            ),
            "this is what comes out if the convolution runs at one place only": (
                lambda c, h, w, r, k: 4 * c * (c // r) + 2 * k * k
            ),
            "this is what comes out if the convolution runs over all channels": (
                lambda c, h, w, r, k: 4 * c * (c // r) + c * k * k * h * w
            ),
            "this is what comes out if C / r is not rounded down": (
                lambda c, h, w, r, k: 4 * c * c / r + 2 * k * k * h * w
            ),
        },
    ),
    4: Judge(
        _stride_shift,
        forbids=LAYERS,
        mistakes={
            "this is all that the first 1×1 costs, not what it costs more": (
                lambda inside, width, side: inside * width * side**2
            ),
            "this is what comes out if half of the places are saved, not three quarters": (
                lambda inside, width, side: inside * width * side**2 // 2
            ),
            "this is what the first 1×1 costs with the stride in it": (
                lambda inside, width, side: inside * width * side**2 // 4
            ),
            "this is what comes out if the 3×3 were the one that answers elsewhere": (
                lambda inside, width, side: 27 * width**2 * side**2 // 4
            ),
            "this is the number of weights, at one place only": (
                lambda inside, width, side: 3 * inside * width // 4
            ),
            "this has the wrong sign": (
                lambda inside, width, side: -3 * inside * width * side**2 // 4
            ),
        },
    ),
    5: Judge(
        _which_million,
        mistakes={
            "this is what comes out if two decimals are always compared": _million(lambda p: 2),
            "this is what comes out if one decimal is always compared": _million(lambda p: 1),
            "this is what comes out if digits are cut off, not rounded": _million(rounded=floor),
            "this is what comes out if all is rounded up": _million(rounded=ceil),
            "this is what comes out if 2^20 is never tried": _million(millions=[("10^6", 10**6)]),
            "these are the names exchanged": (
                _million(millions=[("2^20", 10**6), ("10^6", 2**20)])
            ),
        },
    ),
    6: Judge(
        _fair_gain,
        mistakes={
            "this is what comes out over the best plain network of any source": (
                _gain(lambda plain, own: max(plain))
            ),
            "this is what comes out over the worst plain network of any source": (
                _gain(lambda plain, own: min(plain))
            ),
            "this is what comes out over the mean of all plain networks": (
                _gain(lambda plain, own: fmean(plain))
            ),
            "where a source has no plain network, this takes that of another": (
                _gain(lambda plain, own: plain[0] if own is None else own)
            ),
            "this is the largest of the gains, not their mean": _gain(lambda plain, own: own, max),
            "this is the sum of the gains, not their mean": _gain(lambda plain, own: own, sum),
        },
    ),
}
