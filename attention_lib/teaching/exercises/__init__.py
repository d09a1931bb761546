"""Judges for the exercises of the book: give one your answer, and it says whether it is right.

>>> exercises.judge("channel 3", eca_gate)
channel 3: right

A judge never stops a notebook: an unfinished answer is told what is missing.  The judges of a
chapter stand in a file of its name; each is given the answer, and asserts what is asked of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules


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
    try:
        JUDGES[exercise](answer)
    except AssertionError as wrong:
        return Verdict(exercise, str(wrong).partition("\n")[0] or "the answer is not right")
    except Exception as broken:  # a student's code may fail in any way; it is told how
        return Verdict(exercise, f"your code raised {type(broken).__name__}: {broken}")
    return Verdict(exercise)


JUDGES: dict[str, Callable[[object], None]] = {
    f"{chapter} {number}": hold
    for chapter in sorted(module.name for module in iter_modules(__path__))
    for number, hold in import_module(f"{__name__}.{chapter}").JUDGES.items()
}
