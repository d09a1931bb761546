"""What is timed and held is what is reported."""

import math
import weakref

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attention_lib.measure import timing
from attention_lib.measure.timing import Timing, peak_memory, time_together

KIB = 1024


class Clock:
    """Time that passes only when a function says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def takes(self, *seconds):
        """A function whose calls take these times, one after the other, the last for ever."""
        left = list(seconds)

        def function():
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return function


# ---- time


def test_the_median_and_the_spread_are_those_of_the_rounds():
    timing = Timing((5.0, 1.0, 2.0, 4.0, 3.0))
    assert timing.median == 3.0
    assert timing.spread == pytest.approx((1.4, 4.6))
    assert timing.ratio_to(Timing((5.0, 2.0, 1.0, 2.0, 3.0)))[0] == 1.0


def test_a_time_is_that_of_one_call():
    clock = Clock()
    timings = time_together({"slow": clock.takes(0.5), "fast": clock.takes(1e-4)}, clock=clock)
    assert timings["slow"].median == pytest.approx(0.5)
    assert timings["fast"].median == pytest.approx(1e-4)


def test_the_first_call_does_not_count():
    clock = Clock()
    timing = time_together({"f": clock.takes(100.0, 0.5)}, clock=clock)["f"]
    assert set(timing.rounds) == {0.5}


@pytest.mark.parametrize("each", [1e-4, 3e-3, 0.019, 0.02, 1.0])
def test_a_block_takes_twenty_milliseconds_or_more(each):
    clock, calls = Clock(), []
    function = clock.takes(each)

    def counted():
        calls.append(clock.now)
        function()

    timing = time_together({"f": counted}, clock=clock, least=7, most=7)["f"]
    a_round = (len(calls) - 2) / 7
    assert a_round * each >= 0.02 * (1 - 1e-9)
    assert len(timing.rounds) == 7 and a_round == math.ceil(round(0.02 / each, 6))


def test_a_block_on_a_gpu_holds_the_emptying_of_its_cache(monkeypatch):
    clock, calls = Clock(), []

    def cuda_seconds(function, times):
        calls.append(times)
        clock.now += times * 1e-4  # the host waits for call and cache
        return 1e-5  # the events frame the call alone

    monkeypatch.setattr(timing, "_cuda_seconds", cuda_seconds)
    how = dict(device="cuda", clock=clock, least=5, most=5)
    assert set(time_together({"f": None}, **how)["f"].rounds) == {1e-5}
    assert calls == [1, 1, *[50] * 5]


def test_rounds_end_with_the_time_but_not_before_the_least():
    def rounds(each, **how):
        clock = Clock()
        return len(time_together({"f": clock.takes(each)}, clock=clock, **how)["f"].rounds)

    assert rounds(1.0, seconds=20.0) == 20
    assert rounds(1.0, seconds=2.0, least=5) == 5
    assert rounds(0.02, seconds=600.0, most=60) == 60


def test_all_run_in_each_round_in_an_order_drawn_anew():
    def run(seed):
        clock, order = Clock(), []

        def named(name):
            step = clock.takes(1.0)
            return lambda: (order.append(name), step())

        time_together({n: named(n) for n in "abc"}, clock=clock, seconds=30, seed=seed)
        order = order[6:]  # two calls each to warm up
        return [tuple(order[i : i + 3]) for i in range(0, len(order), 3)]

    rounds = run(seed=0)
    assert len(rounds) == 10 and all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len(set(rounds)) > 2, "always the same order"
    assert run(seed=0) == rounds != run(seed=1)


def test_nothing_to_time_is_refused():
    with pytest.raises(ValueError, match="empty"):
        time_together({})


# ---- memory


class Live(TorchDispatchMode):
    """A second way to peak memory: bytes of the storages that operations return, while alive."""

    def __init__(self):
        super().__init__()
        self.held = self.peak = 0
        self.seen = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        given = tree_leaves((args, kwargs or {}))
        self.seen |= {x.untyped_storage()._cdata for x in given if isinstance(x, Tensor)}
        returned = operation(*args, **(kwargs or {}))
        for x in tree_leaves(returned):
            if isinstance(x, Tensor) and x.untyped_storage()._cdata not in self.seen:
                storage = x.untyped_storage()
                self.seen.add(storage._cdata)
                self.held += storage.nbytes()
                self.peak = max(self.peak, self.held)
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        return returned

    def _free(self, key, size):
        self.held -= size
        self.seen.discard(key)


def grows_and_shrinks():
    a = torch.empty(100 * KIB, dtype=torch.uint8)
    b = torch.empty(200 * KIB, dtype=torch.uint8)
    del a
    c = torch.empty(50 * KIB, dtype=torch.uint8)
    del b
    return torch.empty(10 * KIB, dtype=torch.uint8), c


def test_peak_memory_of_a_known_case():
    assert peak_memory(grows_and_shrinks) == 300 * KIB
    held = torch.empty(10**6)  # what was there before does not count
    assert peak_memory(lambda: held.add_(held)) == 0
    assert peak_memory(lambda: held.clone()) == 4 * 10**6


def test_peak_memory_agrees_with_counting_live_storages():
    x = torch.randn(64, 300)

    def work():
        y = (x * x).sigmoid()
        z = (y + x).sum(0)
        del y
        return (x / z).mean(1)

    with Live() as live:
        kept = work()
    del kept
    assert live.peak > 2 * x.nbytes
    assert peak_memory(work) == live.peak
