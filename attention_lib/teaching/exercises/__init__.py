"""Judges for the exercises of the book: give one your answer, and it says whether it is right.

>>> exercises.judge("channel 3", eca_gate)
channel 3: right

A judge never stops a notebook: an unfinished answer is told what is missing.  A wrong one that
equals a common mistake is told which.  The judges of a chapter stand in a file of its name.
"""

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

import torch

from attention_lib.teaching.exercises.watch import Judge, Watch

__all__ = ["JUDGES", "Judge", "Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """True if an answer is right; shows itself in a sentence."""

    exercise: str
    fault: str = ""

    def __bool__(self) -> bool:
        return not self.fault

    def __repr__(self) -> str:
        return f"{self.exercise}: {f'not yet: {self.fault}' if self.fault else 'right'}"


def judge(exercise: str, answer: object) -> Verdict:
    """Hold an answer to what the exercise asks.

    Raises:
        ValueError: if there is no such exercise.
    """
    if exercise not in JUDGES:
        raise ValueError(f"no exercise {exercise!r}; there are {', '.join(JUDGES)}")
    if not callable(answer):
        return Verdict(exercise, f"the answer is {answer!r}, wanted is a function or a class")
    judged = JUDGES[exercise]
    fault, given = _held(judged, Watch(answer, judged.forbids, judged.largest))
    if fault and given:
        for sentence, mistake in judged.mistakes.items():
            _, made = _held(judged, Watch(mistake))
            if made == given:
                return Verdict(exercise, f"{fault}: {sentence}")
    return Verdict(exercise, fault)


def _held(judged: Judge, watch: Watch) -> tuple[str, "Watch | None"]:
    """What is wrong with an answer, and what it returned if nothing broke on the way."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        try:
            judged.hold(watch.watched)
        except AssertionError as wrong:
            fault = str(wrong).partition("\n")[0] or "the answer is not right"
            return watch.refused or fault, None if watch.refused else watch
        except Exception as broken:  # a student's code may fail in any way; it is told how
            what = f"your code raised {type(broken).__name__}: {broken}"
            return watch.refused or what, None
    return watch.refused, None


JUDGES: dict[str, Judge] = {
    f"{chapter} {number}": judged
    for chapter in sorted(module.name for module in iter_modules(__path__))
    if chapter not in ("numbers", "watch")
    for number, judged in import_module(f"{__name__}.{chapter}").JUDGES.items()
}
