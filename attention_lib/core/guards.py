"""Refuse constructor arguments that cannot work, and say what was given and what is wanted.

    at_least(1, depth=depth, kernel_sizes=kernel_sizes)
    divides(heads=heads, dim=dim)

Of a tuple each number is checked; an empty one is refused.  Integers may be numpy's.  True, False
and tensors are no numbers here.

All raise TypeError for a wrong type, and ValueError for a number that cannot work.
"""

from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any


def at_least(least: float, **given: Any) -> None:
    """Refuse numbers below `least`, and fractions if `least` is an integer."""
    for name, value in given.items():
        kind = Integral if isinstance(least, int) else Real
        _check(name, value, lambda number: number >= least, f"at least {least}", kind)


def above(bound: float, **given: Any) -> None:
    """Refuse numbers that are not above `bound`; fractions are welcome."""
    for name, value in given.items():
        _check(name, value, lambda number: number > bound, f"above {bound}", Real)


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


def as_tuple(**given: Any) -> tuple[Any, ...]:
    """The values of the one argument, which must be several: a tuple or a list."""
    [(name, values)] = given.items()
    if not isinstance(values, Iterable):
        raise TypeError(f"{name}={values!r} must be a tuple")
    return tuple(values)


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _check(
    name: str, value: Any, fits: Callable[[Any], bool], wanted: str, kind: type = Integral
) -> None:
    numbers = _several(value)
    if not all(isinstance(number, kind) and not isinstance(number, bool) for number in numbers):
        noun = "an integer" if kind is Integral else "a number"
        raise TypeError(f"{name}={value!r} must be {noun}, {wanted}")
    if not numbers or not all(fits(number) for number in numbers):
        raise ValueError(f"{name}={value} must be {wanted}")
