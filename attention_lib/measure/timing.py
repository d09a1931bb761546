"""Time functions side by side, and weigh the memory that a call takes.

What is compared runs in the same rounds, in random order, so that a machine that is busy for a
moment is busy for all.  `torch.utils.benchmark` times one function after the other.
"""

import gc
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles

import torch

from attention_lib.measure.store import is_cuda


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
        return spread(self.rounds)

    def ratio_to(self, other: "Timing") -> tuple[float, float, float]:
        """How many times as long as `other`, round by round: median, and eight of ten."""
        ratios = [mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True)]
        return median(ratios), *spread(ratios)


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
    """Time several functions in the same rounds, each round in a new random order.

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
        if is_cuda(device):
            return _cuda_seconds(candidates[name], times)
        start = clock()
        for _ in range(times):
            candidates[name]()
        return (clock() - start) / times

    if block is None:
        block = 0.005 if is_cuda(device) else 0.02
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
    if is_cuda(device):
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


def spread(numbers: Sequence[float]) -> tuple[float, float]:
    if len(numbers) < 2:
        return numbers[0], numbers[0]
    tenths = quantiles(numbers, n=10, method="inclusive")
    return tenths[0], tenths[-1]
