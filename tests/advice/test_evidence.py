"""Experiments and times are told as they are stored."""

from dataclasses import replace

from attention_lib.advice import evidence, ranking
from attention_lib.advice.evidence import Measured
from attention_lib.advice.need import Need
from attention_lib.advice.ranking import recommend
from attention_lib.measure import store
from attention_lib.measure.growth import interval


def test_experiments_are_told_as_they_are_stored():
    stored = store.load("channel-experiment")[0]["runs"]
    [told] = evidence.experiment("channel cue", ["none", "SqueezeExcitation"])
    for plug, name in (("none", "no gate"), ("SqueezeExcitation", "SqueezeExcitation")):
        runs = [r for r in stored if (r["task"], r["plug"]) == ("channel cue", plug)]
        solved = sum(r["accuracy"] > 0.95 for r in runs)
        assert f"{name} {solved} of {len(runs)}" in told
    [told] = evidence.experiment("row and column", ["SqueezeExcitation"])
    mean = interval(
        [r["accuracy"] for r in stored
         if (r["task"], r["plug"]) == ("row and column", "SqueezeExcitation")]
    )[0]  # fmt: skip
    assert f"SqueezeExcitation {mean:.3f} [" in told
    assert evidence.experiment("no such task", ["none"]) == []


def test_what_was_not_trained_is_said():
    assert "channel-experiment" in evidence.experiments_with("SqueezeExcitation")
    assert evidence.experiments_with("NoSuchMechanism") == []
    timings = ("-bench", "peers-eager", "peers-roofline", "authors")
    assert not any(name.endswith(timings) for name in evidence.experiments_with("OutlookAttention"))
    *known, said = ranking.experiments_of(["SqueezeExcitation", "NoSuchMechanism"])
    assert said.endswith("merit: NoSuchMechanism.")
    assert "Stored experiment channel-experiment has SqueezeExcitation." in known
    assert ranking.experiments_of(["SqueezeExcitation"]) == known


def test_the_nearest_measured_size_is_found(monkeypatch):
    def at(seconds, **changed):
        known = dict(mechanism="SimAM", group="g", machine="m", backward=False, batch=1,
                     features=64, height=8, width=8, low=0, high=0, peak_bytes=1)  # fmt: skip
        return Measured(**known | changed, seconds=seconds)

    rows = (at(1), at(2, height=16, width=16), at(3, height=16, width=16, features=512),
            at(4, height=16, width=16, batch=8), at(5, height=16, width=16, backward=True),
            at(6, height=16, width=16, mechanism="other"))  # fmt: skip
    monkeypatch.setattr(evidence, "measurements", lambda: rows)
    need = Need("maps", 64, height=14, width=15)
    assert evidence.nearest("SimAM", need).seconds == 2
    assert evidence.nearest("SimAM", replace(need, features=400)).seconds == 3
    assert evidence.nearest("SimAM", replace(need, batch=6)).seconds == 4
    assert evidence.nearest("SimAM", replace(need, backward=True)).seconds == 5
    assert evidence.nearest("SimAM", replace(need, height=6, width=9)).seconds == 1
    assert evidence.nearest("nobody", need) is None
    [choice] = [c for c in recommend(need).choices if c.name == "SimAM"]
    assert choice.measured.where == "16 × 16 × 64"
    assert at(1, batch=3, height=0, width=1000).where == "3 × (1,000 tokens × 64)"


def test_stored_times_are_read_and_those_of_the_default_allocator_are_not():
    sweeps = [s for stored in store.load("channel-bench") for s in stored["sweeps"]]
    rows = [r for s in sweeps if s["allocator"] == "tuned" for r in s["rows"]]
    mine = [m for m in evidence.measurements() if m.group.startswith("channel-bench")]
    bent = {r["seconds"] for s in sweeps if s["allocator"] == "default" for r in s["rows"]}
    assert {row["seconds"] for row in rows} <= {m.seconds for m in mine}
    assert bent and not bent & {m.seconds for m in mine}


def test_who_chooses_sees_the_precision_and_takes_no_proof_for_an_experiment(monkeypatch):
    row = dict(mechanism="A", size=4, seconds=2, seconds_low=1, seconds_high=3, peak_bytes=1)
    sweeps = [
        dict(axis="tokens", fixed=dict(dim=8), backward=False, dtype=dtype, rows=[row])
        for dtype in ("float32", "bfloat16")
    ]
    benches = [dict(provenance=dict(gpu="GPU", threads=1), sweeps=sweeps)]
    stored = {"dense-bench": benches, "proof": [dict(proof=[row])], "study": [dict(runs=[row])]}
    monkeypatch.setattr(store, "load_all", lambda: stored)
    found = evidence.measurements.__wrapped__()
    assert [measured.machine for measured in found] == ["GPU", "GPU, bfloat16"]
    assert evidence.experiments_with("A") == ["study"]
