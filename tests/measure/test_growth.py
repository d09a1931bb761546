"""Exponents, intervals and crossings are those that the numbers have."""

import math
import random

import pytest
import scipy.stats

from attention_lib.measure import growth
from attention_lib.measure.growth import fit, fits


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 7, 12, 30, 101])
def test_the_quantile_of_student(freedom):
    for confidence in (0.5, 0.9, 0.95, 0.99):
        wanted = scipy.stats.t.ppf(0.5 + confidence / 2, freedom)
        assert growth.t_quantile(freedom, confidence) == pytest.approx(wanted, rel=1e-9)


def test_an_exact_power_is_found():
    sizes = [64, 128, 256, 512, 1024]
    found = fit(sizes, [3e-6 * n**1.5 for n in sizes])
    assert found.exponent == pytest.approx(1.5)
    assert found.low == pytest.approx(1.5) and found.high == pytest.approx(1.5)
    assert found.constant == pytest.approx(3e-6)
    assert found.slopes == pytest.approx([1.5] * 4)


def test_the_fit_is_that_of_scipy():
    noise = random.Random(0)
    sizes = [8, 16, 24, 64, 128, 200]
    values = [n**2 * noise.lognormvariate(0, 0.3) for n in sizes]
    log_sizes, log_values = map(math.log, sizes), map(math.log, values)
    wanted = scipy.stats.linregress(list(log_sizes), list(log_values))
    margin = wanted.stderr * scipy.stats.t.ppf(0.975, len(sizes) - 2)
    found = fit(sizes, values)
    assert found.exponent == pytest.approx(wanted.slope)
    assert found.high - found.exponent == pytest.approx(margin)
    assert found.exponent - found.low == pytest.approx(margin)
    shuffled = fit(sizes[::-1], values[::-1])
    assert shuffled.exponent == pytest.approx(found.exponent) and shuffled.slopes == found.slopes


def test_slopes_show_what_the_exponent_hides():
    sizes = [1, 2, 4, 8, 16]
    found = fit(sizes, [10 + n for n in sizes])  # an overhead, then linear
    assert list(found.slopes) == sorted(found.slopes) and found.slopes[0] < 0.15 < found.slopes[-1]


@pytest.mark.parametrize(
    ("sizes", "values", "said"),
    [
        ([1, 2, 4, 16], [1, 2, 3, 4], r"five sizes, got \[1, 2, 4, 16\]"),
        ([1, 2, 4, 8, 15], [1, 2, 3, 4, 5], "16 times or more, got 1 to 15"),
        ([1, 2, 4, 8, 16], [1, 2, 3, 4, 0], "positive, got 0"),
        ([1, 2, 4, 8, 16], [1, 2, 3, 4], "5 sizes, but 4 values"),
        ([1, 1, 1, 1, 16], [1, 2, 3, 4, 5], "at least five sizes"),
    ],
)
def test_what_allows_no_exponent_is_refused(sizes, values, said):
    with pytest.raises(ValueError, match=said):
        fit(sizes, values)


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = [0.91, 0.95, 0.64, 0.93, 0.97]
    wanted = scipy.stats.t.interval(
        0.95, 4, loc=sum(values) / 5, scale=scipy.stats.sem(values, ddof=1)
    )
    mean, low, high = growth.interval(values)
    assert (low, high) == pytest.approx(wanted) and mean == pytest.approx(0.88)
    assert growth.interval([0.5]) == (0.5, 0.5, 0.5)


def test_fits_are_by_mechanism():
    rows = [
        dict(mechanism=name, size=n, macs=n**power)
        for n in (1, 2, 4, 8, 16)
        for name, power in (("one", 1), ("two", 2))
    ]
    found = fits(rows, "macs")
    assert {name: round(f.exponent, 6) for name, f in found.items()} == {"one": 1, "two": 2}
    with pytest.raises(ValueError, match="no column 'time'; there are mechanism, size, macs"):
        fits(rows, "time")


def test_a_crossing_is_where_the_lines_meet():
    costs = dict(squares=lambda n: n**2, lines=lambda n: 24 * n, dear=lambda n: n**3)
    rows = [
        dict(mechanism=name, size=n, seconds=cost(n))
        for n in (8, 16, 32, 64)
        for name, cost in costs.items()
    ]
    assert growth.crossover(rows, "squares", "lines") == pytest.approx(24)
    assert growth.crossover(rows, "dear", "squares") == 8, "below throughout"
    assert growth.crossover(rows, "squares", "dear") is None, "never below"
    with pytest.raises(ValueError, match=r"lines has the sizes \[8, 16, 32, 64\], none has \[\]"):
        growth.crossover(rows, "lines", "none")
