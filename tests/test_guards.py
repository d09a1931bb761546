"""Constructor arguments that cannot work are refused, with what was given and what is wanted."""

import re
from math import inf, nan

import numpy as np
import pytest

from attention_lib.core.guards import above, at_least, between, divides, odd


@pytest.mark.parametrize(
    ("guard", "least", "arguments", "message"),
    [
        (at_least, 1, dict(a=1, b=0), "b=0 must be at least 1"),
        (at_least, 2, dict(sizes=(2, 1)), "sizes=(2, 1) must be at least 2"),
        (at_least, 2, dict(sizes=()), "sizes=() must be at least 2"),
        (at_least, 0.0, dict(lam=-0.5), "lam=-0.5 must be at least 0.0 and finite"),
        (at_least, 0.0, dict(lam=nan), "lam=nan must be at least 0.0 and finite"),
        (at_least, 0.0, dict(lam=inf), "lam=inf must be at least 0.0 and finite"),
        (above, 0, dict(eps=0.0), "eps=0.0 must be above 0 and finite"),
        (above, 0, dict(eps=(1.0, nan)), "eps=(1.0, nan) must be above 0 and finite"),
        (above, 0, dict(eps=inf), "eps=inf must be above 0 and finite"),
        (odd, 1, dict(k=4), "k=4 must be odd and at least 1"),
        (odd, 3, dict(k=1), "k=1 must be odd and at least 3"),
        (odd, 1, dict(k=(3, -1)), "k=(3, -1) must be odd and at least 1"),
        (between, 1, dict(r=5, c=4), "r=5 must be between 1 and c=4"),
        (between, 1, dict(r=0, c=4), "r=0 must be between 1 and c=4"),
        (between, 1, dict(r=1, c=0), "c=0 must be at least 1"),
    ],
)
def test_numbers_that_cannot_work(guard, least, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        guard(least, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(heads=4, dim=10), "dim=10 must be a multiple of heads=4"),
        (dict(heads=0, dim=10), "heads=0 must be at least 1"),
        (dict(heads=4, dim=0), "dim=0 must be at least 1"),
        (dict(groups=(2, 3), dim=4), "dim=4 must be a multiple of groups=(2, 3)"),
        (dict(groups=(3, 2), dim=4), "dim=4 must be a multiple of groups=(3, 2)"),
    ],
)
def test_what_does_not_divide(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        divides(**arguments)


def test_what_works_is_let_through():
    at_least(1, a=1, b=np.int64(2), c=(1, 3))
    at_least(0.0, a=0, b=0.0, c=np.float32(1))
    above(0, a=1, b=0.1)
    above(0, infinite=True, c=(1.0, inf))
    odd(3, a=3, b=(3, 5))
    between(1, a=1, b=1)
    between(1, a=4, b=4)
    divides(a=np.int32(4), b=12)
    divides(a=(2, 3), b=6)
