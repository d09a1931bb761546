"""Each judge takes two right answers and refuses three wrong ones, with a reason."""

from math import e, exp

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attention_lib.exercises import JUDGES, judge


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
    "channel 2": [
        lambda widths, r, bias: sum(squeeze_excitation_size(c, r, bias) for c in widths),
        lambda widths, r, bias: sum((c // r) * (2 * c + bias) + bias * c for c in widths),
    ],
    "channel 3": [eca_by_convolution, eca_by_shifts],
    "channel 5": [
        gate(lambda x: x * mean(x).sigmoid()),
        gate(lambda x: x / (1 + (-x.mean(-1).mean(-1)[..., None, None]).exp())),
    ],
    "channel 6": [lambda s: e / (e + s - 1), lambda s: 1 / (1 + (s - 1) * exp(-1))],
}
WRONG = {
    "channel 2": [
        lambda widths, r, bias: None,
        lambda widths, r, bias: sum(2 * c * c // r + bias * (c + c // r) for c in widths),
        lambda widths, r, bias: sum(squeeze_excitation_size(c, r, True) for c in widths),
    ],
    "channel 3": [
        lambda x, weight: None,
        lambda x, weight: eca_by_shifts(x, weight, sign=-1),  # convolution, not correlation
        lambda x, weight: eca_by_convolution(x, weight)[..., None, None],
    ],
    "channel 5": [
        gate(lambda x: mean(x).sigmoid().expand_as(x)),
        gate(lambda x: x * x.mean(dim=(0, 2, 3), keepdim=True).sigmoid()),
        gate(lambda x: x * mean(x).sigmoid(), parameters=True),
    ],
    "channel 6": [lambda s: None, lambda s: 1.0, lambda s: e / (e + s)],
}


def cases(answers):
    return [pytest.param(name, a, id=f"{name}-{i}") for name in answers
            for i, a in enumerate(answers[name])]  # fmt: skip


def test_every_judge_is_tried():
    assert set(RIGHT) == set(WRONG) == set(JUDGES)
    assert all(len(answers) == 2 for answers in RIGHT.values())
    assert all(len(answers) == 3 for answers in WRONG.values())


@pytest.mark.parametrize(("exercise", "answer"), cases(RIGHT))
def test_a_right_answer_is_taken(exercise, answer):
    verdict = judge(exercise, answer)
    assert verdict and repr(verdict) == f"{exercise}: right"


@pytest.mark.parametrize(("exercise", "answer"), cases(WRONG))
def test_a_wrong_answer_is_refused_with_a_reason(exercise, answer):
    verdict = judge(exercise, answer)
    assert not verdict and "not yet: " in repr(verdict) and "raised" not in repr(verdict)


def test_a_broken_answer_is_told_how_it_broke():
    def answer(x, weight):
        raise TypeError("no such thing")

    assert "your code raised TypeError: no such thing" in repr(judge("channel 3", answer))


def test_an_unknown_exercise_names_those_there_are():
    with pytest.raises(ValueError, match="no exercise 'channel 99'; there are channel 2"):
        judge("channel 99", None)
