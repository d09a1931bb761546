"""The digest of what was measured: what changes it and what does not."""

import json
import re
from pathlib import Path

import pytest

from attention_lib.catalog import catalog, find
from attention_lib.measure import source, store
from attention_lib.measure.source import digest, older
from tools.experiments import running

GATE = '''
"""A gate."""

from torch import nn
from attention_lib.cards.card import Card
from attention_lib.core.steps import squash as narrow
from attention_lib.cards.shape import shaped

FACTOR = 2


class Gate(nn.Module):
    """It gates."""

    @shaped
    def forward(self, x: "maps") -> "maps":
        return FACTOR * narrow(x)


CARD = Card(Gate, paper="hu2018")
'''
OTHER = """
from torch import nn


class Other(nn.Module):
    def forward(self, x):
        return x
"""
STEPS = '''
from math import exp


def squash(x):
    return half(x)


def half(x):
    """Half of it."""
    return exp(x) / 2


def unused(x):
    return x
'''
TRIAL = """
from attention_lib import core, tiny
from attention_lib.core import steps
from tools.experiments.running import keep

RATES = {}
RATES["gate"] = 0.1


def trial():
    return keep(steps.half(tiny.Gate()), RATES)
"""
FILES = {
    "attention_lib/tiny/__init__.py": "from .gate import Gate\nfrom .other import Other\n",
    "attention_lib/tiny/gate.py": GATE,
    "attention_lib/tiny/other.py": OTHER,
    "attention_lib/core/__init__.py": "",
    "attention_lib/core/steps.py": STEPS,
    "attention_lib/cards/card.py": "def Card(*args, **more): ...\n",
    "attention_lib/cards/shape.py": "def shaped(forward):\n    return forward\n",
    "tools/experiments/trial.py": TRIAL,
    "tools/experiments/running.py": "def keep(*args):\n    return args\n",
}
NAMES = {"Gate": "Gate", "Other": "Other", "trial": "tools.experiments.trial.trial"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library of two mechanisms, one step that the first shares, and an experiment."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "before", "after", "changed"),
    [
        ("tiny/gate.py", "It gates.", "It opens and closes.", ""),
        ("tiny/gate.py", "return FACTOR", "# twice\n        return FACTOR", ""),
        ("tiny/gate.py", 'x: "maps") -> "maps"', "x)", ""),
        ("tiny/gate.py", "hu2018", "hu2019", ""),
        ("tiny/gate.py", "FACTOR * narrow(x)", "(\n            FACTOR * narrow(x)\n        )", ""),
        ("tiny/gate.py", "FACTOR = 2", "FACTOR: int = 2", ""),
        ("tiny/gate.py", "FACTOR = 2", "FACTOR = 3", "Gate trial"),
        ("tiny/gate.py", "FACTOR * narrow(x)", "FACTOR + narrow(x)", "Gate trial"),
        ("tiny/gate.py", "import squash as", "import unused as", "Gate trial"),
        ("core/steps.py", "/ 2", "/ 3", "Gate trial"),
        ("core/steps.py", "from math", "from torch", "Gate trial"),
        ("core/steps.py", "return x\n", "return -x\n", ""),
        ("tiny/other.py", "return x", "return -x", "Other"),
        ("cards/shape.py", "return forward", "return forward or None", ""),
    ],
)
def test_what_changes_a_digest(root, file, before, after, changed):
    then = {short: digest(name, root) for short, name in NAMES.items()}
    path = root / "attention_lib" / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    now = {short: digest(name, root) for short, name in NAMES.items()}
    assert [name for name in NAMES if then[name] != now[name]] == changed.split()


@pytest.mark.parametrize(
    ("file", "before", "after", "changed"),
    [
        ("trial.py", "0.1", "0.2", True),
        ("trial.py", "half", "squash", True),
        ("running.py", "return args", "return list(args)", False),  # how it is stored
    ],
)
def test_what_changes_the_digest_of_an_experiment(root, file, before, after, changed):
    then, path = digest(NAMES["trial"], root), root / "tools/experiments" / file
    path.write_text(path.read_text().replace(before, after))
    assert (digest(NAMES["trial"], root) != then) == changed


def test_what_is_older_is_named(root):
    known = {name: digest(name, root) for name in ("Gate", "Other")}
    told = {"provenance": {"source": known | {"Gone": "123456789abc"}}}
    assert older(told, root) == ["Gone"]
    (root / "attention_lib/core/steps.py").write_text(STEPS.replace("/ 2", "/ 3"))
    assert older(told, root) == ["Gate", "Gone"]
    assert digest("Gone", root) is None and digest("tools.experiments.gone.trial", root) is None


def test_it_is_the_same_under_every_python(root):
    assert digest("Gate", root) == "4645dd500afb"


@pytest.mark.whole_catalog
def test_every_mechanism_has_a_digest_of_its_own():
    found = source.digests(map(str, catalog()))
    assert len(found) == len(catalog()) == len(set(found.values()))
    assert all(re.fullmatch("[0-9a-f]{12}", code) for code in found.values())


def test_what_is_left_apart_exists():
    root = source.ROOT
    assert all((root / f"{name.replace('.', '/')}.py").exists() for name in source.APART)


def test_what_is_saved_carries_the_source_of_its_rows(tmp_path):
    payload = {"sweeps": [{"rows": [{"mechanism": str(find("se"))}, {"mechanism": "Custom"}]}]}
    told = json.loads(store.save("some-bench", payload, tmp_path).read_text("utf-8"))
    assert told["provenance"]["source"] == source.digests(["SqueezeExcitation"])
    assert not older(told)


def test_every_stored_measurement_carries_its_source():
    paths = sorted(store.CHECKOUT.glob("*/*.json"))
    found = {path: json.loads(path.read_text("utf-8")) for path in paths}
    assert found
    for path, told in found.items():
        assert told["provenance"]["source"], path.name
        assert {*store.mechanisms(told)} <= told["provenance"]["source"].keys(), path.name


def test_an_experiment_goes_on_only_with_runs_of_the_present_code(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CHECKOUT", tmp_path)
    start = dict(settings={"steps": 3}, plugs={"a": {}}, development=[], runs=[])
    payload = start | dict(provenance=running.origin("tiny", running.complete))
    assert payload["provenance"]["command"] == "make experiments FAMILY=tiny"
    done = payload | dict(runs=[dict(plug="a", seed=1)])
    store.save("tiny", done)
    assert running.resumed("tiny", dict(payload))["runs"] == done["runs"]
    assert running.is_stored("tiny", payload)
    other = start | dict(provenance=running.origin("tiny", older))
    assert running.resumed("tiny", dict(other))["runs"] == []
    assert not running.is_stored("tiny", other)
