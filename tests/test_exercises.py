"""Each judge takes two right answers and refuses three wrong ones, with a reason."""

from importlib import import_module
from pathlib import Path

import pytest

from attention_lib.teaching.exercises import JUDGES, judge

CHAPTERS = sorted(p.stem for p in Path(__file__).parent.glob("answers/[!_]*.py"))
ANSWERS = {chapter: import_module(f"tests.answers.{chapter}") for chapter in CHAPTERS}
RIGHT = {f"{chapter} {n}": a for chapter, of in ANSWERS.items() for n, a in of.RIGHT.items()}
WRONG = {f"{chapter} {n}": a for chapter, of in ANSWERS.items() for n, a in of.WRONG.items()}


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
