"""Each judge takes right answers, and refuses five or more wrong ones and all forbidden ones."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map_only

from attention_lib.teaching.exercises import JUDGES, Judge, judge
from attention_lib.teaching.exercises.numbers import hold_parts, hold_tensor

CHAPTERS = sorted(p.stem for p in Path(__file__).parent.glob("answers/[!_]*.py"))
ANSWERS = {chapter: import_module(f"tests.answers.{chapter}") for chapter in CHAPTERS}


def told(kind):
    """Exercise → its answers of a kind, of all chapters."""
    return {
        f"{chapter} {n}": answers
        for chapter, of in ANSWERS.items()
        for n, answers in getattr(of, kind, {}).items()
    }


RIGHT, WRONG, FORBIDDEN = (told(kind) for kind in ("RIGHT", "WRONG", "FORBIDDEN"))


def cases(answers):
    return [pytest.param(name, a, id=f"{name}-{i}") for name in answers
            for i, a in enumerate(answers[name])]  # fmt: skip


def test_every_judge_is_tried():
    assert set(RIGHT) == set(WRONG) == set(JUDGES)
    assert all(len(answers) == 2 for answers in RIGHT.values())
    assert all(len(answers) >= 5 for answers in WRONG.values())


def test_every_prohibition_is_tried():
    forbidding = {name for name, j in JUDGES.items() if j.forbids or j.largest}
    assert set(FORBIDDEN) == forbidding
    for name in forbidding:
        judged = JUDGES[name]
        assert len(FORBIDDEN[name]) >= len(judged.forbids) + (judged.largest is not None), name


@pytest.mark.parametrize(("exercise", "answer"), cases(RIGHT))
def test_a_right_answer_is_taken(exercise, answer):
    verdict = judge(exercise, answer)
    assert verdict and repr(verdict) == f"{exercise}: right"


@pytest.mark.parametrize("form", [torch.Tensor.tolist, torch.Tensor.numpy])
@pytest.mark.parametrize("exercise", sorted(RIGHT.keys() - {"channel 5", "channel 7"}))
def test_numbers_are_taken_in_any_form(exercise, form):
    def answer(*args, **kwargs):
        result = RIGHT[exercise][0](*args, **kwargs)
        return tree_map_only(torch.Tensor, lambda given: form(given.detach()), result)

    fault = judge(exercise, answer).fault
    assert fault == ("no gradient can reach the queries" if exercise == "dense 3" else "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "it returned nothing"),
        ("0.5", "it returned str, wanted are numbers"),
        ([[1.0], [2.0, 3.0]], "it returned a list of parts that differ in shape"),
        ([], "it returned an empty list"),
        ([0.5], "here it has shape (1,), wanted is (2,)"),
        ([0.5, float("nan")], "here not all numbers are finite"),
        ([0.5, 1.5], "here a number is off by 0.5"),
    ],
)
def test_what_is_wrong_with_a_tensor_is_said(given, said):
    with pytest.raises(AssertionError, match=f"^{re.escape(said)}"):
        hold_tensor(given, torch.tensor([0.5, 1.0]), "here")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([1, 2],), "wanted are 2 things: M, z"),
        (([1, 2, 3], 4), "M has 2 numbers, not 3"),
        (([1, 2], [0.5]), "z is not [0.5]"),
        (([1, 2], float("nan")), "z is not [nan]"),
    ],
)
def test_what_is_wrong_with_a_part_is_said(given, said):
    with pytest.raises(AssertionError, match=re.escape(said)):
        hold_parts(given, {"M": ([1, 2], 0.1), "z": ([4], 0.1)})


@pytest.mark.parametrize(("exercise", "answer"), cases(WRONG))
def test_a_wrong_answer_is_refused_with_a_reason(exercise, answer):
    given, words = answer
    verdict = judge(exercise, given)
    assert not verdict and "not yet: " in repr(verdict) and "raised" not in repr(verdict)
    assert words and words in verdict.fault


@pytest.mark.parametrize(("exercise", "answer"), cases(FORBIDDEN))
def test_what_an_exercise_forbids_is_refused(exercise, answer):
    given, words = answer
    assert words in judge(exercise, given).fault


@pytest.mark.parametrize("exercise", JUDGES)
def test_a_likely_mistake_is_named(exercise):
    for sentence, mistake in JUDGES[exercise].mistakes.items():
        loose = Judge(JUDGES[exercise].hold, mistakes={sentence: mistake})
        fault = judge_by(loose, mistake).fault
        assert fault.endswith(f": {sentence}"), f"{fault!r} does not say {sentence!r}"


def judge_by(judged, answer):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(JUDGES, "one", judged)
        return judge("one", answer)


def hold_softmax(answer):
    logits = torch.randn(3, 4)
    assert torch.allclose(answer(logits), logits.softmax(dim=-1)), "not the softmax"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("softmax", lambda x: nn.Softmax(dim=-1)(x)),
        ("softmax", lambda x: x.log_softmax(-1).exp()),
        ("logsumexp", lambda x: (x - x.logsumexp(-1, keepdim=True)).exp()),
        ("matmul", lambda x: torch.einsum("ab,bc->ac", x, torch.eye(4)).softmax(-1)),
        ("matmul", lambda x: F.linear(x, torch.eye(4)).softmax(-1)),
        ("matmul", lambda x: torch.stack([torch.dot(r, r) for r in x])),
        ("attention", lambda x: F.scaled_dot_product_attention(x, x, x)),
        ("convolution", lambda x: F.conv1d(x[:, None], torch.ones(1, 1, 1))[:, 0].softmax(-1)),
        ("unfold", lambda x: x.unfold(-1, 1, 1)[..., 0].softmax(-1)),
        ("cumsum", lambda x: x.cumsum(-1)),
        ("a module", lambda x: nn.Linear(4, 4)(x).softmax(-1)),
    ],
)
def test_an_operation_is_forbidden_by_whatever_name_it_is_called(name, answer):
    with torch.inference_mode(), torch.no_grad():
        assert f"it uses {name}" in judge_by(Judge(hold_softmax, forbids=(name,)), answer).fault
    assert f"it uses {name}" in judge_by(Judge(hold_softmax, forbids=(name,)), answer).fault


def test_an_operation_is_forbidden_inside_a_module():
    class Softmax(nn.Module):
        def forward(self, x):
            try:
                return x.softmax(dim=-1)
            except AssertionError:
                return x

    verdict = judge_by(Judge(lambda a: hold_softmax(a()), forbids=("softmax",)), Softmax)
    assert "it uses softmax" in verdict.fault


def test_a_tensor_can_be_too_large_and_a_view_is_none():
    def judged(answer):
        return judge_by(Judge(hold_softmax, largest=lambda x: x.numel()), answer).fault

    assert judged(lambda x: x.expand(5, 3, 4)[0].softmax(-1)) == ""
    large = judged(lambda x: (x[:, None] + 0 * x[None]).diagonal().mT.softmax(-1))
    assert large == "it makes a tensor of shape (3, 3, 4), and the exercise allows 12 numbers here"


def test_an_unknown_operation_cannot_be_forbidden():
    with pytest.raises(ValueError, match="'sofmax' is no operation of torch"):
        Judge(hold_softmax, forbids=("sofmax",))


def test_an_answer_that_is_no_function_is_told_so():
    assert "the answer is None" in judge("channel 3", None).fault


def test_judging_leaves_the_generator_as_it_was():
    before = torch.random.get_rng_state()
    judge("channel 3", lambda x, weight: torch.rand(3))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_broken_answer_is_told_how_it_broke():
    def answer(x, weight):
        raise TypeError("no such thing")

    assert "your code raised TypeError: no such thing" in repr(judge("channel 3", answer))


def test_a_loop_over_the_batch_is_told_what_it_is_given():
    def answer(query, key, value, strength, kept=0.9):
        return torch.stack([torch.outer(k, v) for k, v in zip(key, value, strict=True)])

    fault = judge("linear 7", answer).fault
    assert fault.endswith("query is (2, 7, 3), which is (batch, tokens, features)")


def test_an_unknown_exercise_names_those_there_are():
    with pytest.raises(ValueError, match="no exercise 'channel 99'; there are channel 1"):
        judge("channel 99", None)
