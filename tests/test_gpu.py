"""`make gpu`, as far as a machine without a GPU can tell: its order, its end, what it stores."""

import argparse
import json
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import update_wrapper
from itertools import groupby
from pathlib import Path

import pytest
import torch

from attention_lib.catalog import FAMILIES, catalog, find
from attention_lib.channel import SqueezeExcitation
from attention_lib.checks import randomize
from attention_lib.checks.answers import check_shape
from attention_lib.checks.travel import check_meta
from attention_lib.measure import store
from tests.oracles.bare import bare
from tests.oracles.peers import SIZES, Peer, torch_multi_head
from tools import gpu, roofline
from tools.bench import sweeps
from tools.pages.mechanisms import exponents

SMALL = (dict(dim=32, tokens=16), dict(dim=32, tokens=32))


def options(folder, **changed):
    known = dict(names=[], device="cpu", folder=folder, origin=store.provenance(measured=["SimAM"]))
    return argparse.Namespace(**known | changed)


def read(folder, name):
    return json.loads(next(folder.glob(f"*/{name}.json")).read_text("utf-8"))


class Day:
    """A clock that only work moves on, and steps that say when they ran."""

    def __init__(self, folder):
        self.now, self.log, self.steps = 0.0, [], []
        self.result = gpu.Result("result", "rows", options(folder))

    def step(self, name, seconds=1.0, error=None, before=lambda: None):
        def work():
            before()
            self.log.append(name)
            yield dict(name=name)
            self.now += seconds
            if error:
                raise error

        self.result.steps += 1
        self.steps.append(gpu.Step("stage", name, self.result, work))

    def run(self, seconds):
        def within(left):
            assert left == seconds - self.now > 0
            return nullcontext()

        return gpu.run(self.steps, seconds, clock=lambda: self.now, within=within)


def test_the_most_valuable_comes_first(tmp_path):
    steps = gpu.plan(options(tmp_path, device="cuda"))
    assert [stage for stage, _ in groupby(step.stage for step in steps)] == [
        "proof", "sweeps", "peers", "roofline"
    ]  # fmt: skip
    told = {
        stage: [s.name for s in steps if s.stage == stage] for stage in {s.stage for s in steps}
    }
    assert told["proof"] == [str(card) for card in catalog()]
    assert SIZES.keys() <= {*told["peers"]} and told["roofline"] == [*FAMILIES]
    many = sum(len(sweeps(family)) for family in FAMILIES)
    assert len({*told["sweeps"]}) == len(told["sweeps"]) == 4 * many
    assert not any("gradients" in name or "bfloat16" in name for name in told["sweeps"][:many])
    assert all("bfloat16" in name for name in told["sweeps"][2 * many :])
    dense = next(step.result for step in steps if step.result.name == "dense-bench")
    assert dense.steps == 4 * len(sweeps("dense"))


def test_no_step_begins_when_the_time_is_up(tmp_path, capsys):
    day = Day(tmp_path)
    for name in "abcd":
        day.step(name, seconds=2.0)
    assert day.run(seconds=4.0) == 0
    assert day.log == ["a", "b"]
    stored = read(tmp_path, "result")
    assert [row["name"] for row in stored["rows"]] == ["a", "b"] and not stored["complete"]
    told = capsys.readouterr().out
    assert "   2 s left  stage: a\n   0 s left  stage: b\n" in told
    assert "stage: 2 of 4 steps done; not reached: c; d" in told


def test_each_step_is_stored_before_the_next_begins(tmp_path):
    day, seen = Day(tmp_path), []
    for name in "abc":
        day.step(name, before=lambda: seen.append([*tmp_path.glob("*/*.json")] and stored()))

    def stored():
        return [row["name"] for row in read(tmp_path, "result")["rows"]]

    assert day.run(seconds=10.0) == 0
    assert seen == [[], ["a"], ["a", "b"]] and stored() == ["a", "b", "c"]
    assert read(tmp_path, "result")["complete"]


def test_after_a_step_that_fails_the_others_run(tmp_path, capsys):
    day = Day(tmp_path)
    day.step("a")
    day.step("b", error=ValueError("no\nsuch kernel"))
    day.step("c")
    assert day.run(seconds=10.0) == 1
    stored = read(tmp_path, "result")
    assert [row["name"] for row in stored["rows"]] == ["a", "b", "c"]
    assert stored["notes"] == ["FAILED: stage, b: ValueError: no such kernel"]
    assert not stored["complete"]
    assert "1 notes\nFAILED: stage, b" in capsys.readouterr().out


def test_a_step_that_is_cut_off_keeps_its_rows(tmp_path, capsys):
    day = Day(tmp_path)
    day.step("a")
    day.step("b", seconds=9.0, error=gpu.OutOfTime())
    day.step("c")
    assert day.run(seconds=10.0) == 0
    stored = read(tmp_path, "result")
    assert [row["name"] for row in stored["rows"]] == ["a", "b"] and not stored["complete"]
    told = capsys.readouterr().out
    assert "stage: b, cut off" in told and "1 of 3 steps done; not reached: b; c" in told


def test_the_alarm_rings_until_it_is_heard_and_leaves_others_alone():
    handler, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    with pytest.raises(gpu.OutOfTime), gpu.cut_off(0.01):
        try:
            time.sleep(60)
        except gpu.OutOfTime:
            time.sleep(60)  # it was not heard
    with gpu.cut_off(3600.0):
        pass
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= timer[0]
    assert bool(signal.getitimer(signal.ITIMER_REAL)[0]) == bool(timer[0])


# ---- proof -------------------------------------------------------------------------------------


def notes(found):
    return [told for told in found if isinstance(told, str)]


def test_instances_and_inputs_are_made_on_the_device():
    placed = gpu.Placed(**vars(find("lsda")), device="meta")
    [x, *_] = placed.inputs(torch.float16)
    assert x.is_meta and x.dtype == torch.float16
    assert all(p.is_meta for p in placed.build(interval=3).parameters())
    assert torch.empty(1).device.type == "cpu"
    counted = gpu.Placed(**vars(find("lsda")), device="cpu")
    with torch.device("meta"):
        assert all(p.is_meta for p in counted.build().parameters())


class Forgetful(SqueezeExcitation):
    def forward(self, x):
        return super().forward(x) * torch.ones(1)


update_wrapper(Forgetful.forward, SqueezeExcitation.forward)


def test_a_forgotten_device_is_found_without_a_gpu():
    card = replace(find("se"), mechanism=Forgetful)
    check_shape(card)
    with pytest.raises(RuntimeError, match="device"):
        check_meta(card)


def test_parameters_are_drawn_on_the_cpu_wherever_they_are_kept():
    mechanism = find("se").build()
    with torch.device("meta"):
        randomize(mechanism)


def test_a_wrong_answer_fails_the_proof(monkeypatch):
    monkeypatch.setattr(gpu, "checks_for", lambda card: (check_shape, check_meta))
    found = list(gpu.proof(find("se"), "cpu"))
    checks = ["check_shape", "check_meta", "reference, example"]
    assert [row["check"] for row in found[:3]] == checks and not notes(found)
    assert {row["verdict"] for row in found} == {"passed"}

    right = SqueezeExcitation.forward
    wrong = update_wrapper(lambda self, x: 1.0001 * right(self, x), right)
    monkeypatch.setattr(SqueezeExcitation, "forward", wrong)
    [first, *_] = notes(gpu.proof(find("se"), "cpu"))
    assert first.startswith("FAILED: SqueezeExcitation, reference, example: failed")
    assert "Greatest absolute difference" in first


def test_float32_is_float32_during_the_proof(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    seen = []

    def check(card):
        seen.append((torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))

    monkeypatch.setattr(gpu, "checks_for", lambda card: (check,))
    next(gpu.proof(find("se"), "cpu"))
    assert seen == [(False, False)] and torch.backends.cudnn.allow_tf32


def test_no_check_takes_the_end_of_the_time_for_a_finding(monkeypatch):
    def check(card):
        raise gpu.OutOfTime

    monkeypatch.setattr(gpu, "checks_for", lambda card: (check,))
    with pytest.raises(gpu.OutOfTime):
        list(gpu.proof(find("se"), "cpu"))


# ---- measurements ------------------------------------------------------------------------------


def test_who_cannot_run_costs_the_others_no_row(monkeypatch):
    monkeypatch.setattr(gpu, "SWEEP", 0.0)
    build = gpu.build_with_inputs

    def short_of_memory(card, *how):
        if str(card) == "SimAM":
            raise torch.OutOfMemoryError("of\nnothing left")
        return build(card, *how)

    monkeypatch.setattr(gpu, "build_with_inputs", short_of_memory)
    cards = [find("simam"), find("sge")]
    note, found = gpu.swept(
        cards, "height,width", (4, 8), dict(channels=64), "bfloat16", True, "cpu"
    )
    assert note.startswith("FAILED: SimAM, height,width=8, bfloat16, backward=True: OutOfMemory")
    assert {(row.mechanism, row.dtype) for row in found["rows"]} == {
        ("SpatialGroupEnhance", "bfloat16")
    }
    assert (found["dtype"], found["backward"]) == ("bfloat16", True)


def absent(ours):
    raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")


def other(ours):
    theirs, state = torch_multi_head(ours)
    return theirs, {name: 2 * tensor for name, tensor in state.items()}


def test_peers_that_are_absent_or_differ_are_named(monkeypatch):
    monkeypatch.setattr(gpu, "RATIO", 0.0)
    made = {
        "nowhere.Attention": absent,
        "wrong.Attention": other,
        "torch.Attention": torch_multi_head,
    }
    monkeypatch.setitem(SIZES, "MultiHeadAttention", SMALL)
    mine = [Peer("MultiHeadAttention", name, make) for name, make in made.items()]
    monkeypatch.setattr(gpu, "peers", lambda *_: mine)
    gone, differs, *rows = gpu.beside_peers(find("mha"), "cpu")
    assert gone == (
        "NOT RUN: peer nowhere.Attention: ModuleNotFoundError: No module named 'nowhere'"
    )
    assert differs.startswith("FAILED: peer wrong.Attention of MultiHeadAttention: AssertionError")
    assert [(row["peer"], row["backward"]) for row in rows] == [
        ("torch.Attention", False),
        ("torch.Attention", True),
    ]
    assert all(row["time_ratio"] > 0 and row["allocator"] == "default" for row in rows)


def test_where_oracles_cannot_be_imported_the_other_peers_are_run(monkeypatch):
    monkeypatch.setattr(gpu, "peers", lambda *_: absent(None))
    monkeypatch.setattr(gpu, "MORE", {"MultiHeadAttention": {"nowhere.Attention": absent}})
    card = replace(find("mha"), oracles=["package.Oracle"])
    told = list(gpu.beside_peers(card, "cpu"))
    assert [line.partition(": Module")[0] for line in told] == [
        "NOT RUN: peer package.Oracle",
        "NOT RUN: peer nowhere.Attention",
    ]


def test_a_rehearsal_stores_every_file(tmp_path, monkeypatch, capsys):
    """The whole way, small: one mechanism, one peer, the contract's first check."""
    for name in ("SWEEP", "RATIO", "FAMILY"):
        monkeypatch.setattr(gpu, name, 0.0)
    monkeypatch.setattr(gpu, "checks_for", lambda card: (check_shape,))
    peer = Peer("MultiHeadAttention", "torch", torch_multi_head)
    monkeypatch.setattr(gpu, "peers", lambda *_: [peer])
    monkeypatch.setitem(SIZES, "MultiHeadAttention", SMALL)
    rows = dict(dim=64, heads=1, height=8, width=8)
    small = {"MultiHeadAttention": SMALL, "EfficientMultiHeadAttention": [rows]}
    monkeypatch.setattr(
        roofline, "sizes_of", lambda c: small.get(str(c), [dict(dim=64, tokens=64)])
    )
    monkeypatch.setattr(roofline, "SIDE", 64)
    monkeypatch.setattr(roofline, "COPIED", 2**16)
    asked = ["mha", "--device", "cpu", "--time", "250", "--folder", str(tmp_path)]
    assert gpu.main(asked) == 0
    proof = read(tmp_path, "proof")["proof"]
    assert [row["check"] for row in proof][:2] == ["check_shape", "reference, example"]
    sweeps = read(tmp_path, "dense-bench")["sweeps"]
    assert [(s["dtype"], s["backward"]) for s in sweeps] == [
        ("float32", False), ("float32", True), ("bfloat16", False), ("bfloat16", True)
    ]  # fmt: skip
    assert all(row["dtype"] == s["dtype"] for s in sweeps for row in s["rows"])
    assert [row["backward"] for row in read(tmp_path, "peers-eager")["rows"]] == [False, True]
    names = [row["name"] for row in read(tmp_path, "peers-roofline")["rows"]]
    assert names[0] == "MultiHeadAttention" and names[-2:] == ["matrix product", "copy"]
    for name in ("proof", "dense-bench", "peers-eager"):
        assert read(tmp_path, name)["provenance"]["source"].keys() == {"MultiHeadAttention"}
    assert len(read(tmp_path, "peers-roofline")["provenance"]["source"]) == len(names) - 2
    origin = read(tmp_path, "proof")["provenance"]
    assert origin["tf32_when_timed"].keys() == {"matmul", "cudnn"}
    assert not read(tmp_path, "proof")["complete"], "a part is never complete"
    assert capsys.readouterr().out.count("1 of 1 steps done\n") == 3


def test_without_a_gpu_it_says_so_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 0
    assert capsys.readouterr().out == gpu.NO_GPU + "\n"


def test_a_rehearsal_is_not_stored_among_the_results(capsys):
    for asked in (["--device", "cpu"], ["mha"]):
        with pytest.raises(SystemExit):
            gpu.main(asked)
        assert "say --folder" in capsys.readouterr().err


def test_a_bare_machine_is_enough():
    """With torch, einops, jaxtyping and sympy alone, a plan is made and a proof begins."""
    others = ["pytest", "timm", "torchvision", "matplotlib", "typer", "scipy", "pandas", "PIL"]
    others += ["kecam", "vit_pytorch", "fightingcv_attention", "pytorchcv", "onnx", "nbformat"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({others}))
from tools import gpu, roofline
every = gpu.checks_for
gpu.checks_for = lambda card: [*every(card)][:1]
card = gpu.find("se")
print(*gpu.proof(card, "cpu"), *gpu.beside_peers(card, "cpu"), sep="\\n")
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(gpu.__file__).parents[1], capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "'reference, example', 'verdict': 'passed'" in told.stdout
    assert "FAILED" not in told.stdout
    assert told.stdout.count("NOT RUN: peer ") == len(find("se").oracles) > 0


def test_a_gpus_sweeps_are_told_by_their_precision(tmp_path):
    """A GPU has no second allocator: what is stored as the default one's is shown."""
    sizes = (4, 8, 16, 32, 64)
    kinds = (("cuda", "float32", 2), ("cuda", "bfloat16", 1), ("cpu", "float32", 3))
    sweeps = [
        dict(axis="tokens", backward=False, dtype=dtype, allocator="default")
        | dict(rows=[
            dict(mechanism="A", device=device, size=n, seconds=n**power, peak_bytes=n)
            for n in sizes
        ])
        for device, dtype, power in kinds
    ]  # fmt: skip
    store.write(tmp_path / "book/results/cuda-x/a-bench.json", dict(provenance={}, sweeps=sweeps))
    found = [(where.partition("(")[2], time[:4]) for where, time, _ in exponents(tmp_path)["A"]]
    assert found == [("float32, cuda)", "2.00"), ("bfloat16, cuda)", "1.00")]


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(ModuleNotFoundError, match="'no_such_package'"):
        bare("no_such_package.layers")
