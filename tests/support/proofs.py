"""What is proven is not proven again, on this machine: a cache of the mechanisms' proofs.

The proofs of a mechanism are its tests in PROOFS and its own file of tests. When a run of all tests
passes, `.pytest_cache/proofs/<mechanism>` holds the hash of all that these proofs hang on, and the
next run leaves them out for as long as that hash stays. Times of files say nothing. A run that
failed or was interrupted proves nothing. With `ALL=1` or `CI=true` the cache is never read.
"""

import ast
import os
import platform
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from attention_lib.cards.card import Card
from attention_lib.catalog import FAMILIES, NETWORKS, every_card
from tools.chapters import ROOT

PROOFS = ("test_contract", "test_references", "test_oracles", "test_memory")
SHARED = ("constraints.txt", "pyproject.toml", "tests/conftest.py", "attention_lib/catalog.py")


def imports(file: Path, root: Path) -> frozenset[Path]:
    """The files of the project that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{file} imports relatively, which is not followed")
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = set()
    for name in names:
        path = root / name.replace(".", "/")
        found |= {p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()}
    return frozenset(found)


def sources(card: Card, root: Path = ROOT) -> list[Path]:
    """The files that a mechanism's proofs hang on: what they import, and what that imports.

    What lists mechanisms is taken, and what it imports is not, or each would hang on all.
    """
    module = card.mechanism.__module__
    stem = module.rpartition(".")[2]
    waiting = [root / f"{module.replace('.', '/')}.py", *(root / name for name in SHARED)]
    waiting += [root / f"tests/{name}.py" for name in PROOFS]
    waiting += [root / f"tests/{kind}/{card.family}.py" for kind in ("references", "oracles")]
    waiting += (root / "attention_lib/core").glob("*.py")
    own = root / f"tests/{card.family}/test_{stem}.py"
    waiting += [own] if own.exists() else []
    home = root / "attention_lib"
    shelves = (f"{name}/__init__.py" for name in (*FAMILIES, NETWORKS))
    listing = {home / name for name in ("__init__.py", "catalog.py", *shelves)}
    if card.family == NETWORKS:  # made of any mechanisms
        waiting += [file for family in FAMILIES for file in (home / family).glob("*.py")]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in found or not file.exists():
            continue
        found.add(file)
        if file.suffix == ".py" and file not in listing:
            waiting += imports(file, root)
    return sorted(found)


@cache
def processor() -> str:
    """The model of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line for line in lines if line.startswith("model name")), platform.processor())


def key(card: Card, root: Path = ROOT) -> str:
    """The hash of those files, of Python, torch and the processor."""
    machine = f"{platform.python_version()} {torch.__version__} {processor()}"
    said = sha256(machine.encode())
    for file in sources(card, root):
        said.update(f"{file.relative_to(root)} {sha256(file.read_bytes()).hexdigest()}".encode())
    return said.hexdigest()


@cache
def own_tests() -> dict[tuple[str, str], str]:
    """The mechanism that a file of tests belongs to, by its folder and stem."""
    return {(card.family, f"test_{card.stem}"): str(card) for card in every_card()}


def proven(item: pytest.Item) -> str:
    """The name of the mechanism that a test is a proof of, or nothing."""
    if name := own_tests().get((item.path.parent.name, item.path.stem)):
        return name
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    cards = [str(value) for value in values if isinstance(value, Card)]
    return cards[0] if cards and item.path.stem in PROOFS else ""


class Proofs:
    """A pytest plugin; with pytest-xdist the first process writes what the others ran."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root, self.folder = root, root / ".pytest_cache/proofs"
        self.read = not os.environ.get("ALL") and os.environ.get("CI") != "true"
        self.items: dict[str, list[pytest.Item]] = {}
        self.keys: dict[str, str] = {}
        self.tests: dict[str, list[str]] = {}  # of each mechanism that was not proven
        self.passed: set[str] = set()
        self.said = ""

    def key(self, name: str) -> str:
        return key(next(card for card in every_card() if str(card) == name), self.root)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node) -> None:
        node.workerinput["whole"] = whole(node.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]):
        if not getattr(config, "workerinput", {}).get("whole", whole(config)):
            return
        for item in items:
            if name := proven(item):
                self.items.setdefault(name, []).append(item)
        self.keys = {name: self.key(name) for name in self.items}
        spared: list[pytest.Item] = []
        for name, found in self.keys.items():
            file = self.folder / name
            if self.read and file.exists() and file.read_text() == found:
                spared += self.items.pop(name)
        if spared:
            mechanisms = len(self.keys) - len(self.items)
            self.said = f"left out: {len(spared)} known proofs of {mechanisms} mechanisms (ALL=1)"
            gone = set(map(id, spared))
            items[:] = [item for item in items if id(item) not in gone]
            config.hook.pytest_deselected(items=spared)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error) -> None:
        theirs = getattr(node, "workeroutput", {}).get("proofs", {})
        self.keys |= theirs.get("keys", {})
        self.tests |= theirs.get("tests", {})
        self.said = theirs.get("said", self.said)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        tests = {name: [item.nodeid for item in found] for name, found in self.items.items()}
        if hasattr(session.config, "workeroutput"):
            theirs = {"keys": self.keys, "tests": tests, "said": self.said}
            session.config.workeroutput["proofs"] = theirs
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, wanted in (self.tests | tests).items():
            (self.folder / name).unlink(missing_ok=True)
            complete = exitstatus == pytest.ExitCode.OK and self.passed.issuperset(wanted)
            if complete and self.key(name) == self.keys[name]:  # nothing was edited meanwhile
                (self.folder / name).write_text(self.keys[name])

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self.said:
            terminalreporter.write_line(self.said)


def whole(config: pytest.Config) -> bool:
    """Whether a run was asked for all tests, and not for those of some files."""
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS
