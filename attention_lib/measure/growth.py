"""How a cost grows with size, and how well a mean is known.

print(fits(rows, "seconds")["SqueezeExcitation"])
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, linear_regression, stdev

from attention_lib.measure.sweep import Row


@dataclass(frozen=True)
class Fit:
    """value ≈ constant · size ** exponent."""

    exponent: float
    low: float  # the exponent's 95 % confidence interval
    high: float
    constant: float
    slopes: tuple[float, ...]  # the exponent between neighbouring sizes

    def __str__(self) -> str:
        return f"{self.exponent:.2f} [{self.low:.2f}, {self.high:.2f}]"


def fit(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """The exponent of a power law: least squares on the logarithms.

    The interval says how well a straight line is known, not that the line is straight: look at
    the slopes.  Where they drift, a fixed overhead or a full cache is in the data.

    Raises:
        ValueError: if there are fewer than five sizes, if they span less than 16 times, or if
            a number is not positive.
    """
    if len(sizes) != len(values):
        raise ValueError(f"{len(sizes)} sizes, but {len(values)} values")
    if len(set(sizes)) < 5:
        raise ValueError(f"an exponent needs at least five sizes, got {sorted(set(sizes))}")
    if min(*sizes, *values) <= 0:
        raise ValueError(f"sizes and values must be positive, got {min(*sizes, *values)}")
    if max(sizes) < 16 * min(sizes):
        raise ValueError(f"sizes must span 16 times or more, got {min(sizes)} to {max(sizes)}")
    pairs = sorted(zip(map(log, sizes), map(log, values), strict=True))
    x, y = zip(*pairs, strict=True)
    slope, start = linear_regression(x, y)
    off = sum((b - start - slope * a) ** 2 for a, b in pairs)
    width = sum((a - fmean(x)) ** 2 for a in x)
    freedom = len(x) - 2
    margin = t_quantile(freedom) * sqrt(off / freedom / width)
    steps = [(a, b) for a, b in pairwise(pairs) if b[0] > a[0]]
    slopes = tuple((b[1] - a[1]) / (b[0] - a[0]) for a, b in steps)
    return Fit(slope, slope - margin, slope + margin, exp(start), slopes)


def fits(rows: Sequence[Row | Mapping], value: str = "seconds") -> dict[str, Fit]:
    """The fit of each mechanism in the rows of one sweep, or of a stored one.

    Args:
        value: a column of `Row`, such as "seconds", "peak_bytes" or "macs".

    Raises:
        ValueError: as `fit` does; if there is no such column.
    """
    table = [asdict(row) if is_dataclass(row) else row for row in rows]
    for row in table:
        if value not in row:
            raise ValueError(f"no column {value!r}; there are {', '.join(row)}")
    points: dict[str, list[tuple[float, float]]] = {}
    for row in table:
        points.setdefault(row["mechanism"], []).append((row["size"], row[value]))
    return {name: fit(*zip(*pairs, strict=True)) for name, pairs in points.items()}


def crossover(
    rows: Sequence[Row | Mapping], slower: str, other: str, value: str = "seconds"
) -> float | None:
    """The size from which on `other` costs less than `slower`, up to the largest measured.

    Between two sizes both are taken for straight lines, log–log.

    Returns:
        That size; the smallest measured if `other` is below throughout; None if it is not below
        at the largest.

    Raises:
        ValueError: if the two were not measured at the same sizes.
    """
    table = [asdict(row) if is_dataclass(row) else row for row in rows]
    first, second = (
        {row["size"]: row[value] for row in table if row["mechanism"] == name}
        for name in (slower, other)
    )
    if not first or first.keys() != second.keys():
        raise ValueError(f"{slower} has the sizes {[*first]}, {other} has {[*second]}")
    gaps = [(log(size), log(second[size] / first[size])) for size in sorted(first, reverse=True)]
    if gaps[0][1] >= 0:
        return None
    for (x, below), (left, above) in pairwise(gaps):
        if above >= 0:
            return exp(left + (x - left) * above / (above - below))
    return min(first)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean, and its 95 % confidence interval by Student's t; one value has no interval."""
    mean = fmean(values)
    if len(values) < 2:
        return mean, mean, mean
    margin = t_quantile(len(values) - 1) * stdev(values) / sqrt(len(values))
    return mean, mean - margin, mean + margin


def t_quantile(freedom: int, confidence: float = 0.95) -> float:
    """What |t| stays below with this probability, for Student's t with `freedom` degrees."""
    from scipy.stats import t  # slow to import, and only intervals need it

    return float(t.ppf((1 + confidence) / 2, freedom))
