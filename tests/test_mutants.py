"""Faults are planted one at a time, and what no test sees is found out."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attention_lib.catalog import catalog
from tools import mutants
from tools.faults import faults
from tools.mutants import Mechanism, mechanisms, reasons, report, trials

TINY = '''
"""Prose, 1 - 2."""

def gate(x, least=1):
    """Prose, 3 - 4."""
    if x < least:
        raise ValueError(f"x must be at least {least + 0}")
    kept = max(x - least, 0)  # prose, 5 - 6
    return kept if kept >= 2 else -kept
'''
TESTS = """
import pytest
from tiny import gate

def test_gate():
    assert [gate(x) for x in (1, 2, 3, 4)] == [0, -1, 2, 3]

def test_refusal():
    with pytest.raises(ValueError):
        gate(0)
"""


@pytest.fixture
def planted(tmp_path: Path):
    (tmp_path / "tiny.py").write_text(TINY)
    (tmp_path / "test_tiny.py").write_text(TESTS)
    return faults(tmp_path / "tiny.py", "tiny")


def test_every_kind_of_fault_is_planted(planted):
    changes = {
        line[2:] for fault in planted for line in fault.change.splitlines() if line[0] == "+"
    }
    assert changes == {
        "def gate(x, least=2):", "def gate(x, least=0):", "pass",
        "if x <= least:", "if x >= least:",
        "kept = max(x + least, 0)", "kept = max(x, 0)", "kept = max(least - x, 0)",
        "kept = max(x - least, 1)", "kept = max(x - least, -1)", "kept = min(x - least, 0)",
        "kept = x - least",
        "return kept", "return -kept", "return kept if kept > 2 else -kept",
        "return kept if kept < 2 else -kept", "return kept if kept >= 3 else -kept",
        "return kept if kept >= 1 else -kept", "return kept if kept >= 2 else kept",
    }  # fmt: skip


def test_prose_stays_and_each_fault_is_another(planted):
    assert len({fault.source for fault in planted}) == len(planted)
    for fault in planted:
        ast.parse(fault.source)
        assert fault.where == "gate" and "Prose, 1 - 2." in fault.source
        assert "Prose, 3 - 4." in fault.source
        assert "x must be at least {least + 0}" in fault.source or "pass" in fault.change


def test_the_order_of_the_arguments_of_a_maximum_is_no_fault(tmp_path: Path):
    (tmp_path / "card.py").write_text('CARD = Card(Tiny, memory="Max(a, b) - Min(c, d) + f(g, h)")')
    changes = " ".join(fault.change for fault in faults(tmp_path / "card.py", "card"))
    assert "Max(b, a)" not in changes and "Min(d, c)" not in changes and "f(h, g)" in changes


def test_what_says_the_same_is_no_fault(tmp_path: Path):
    """An axis from the other end, an order that does not matter, a check that comes again."""
    text = """
class Gate:
    @shaped
    def forward(self, x: Maps) -> Maps:
        return self.gate(x) * x

    @shaped
    def gate(self, x: Maps) -> Maps:
        return x.mean(dim=-2).transpose(1, 2) + self.other(x)

    @shaped
    def other(self, x: Tokens) -> Maps:
        return self.gate(x + 1) - self.gate
"""
    (tmp_path / "gate.py").write_text(text)
    planted = faults(tmp_path / "gate.py", "gate")
    assert [f.where for f in planted if f.change == "- @shaped"] == ["gate", "other"]
    changes = " ".join(fault.change for fault in planted)
    assert "dim=2" not in changes and "dim=-1" in changes and "dim=-3" in changes
    assert "transpose(2, 1)" not in changes and "transpose(1, 1)" in changes


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_survivors_are_found_out(planted, tmp_path, monkeypatch, capsys):
    tiny = Mechanism(
        "gate", "tiny", "tiny", tmp_path / "tiny.py", (str(tmp_path / "test_tiny.py"),)
    )
    clock = tmp_path / "clock.json"
    [(_, by)] = trials([None], tiny.tests, clock)
    assert by == "", "the tests pass as long as there is no fault"
    some = [fault for fault in planted if "max(" in fault.change]  # a trial takes half a second
    tried = list(trials(some, tiny.tests, clock, jobs=2))
    alive = {fault.change.splitlines()[1] for fault, by in tried if not by}
    # after the refusal nothing is below 0
    assert alive == {"+ kept = max(x - least, -1)", "+ kept = x - least"}
    assert all("test_tiny.py" in by for _, by in tried if by)

    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "WANTED", 0.7)
    known = {("gate", "gate", f.change): "nothing is below 0" for f, by in tried if not by}
    assert report({tiny: tried}, known)
    assert not report({tiny: tried}, {})
    assert "NO REASON" in capsys.readouterr().out
    assert not report({tiny: tried}, {**known, ("gate", "gate", "- a\n+ b"): "stale"})
    assert "is caught now, or no longer planted" in capsys.readouterr().out
    monkeypatch.setattr(mutants, "WANTED", 0.95)
    assert not report({tiny: tried}, known)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_quick_tests_run_first(planted, tmp_path):
    clock, tests = tmp_path / "clock.json", (str(tmp_path / "test_tiny.py"),)
    list(trials([None], tests, clock))
    seconds = json.loads(clock.read_text())
    gate, refusal = sorted(seconds)
    crashed = replace(planted[0], source="gate = None")
    for slow, quick in ((gate, refusal), (refusal, gate)):
        clock.write_text(json.dumps({**seconds, slow: 9.0, quick: 0.0}))
        [(_, by)] = trials([crashed], tests, clock)
        assert by.endswith(quick.rpartition("::")[2])


def test_what_a_card_states_is_changed_and_what_it_proposes_is_not():
    [chosen] = mechanisms(name="mha")
    card = [f.change for f in faults(chosen.path, chosen.module) if f.where == "CARD"]
    added = "\n".join(line for change in card for line in change.splitlines() if line[0] == "+")
    for stated in ("4 + dim ** 2", "{properties.causal, properties.token_perm", "oracles=()"):
        assert stated in added
    assert "heads=4" not in added and "tokens=8" not in added


def test_the_networks_of_a_card_are_no_matter_of_its_mechanism(tmp_path: Path):
    (tmp_path / "card.py").write_text('CARD = Card(Tiny, networks=[("SENet", "hu2018squeeze")])')
    assert not faults(tmp_path / "card.py", "card")


def test_the_tests_of_a_mechanism_are_collected_without_plug_ins():
    [chosen] = mechanisms(name="se")
    run = [sys.executable, "-m", "pytest", *mutants.OPTIONS, "--collect-only", *chosen.tests]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(run, cwd=mutants.ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_declared_axes_are_changed_where_they_are_checked():
    [chosen] = mechanisms(name="mha")
    planted = [f.change for f in faults(chosen.path, chosen.module)]
    assert any("key_mask: Bool[Tensor, 'source batch']" in change for change in planted)


def test_mechanisms_are_chosen_by_family_and_by_name():
    assert [m.name for m in mechanisms(["dense"])] == [str(card) for card in catalog("dense")]
    assert [m.name for m in mechanisms(name="sknet")] == ["SelectiveKernel"]
    assert len(mechanisms()) == len(catalog())
    with pytest.raises(ValueError, match="no family 'chanel'"):
        mechanisms(["chanel"])


@pytest.mark.whole_catalog
def test_every_reason_is_about_a_mechanism_there_is():
    assert {name for name, _, _ in reasons()} <= {str(card) for card in catalog()}
