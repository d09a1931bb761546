"""Measurements: what is timed, held and counted is what is reported."""

import json
import math
import random
import weakref

import pytest
import scipy.stats
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attention_lib.catalog import FAMILIES, catalog, find
from attention_lib.measure import growth, store, timing
from attention_lib.measure.growth import fit, fits
from attention_lib.measure.sizes import realistic
from attention_lib.measure.sweep import build_with_inputs, sweep, timed_pass
from attention_lib.measure.timing import Timing, peak_memory, time_together
from tools import bench as tool

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


# ---- growth


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


# ---- sweeps


@pytest.mark.parametrize("backward", [False, True])
def test_a_sweep_reports_what_the_cards_declare(backward):
    steps = []
    rows = sweep(
        ["se", "eca"], "height,width", [4, 6], fixed=dict(channels=32, batch=3), backward=backward,
        seconds=0, progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert [(r.mechanism, r.size) for r in rows] == [
        (name, n) for n in (4, 6) for name in ("SqueezeExcitation", "EfficientChannelAttention")
    ]
    for row in rows:
        card = realistic(find(row.mechanism), channels=32, height=row.size, width=row.size)
        assert row.params == card.cost("params")
        assert (row.macs, row.memory) == (3 * card.cost("macs"), 3 * card.cost("memory"))
        assert 0 < row.seconds_low <= row.seconds <= row.seconds_high and row.rounds >= 5
        answer = 4 * 3 * 32 * row.size**2
        kept = 2 * answer if backward else answer  # also the gradient of the input
        assert kept <= row.peak_bytes < 4 * kept
        assert row.backward == backward
    assert [step[:2] for step in steps] == [(0, 2), (1, 2), (2, 2)]


def test_backward_reaches_input_and_parameters():
    mechanism, x = build_with_inputs(realistic(find("se")), "cpu", torch.float64, seed=0)
    gradients = timed_pass(mechanism, x, True, 0)()
    assert [g.shape for g in gradients] == [x.shape, *(p.shape for p in mechanism.parameters())]
    assert all(g.any() for g in gradients) and gradients[0].dtype == torch.float64
    assert not timed_pass(mechanism, x, False, 0)().requires_grad


def test_the_same_seed_gives_the_same_instance_and_leaves_ours_alone():
    torch.manual_seed(5)
    first = build_with_inputs(realistic(find("mha"), tokens=3), "cpu", torch.float32, seed=0)
    after = torch.rand(1)
    again = build_with_inputs(realistic(find("mha"), tokens=3), "cpu", torch.float32, seed=0)
    other = build_with_inputs(realistic(find("mha"), tokens=3), "cpu", torch.float32, seed=1)
    assert torch.equal(first[1], again[1]) and not torch.equal(first[1], other[1])
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_mechanism_has_realistic_sizes(card):
    at = realistic(card)
    with torch.device("meta"):
        at.build().eval()(*at.inputs())
    assert at.cost("memory") > 100 * card.cost("memory"), "still the small example"


def test_what_a_sweep_cannot_do_is_refused_by_name():
    with pytest.raises(ValueError, match="no axis 'tokens'; it has batch, height, width, channels"):
        sweep(["se"], "tokens", [8])
    with pytest.raises(ValueError, match="height=0 must be a number"):
        sweep(["se"], "height", [0])
    with pytest.raises(ValueError, match="nothing to measure"):
        sweep([], "height", [8])
    with pytest.raises(ValueError, match="did you mean"):
        sweep(["squeze"], "height", [8])


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


# ---- what is stored


def test_provenance_says_what_was_measured_on(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    origin = store.provenance(command="make bench")
    assert origin["device"] == store.device_slug() and origin["device"].startswith("cpu-")
    assert origin["threads"] == torch.get_num_threads() and origin["torch"] == torch.__version__
    assert origin["environment"]["MALLOC_TRIM_THRESHOLD_"] == "1"
    assert origin["command"] == "make bench" and origin["date"].endswith("+00:00")
    assert {"processor", "cores", "system", "python", "attention_lib"} <= origin.keys()
    assert str(store.HOME.parent) not in json.dumps(origin), "a path of this machine"
    assert set(origin["device"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_what_is_saved_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CHECKOUT", tmp_path)
    assert store.load("my-bench") == []
    rows = sweep(["se"], "height", [2], seconds=0)
    path = store.save("my-bench", {"rows": rows, "none": [], "word": 'ä "quoted"'})
    assert path == tmp_path / store.device_slug() / "my-bench.json"
    [found] = store.load("my-bench")
    assert found["provenance"]["device"] == store.device_slug()
    assert found["rows"][0]["mechanism"] == "SqueezeExcitation"
    assert found["rows"][0]["seconds"] == pytest.approx(rows[0].seconds, rel=1e-5)
    assert found["none"] == [] and found["word"] == 'ä "quoted"'
    assert max(map(len, path.read_text("utf-8").splitlines())) < 400, "a row a line"


def test_stored_comes_from_every_device_and_out_of_the_wheel(tmp_path, monkeypatch):
    for device in ("cuda-b", "cpu-a"):
        store.write(tmp_path / device / "x.json", {"provenance": {"device": device}})
    monkeypatch.setattr(store, "CHECKOUT", tmp_path / "absent")
    monkeypatch.setattr(store, "PACKED", tmp_path)
    assert [s["provenance"]["device"] for s in store.load("x")] == ["cpu-a", "cuda-b"]
    with pytest.raises(ValueError, match="say folder="):
        store.save("x", {})
    assert store.save("x", {}, folder=tmp_path / "mine").is_file()


def test_unfit_names_and_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="small letters"):
        store.save("../x", {}, folder=tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.save("x", {"a": math.nan}, folder=tmp_path)


@pytest.mark.whole_catalog
def test_every_family_has_sweeps_that_fit_its_mechanisms():
    for family in FAMILIES:
        for axis, sizes, fixed in tool.sweeps(family):
            fit(sizes, sizes)  # wide enough for an exponent
            for card in tool.members(family, axis, fixed):
                for size in (min(sizes), max(sizes)):
                    at = realistic(card, **fixed, **dict.fromkeys(axis.split(","), size))
                    with torch.device("meta"):
                        at.build().eval()(*at.inputs())
    for card in catalog():
        swept = [tool.members(card.family, axis, fixed)
                 for axis, _, fixed in tool.sweeps(card.family)]  # fmt: skip
        assert any(card in found for found in swept), f"{card}: no sweep"


def test_a_family_without_sweeps_is_swept_along_its_free_axes(monkeypatch):
    monkeypatch.setattr(tool, "SWEEPS", {})
    sides = (tool.SIDES, (4, 8, 16, 32, 64))
    assert tool.sweeps("dense") == [tool.TOKENS, (*sides, dict(dim=128, batch=1))]
    assert tool.sweeps("channel") == [(*sides, dict(channels=128, batch=1))]
    monkeypatch.setattr(tool, "SWEEPS", {"hybrid": [tool.TOKENS]})
    assert [axis for axis, *_ in tool.sweeps("hybrid")] == ["tokens", tool.SIDES]


def test_the_tool_refuses_a_family_without_sweeps(capsys):
    with pytest.raises(SystemExit):
        tool.main(["channels"])
    assert "no family channels; there are dense, linear" in capsys.readouterr().err
