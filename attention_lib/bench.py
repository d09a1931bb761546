"""Measure mechanisms: time, peak memory, counted cost, and how each grows with the input.

    rows = sweep(["se", "eca"], "height,width", [8, 16, 32, 64, 128], fixed=dict(channels=64))
    print(fits(rows, "seconds")["SqueezeExcitation"])
    save("my-bench", {"rows": rows})

Everybody that is compared runs in the same rounds, in random order, on the same sizes, so that a
machine that is busy for a moment is busy for all.  What is stored carries where it came from.
"""

import gc
import inspect
import json
import os
import platform
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from math import cos, exp, log, pi, prod, sin, sqrt, tan
from pathlib import Path
from statistics import fmean, linear_regression, median, quantiles, stdev

import torch
from torch import Tensor, nn

import attention_lib
from attention_lib.card import Card
from attention_lib.catalog import find
from attention_lib.cost import measure
from attention_lib.source import digests

# A ResNet-50's first stage and the Transformer of Vaswani et al.: sizes nobody has named.
TYPICAL = dict(channels=64, height=56, width=56, dim=512, tokens=1024, classes=80, batch=1)
HOME = Path(attention_lib.__file__).parent
CHECKOUT = HOME.parent / "book" / "results"  # in a clone of the repository
PACKED = HOME / "results"  # its copy inside the wheel


# ---- where a measurement comes from --------------------------------------------------------


def provenance(
    device: str = "cpu", measured: Iterable[str] = (), **more: object
) -> dict[str, object]:
    """What one must know to repeat a measurement: machine, threads, versions, source, date.

    And to trust it: a `load` well above `threads` means that others were at work on the machine.

    Args:
        device: what was measured on, "cpu" or "cuda".
        measured: whose numbers they are, named as `source.digest` names them; their digests are
            what tells later that a number is one of older code.
        more: what else to say, such as `dtype` or `command`.
    """
    processor, cores = _processor()
    known = dict(
        device=device_slug(device),
        processor=processor,
        cores=cores,
        threads=torch.get_num_threads(),
        memory_gib=_memory_gib(),
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,  # the last minute
        gpu=torch.cuda.get_device_name(device) if _is_cuda(device) else None,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        attention_lib=attention_lib.__version__,
        commit=_commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        environment={k: v for k, v in sorted(os.environ.items()) if k.startswith("MALLOC_")},
        source=digests(measured) or None,
    )
    return {**{k: v for k, v in known.items() if v is not None}, **more}


def device_slug(device: str = "cpu") -> str:
    """A folder's name for what was measured on: "cpu-amd-epyc-2-cores", "cuda-nvidia-h200"."""
    if _is_cuda(device):
        words = f"cuda {torch.cuda.get_device_name(device)}"
    else:
        words = "cpu {} {} cores".format(*_processor())
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def save(
    name: str,
    payload: Mapping[str, object],
    folder: Path | str | None = None,
    *,
    device: str = "cpu",
) -> Path:
    """Write `payload` and its provenance to <folder>/<device_slug>/<name>.json.

    Args:
        name: of small letters, digits and hyphens.
        payload: what JSON can hold, and dataclasses; a "provenance" in it replaces ours.
        folder: book/results if None, in a clone of the repository.
        device: what was measured on.

    Raises:
        ValueError: if the name is unfit, or outside a clone no folder is given.
    """
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"name={name!r} must be made of small letters, digits and hyphens")
    if folder is None:
        if not CHECKOUT.is_dir():
            raise ValueError("this is no clone of the repository: say folder=... to save there")
        folder = CHECKOUT
    path = Path(folder) / device_slug(device) / f"{name}.json"
    return write(path, {"provenance": provenance(device, mechanisms(payload)), **payload})


def mechanisms(told: object) -> list[str]:
    """The mechanisms that have a row in what is to be stored, however deep in it."""
    told = asdict(told) if is_dataclass(told) and not isinstance(told, type) else told
    parts = told.values() if isinstance(told, Mapping) else told
    found = [told["mechanism"]] if isinstance(told, Mapping) and "mechanism" in told else []
    if isinstance(parts, str) or not isinstance(parts, Iterable):
        return found
    return list(dict.fromkeys([*found, *(name for part in parts for name in mechanisms(part))]))


def stored(name: str) -> list[dict]:
    """What `save` wrote under this name, from each device that has it; [] if none has."""
    shelf = CHECKOUT if CHECKOUT.is_dir() else PACKED
    return [json.loads(path.read_text("utf-8")) for path in sorted(shelf.glob(f"*/{name}.json"))]


def write(path: Path | str, payload: object) -> Path:
    """Write JSON that people can read: a row a line, six digits of each measured number."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(_readable(payload) + "\n", "utf-8")
    os.replace(draft, path)  # at once: a run that is stopped leaves the old file or the new one
    return path


# ---- time and memory ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """Seconds a call took, one number a round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        """Eight rounds of ten lie between these."""
        return _spread(self.rounds)

    def ratio_to(self, other: "Timing") -> tuple[float, float, float]:
        """How many times as long as `other`, round by round: median, and eight of ten."""
        ratios = [mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True)]
        return median(ratios), *_spread(ratios)


def time_together(
    candidates: Mapping[str, Callable[[], object]],
    *,
    device: str = "cpu",
    seconds: float = 6.0,
    block: float | None = None,
    least: int = 5,
    most: int = 60,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time several functions in the same rounds, each round in an order drawn anew.

    Args:
        candidates: name to function without arguments.
        device: "cuda" times with events, and empties the cache before each call.
        seconds: how long to measure, as far as `least` and `most` rounds allow.
        block: a function is repeated until it takes at least this many seconds a round; if None,
            0.02, and 0.005 on a GPU, whose events time every call by itself.
        least, most: rounds.
        seed: of the orders.
        clock: for tests.

    Raises:
        ValueError: if there is nothing to time.
    """
    if not candidates:
        raise ValueError("candidates is empty: nothing to time")

    def once(name: str, times: int) -> float:
        if _is_cuda(device):
            return _cuda_seconds(candidates[name], times)
        start = clock()
        for _ in range(times):
            candidates[name]()
        return (clock() - start) / times

    if block is None:
        block = 0.005 if _is_cuda(device) else 0.02
    repeats, round_seconds = {}, 0.0
    for name in candidates:
        once(name, 1)  # the first call pays for caches and for choosing algorithms
        start = clock()
        once(name, 1)
        call = max(clock() - start, 1e-7)  # on a GPU with the emptying of its cache
        repeats[name] = max(1, -int(-block // call))
        round_seconds += call * repeats[name]
    order, drawn = list(candidates), random.Random(seed)
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(min(most, max(least, int(seconds / round_seconds)))):
        drawn.shuffle(order)
        for name in order:
            taken[name].append(once(name, repeats[name]))
    return {name: Timing(tuple(rounds)) for name, rounds in taken.items()}


def peak_memory(function: Callable[[], object], device: str = "cpu") -> int:
    """Bytes that torch held at most during a call, beyond those it held before it.

    Inputs and parameters do not count, what is returned does.  On a CPU this adds up the
    allocator's own record; the scratch of libraries that allocate by themselves is not in it.
    """
    gc.collect()
    if _is_cuda(device):
        function()  # the first call makes the workspaces that later ones share
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before

    from torch.profiler import ProfilerActivity, profile

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it writes to stderr at each start
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        kept = function()
    del kept
    events = [e for e in trace.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def _cuda_seconds(function: Callable[[], object], times: int) -> float:
    """Mean seconds of a call on the GPU, with cold caches: all of its L2 is written over first."""
    cache = torch.empty(256 * 2**20, dtype=torch.int8, device="cuda")
    marks = []
    for _ in range(times):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        cache.zero_()
        start.record()
        function()
        end.record()
        marks.append((start, end))
    torch.cuda.synchronize()
    return fmean(start.elapsed_time(end) for start, end in marks) / 1000


# ---- mechanisms over sizes -------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One mechanism at one size. The counts are of the whole call, so of the whole batch."""

    mechanism: str
    axis: str
    size: int
    backward: bool  # forward and backward, or forward alone
    device: str
    dtype: str
    seconds: float  # median of the rounds
    seconds_low: float  # eight rounds of ten lie between these
    seconds_high: float
    rounds: int
    peak_bytes: int  # see peak_memory
    params: int  # numbers learned
    macs: int  # multiply-adds of the forward pass
    memory: int  # numbers in its largest tensor


def sweep(
    cards: Sequence[Card | str | type[nn.Module]],
    axis: str,
    sizes: Sequence[int],
    *,
    fixed: Mapping[str, object] | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    backward: bool = False,
    seconds: float = 30.0,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Row]:
    """Measure mechanisms side by side while one size grows, in eval mode.

    Args:
        cards: the mechanisms, as `find` takes them.
        axis: what grows: an axis of the input or an integer argument of the constructor, such as
            "tokens" or "channels"; or several that grow together, "height,width".
        sizes: its sizes.
        fixed: other axes and constructor arguments; see `realistic` for those not named.
        device: "cpu" or "cuda".
        dtype: of parameters and inputs.
        backward: whether to compute the gradients of input and parameters too.
        seconds: how long to measure in all; at least five rounds are run whatever they take.
        seed: of parameters, inputs and the order in each round.
        progress: called with steps done, steps in all, and what comes next.

    Raises:
        ValueError: if a mechanism has no such axis, or no mechanism, size or device is there.
    """
    found = [find(card) for card in cards]
    if not found or not sizes:
        raise ValueError(f"nothing to measure: {len(found)} mechanisms at {len(sizes)} sizes")
    rows = []
    for done, size in enumerate(sizes):
        if progress:
            progress(done, len(sizes), f"{axis}={size}")
        grown = dict.fromkeys(axis.split(","), size)
        rows += side_by_side(
            [realistic(card, **{**(fixed or {}), **grown}) for card in found],
            axis=axis,
            size=size,
            device=device,
            dtype=dtype,
            backward=backward,
            seconds=seconds / len(sizes),
            seed=seed,
        )
    if progress:
        progress(len(sizes), len(sizes), "done")
    return rows


def side_by_side(
    cards: Sequence[Card | str | type[nn.Module]],
    *,
    axis: str = "",
    size: int = 0,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    backward: bool = False,
    seconds: float = 6.0,
    seed: int = 0,
) -> list[Row]:
    """Measure each card's example at its sizes, all in the same rounds, in eval mode.

    Args:
        cards: what to build, and on what; see `realistic`.
        axis, size: what the rows say that was grown.
        device, dtype, backward, seconds, seed: as in `sweep`.
    """
    if _is_cuda(device) and not torch.cuda.is_available():
        raise ValueError(f"device={device!r}, but torch sees no GPU here")
    found = [find(card) for card in cards]
    made = {str(card): _instance(card, device, dtype, seed) for card in found}
    runs = {name: _run(*made[name], backward, seed) for name in made}
    timings = time_together(runs, device=device, seconds=seconds, seed=seed)
    kind = str(dtype).removeprefix("torch.")
    return [
        Row(
            name,
            axis,
            size,
            backward,
            device,
            kind,
            timing.median,
            *timing.spread,
            len(timing.rounds),
            peak_memory(runs[name], device),
            **asdict(measure(*made[name])),
        )
        for name, timing in timings.items()
    ]


def realistic(thing: Card | str | type[nn.Module], /, **given: object) -> Card:
    """The card with sizes one meets in practice, in place of its small example.

    Constructor arguments and axes are those given; else those of TYPICAL; else the constructor's
    own defaults and, where it has none, the example's.

    Raises:
        ValueError: if the mechanism has no axis or argument of a name that is given.
    """
    card = find(thing)
    known = inspect.signature(card.mechanism).parameters
    axes = dict.fromkeys((*card.sizes, *known))
    for name in given:
        if name not in axes:
            raise ValueError(f"{card} has no axis {name!r}; it has {', '.join(axes)}")
    for axis in card.sizes:
        size = given.get(axis, 1)
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{card}: {axis}={size} must be a number, at least 1")
    wanted = {**{k: v for k, v in TYPICAL.items() if k in axes}, **given}
    needed = {k: v for k, v in card.example.items() if known[k].default is inspect.Parameter.empty}
    example = {**needed, **{k: v for k, v in wanted.items() if k in known}}
    if not given.keys() & known.keys():
        try:
            with torch.device("meta"):
                card.mechanism(**example)
        except ValueError:  # a default for wider maps, such as 64 groups, where nobody asked for it
            example = {**card.example, **example}
    numbers = {axis: size for axis, size in wanted.items() if isinstance(size, int)}
    sizes = {  # a size that is a product follows from its factors
        axis: size if isinstance(size, tuple) else numbers.get(axis, size)
        for axis, size in card.sizes.items()
    }
    return replace(card, example=example, sizes=sizes)


def sized(
    card: Card, features: int, height: int | None, width: int | None, tokens: int, **more: object
) -> Card:
    """The card on a map of `features` channels, or on tokens of as many features.

    Args:
        card: of either layout.
        features: channels, or features of a token.
        height, width: of the map; may be None for a mechanism on tokens.
        tokens: how many.
        more: other axes and constructor arguments; those it does not know are left out.
    """
    sizes = dict(channels=features, dim=features, height=height, width=width, tokens=tokens, **more)
    known = {*card.sizes, *inspect.signature(card.mechanism).parameters}
    return realistic(card, **{k: v for k, v in sizes.items() if k in known and v is not None})


def _instance(
    card: Card, device: str, dtype: torch.dtype, seed: int
) -> tuple[nn.Module, *tuple[Tensor, ...]]:
    """A mechanism in eval mode, and inputs for it."""
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(seed)
        return card.build().to(dtype).eval(), *card.inputs(dtype)


def _run(mechanism: nn.Module, *inputs_backward_seed: object) -> Callable[[], object]:
    """What is timed: a forward pass, or that and the gradients of all inputs and parameters."""
    *inputs, backward, seed = inputs_backward_seed
    if not backward:

        def forward() -> Tensor:
            with torch.no_grad():
                return mechanism(*inputs)

        return forward

    inputs = [x.requires_grad_() if isinstance(x, Tensor) else x for x in inputs]
    leaves = [*(x for x in inputs if isinstance(x, Tensor)), *mechanism.parameters()]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        direction = torch.randn_like(mechanism(*inputs))
    return lambda: torch.autograd.grad(mechanism(*inputs), leaves, direction)


# ---- growth ------------------------------------------------------------------------------------


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


def fits(rows: Sequence["Row | Mapping"], value: str = "seconds") -> dict[str, Fit]:
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


def crossing(
    rows: Sequence["Row | Mapping"], dearer: str, other: str, value: str = "seconds"
) -> float | None:
    """The size from which on `other` costs less than `dearer`, up to the largest measured.

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
        for name in (dearer, other)
    )
    if not first or first.keys() != second.keys():
        raise ValueError(f"{dearer} has the sizes {[*first]}, {other} has {[*second]}")
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
    """What |t| stays below with this probability, for Student's t with `freedom` degrees.

    For whole degrees the probability is a finite sum (Abramowitz and Stegun, 26.7.3 and 26.7.4);
    it grows with its argument, so halving finds where it reaches `confidence`.
    """
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < confidence else (low, middle)
    return sqrt(freedom) * tan(low)


def _inside(angle: float, freedom: int) -> float:
    """The probability that |t| < √freedom · tan(angle)."""
    odd = freedom % 2
    first = cos(angle) if odd else 1.0
    factors = [cos(angle) ** 2 * (2 * j - 1 + odd) / (2 * j + odd) for j in range(1, freedom // 2)]
    terms = [first * prod(factors[:j]) for j in range(freedom // 2)]
    total = sin(angle) * sum(terms)
    return 2 / pi * (angle + total) if odd else total


# ---- small things ------------------------------------------------------------------------------


def _spread(numbers: Sequence[float]) -> tuple[float, float]:
    if len(numbers) < 2:
        return numbers[0], numbers[0]
    tenths = quantiles(numbers, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def _is_cuda(device: str) -> bool:
    return torch.device(device).type == "cuda"


def _processor() -> tuple[str, int]:
    """Its name and how many cores the system shows."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    name = found[1].strip() if found else platform.processor() or platform.machine()
    return name, os.cpu_count() or 1


def _memory_gib() -> int | None:
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _commit() -> str | None:
    """The commit of the clone this runs in, with a + if files differ from it."""
    if not CHECKOUT.is_dir():
        return None
    command = ["git", "-C", str(HOME.parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # no git, or nothing committed


def _readable(value: object, indent: str = "") -> str:
    """JSON with each innermost list or dictionary on a line of its own."""
    value = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    if isinstance(value, float):
        value = float(f"{value:.6g}")
    inside = indent + " "
    if isinstance(value, Mapping):
        parts = [f"{json.dumps(str(k))}: {_readable(v, inside)}" for k, v in value.items()]
        nested, ends = any(map(_is_container, value.values())), "{}"
    elif isinstance(value, list | tuple):
        parts = [_readable(v, inside) for v in value]
        nested, ends = any(map(_is_container, value)), "[]"
    else:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not nested:
        return ends[0] + ", ".join(parts) + ends[1]
    return ends[0] + f"\n{inside}" + f",\n{inside}".join(parts) + f"\n{indent}" + ends[1]


def _is_container(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple) or is_dataclass(value)
