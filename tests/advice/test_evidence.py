"""Experiments are told as they are stored."""

from attention_lib.advice import evidence, ranking
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


def test_no_proof_is_taken_for_an_experiment(monkeypatch):
    row = dict(mechanism="A", size=4, seconds=2)
    benches = [dict(provenance=dict(gpu="GPU", threads=1), sweeps=[dict(rows=[row])])]
    stored = {"dense-bench": benches, "proof": [dict(proof=[row])], "study": [dict(runs=[row])]}
    monkeypatch.setattr(store, "load_all", lambda: stored)
    assert evidence.experiments_with("A") == ["study"]
