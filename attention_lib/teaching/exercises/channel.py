"""Judges for the exercises on channel attention."""

from collections.abc import Callable
from math import e

import torch
from torch import nn
from torch.testing import assert_close

from attention_lib import checks
from attention_lib.channel import EfficientChannelAttention, SqueezeExcitation
from attention_lib.checks import answers, travel
from attention_lib.checks.adopt import card_for_module
from attention_lib.teaching.exercises.watch import Judge


def _added_parameters(answer: Callable[[list[int], int, bool], int]) -> None:
    for widths, reduction, bias in (
        ([64], 16, True),
        ([256] * 3 + [512] * 4, 16, False),
        ([20, 33, 64], 8, True),
    ):
        modules = [SqueezeExcitation(width, reduction, bias) for width in widths]
        wanted = sum(p.numel() for module in modules for p in module.parameters())
        given, asked = answer(widths, reduction, bias), f"{widths}, reduction={reduction}"
        assert given is not None, "it returned nothing"
        assert given == wanted, f"for {asked}, bias={bias} it is {wanted}, not {given}"


def _eca_gate(answer: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    torch.manual_seed(0)
    for channels, kernel_size in ((8, 3), (5, 1), (3, 7)):
        x = torch.randn(2, channels, 4, 5, dtype=torch.float64)
        attention = checks.randomize(EfficientChannelAttention(channels, kernel_size)).double()
        given, wanted = answer(x, attention.mix.weight.flatten()), attention.gate(x)
        case = f"with {channels} channels and {kernel_size} weights"
        assert given is not None, "it returned nothing"
        assert given.shape == wanted.shape, f"{case} the gates have shape {tuple(given.shape)}"
        gap = (given - wanted).abs().max()
        assert gap < 1e-9, f"{case} a gate is off by {gap:.2g}"


def _mean_gate(answer: type[nn.Module]) -> None:
    assert not list(answer(4).parameters()), "it is to have no parameters"
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    wanted = x * x.mean(dim=(2, 3), keepdim=True).sigmoid()
    given = answer(4)(x)
    assert given is not None, "forward returned nothing"
    assert given.shape == x.shape, f"it gives {tuple(given.shape)} for {tuple(x.shape)}"
    gap = (given - wanted).abs().max()
    assert gap < 1e-9, f"a number is off by {gap:.2g}"
    card = card_for_module(answer, dict(channels=4))
    for check in (answers.check_empty_batch, answers.check_dtype, travel.check_leaves_no_trace):
        status, why = checks.verdict(check, card)
        promise = (check.__doc__ or "").partition("\n")[0]
        assert status == "passed", f"{promise} {why}"


def _largest_share(answer: Callable[[int], float]) -> None:
    for branches in (1, 2, 4, 9):
        given, wanted = answer(branches), e / (e + branches - 1)
        assert given is not None, "it returned nothing"
        assert_close(float(given), wanted, msg=f"wrong for {branches} branches")


JUDGES = {
    2: Judge(_added_parameters),
    3: Judge(_eca_gate),
    5: Judge(_mean_gate),
    6: Judge(_largest_share),
}
