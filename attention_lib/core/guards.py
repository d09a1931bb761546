"""Refuse constructor arguments that cannot work, and say what was given and what is wanted.

    at_least(1, depth=depth, kernel_sizes=kernel_sizes)
    divides(heads=heads, dim=dim)

Of a tuple each number is checked; an empty one is refused.  That they are numbers, the constructor
says by its annotations: see `arguments.typed`.  All raise ValueError.
"""

from collections.abc import Callable
from math import inf
from typing import Any


def at_least(least: float, **given: Any) -> None:
    """Refuse numbers below `least`, and what is infinite or no number."""
    wanted = f"at least {least}" if isinstance(least, int) else f"at least {least} and finite"
    for name, value in given.items():
        _check(name, value, lambda number: least <= number < inf, wanted)


def above(bound: float, infinite: bool = False, **given: Any) -> None:
    """Refuse numbers that are not above `bound`, and infinite ones unless these are welcome."""
    wanted = f"above {bound}" if infinite else f"above {bound} and finite"
    for name, value in given.items():
        _check(name, value, lambda n: n > bound and (infinite or n < inf), wanted)


def odd(least: int, **given: Any) -> None:
    """Refuse integers that are even or below `least`."""
    wanted = f"odd and at least {least}"
    for name, value in given.items():
        _check(name, value, lambda number: number >= least and number % 2 == 1, wanted)


def between(least: int, **given: Any) -> None:
    """Refuse the first of two integers if it is below `least` or above the second."""
    (name, value), (bound, most) = given.items()
    at_least(least, **{bound: most})
    wanted = f"between {least} and {bound}={most}"
    _check(name, value, lambda number: least <= number <= most, wanted)


def divides(**given: Any) -> None:
    """Refuse two integers if one is below 1, or the second is not a multiple of the first."""
    at_least(1, **given)
    (divisor, by), (name, value) = given.items()
    wanted = f"a multiple of {divisor}={by}"
    _check(name, value, lambda number: not any(number % part for part in _several(by)), wanted)


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _check(name: str, value: Any, fits: Callable[[Any], bool], wanted: str) -> None:
    numbers = _several(value)
    if not numbers or not all(fits(number) for number in numbers):
        raise ValueError(f"{name}={value} must be {wanted}")
