"""Plant one fault after another in the mechanisms of a family, and report which no test sees.

    python -m tools.mutants [family ...] [--name SelectiveKernel] [--jobs 1]

`tools.faults` makes the changed files.  The tests of the mechanism run on each, in a process forked
from one that has imported torch already, the quick ones first; nothing on disk is touched.  Faults
that make no difference stand in `tools/mutants_equivalent/<family>.toml`, each with its reason.
With --trust these are not planted again, but taken for survivors: they are what takes longest.

Exit status 1: a survivor without a reason, a reason that is out of date, or too few faults caught.
"""

import argparse
import gc
import inspect
import json
import os
import re
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from io import StringIO
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from attention_lib.catalog import FAMILIES, catalog, find
from tools.faults import Fault, faults
from tools.names import expression

ROOT = Path(__file__).parent.parent
REASONS = Path(__file__).with_name("mutants_equivalent")
# quick and telling ones first: the first failure ends a trial
TESTS = ("tests/{}", "tests/test_oracles.py", "tests/test_contract.py", "tests/test_library.py",
         "tests/test_display.py", "tests/test_references.py")  # fmt: skip
OPTIONS = [
    "-x",
    "-q",
    "--tb=no",
    "--assert=plain",
    "-pno:cacheprovider",
    "-ppytest_timeout",
    "-pno:unraisableexception",
]  # collects garbage, which takes longer than most trials
SECONDS = 60  # a trial that takes longer hangs, and so is caught
WANTED = 0.95
CONSOLE = Console()


@dataclass(frozen=True)
class Mechanism:
    """What faults are planted in, and the arguments by which pytest runs its tests."""

    name: str
    family: str
    module: str
    path: Path
    tests: tuple[str, ...]


class Clock:
    """A plug-in of pytest: notes what each test takes; knowing that, it runs the quick ones first.

    The first failure ends a trial, and most faults are seen by a test of milliseconds.
    """

    def __init__(self, path: Path):
        self.path = path
        self.seconds = json.loads(path.read_text()) if path.exists() else {}

    def pytest_collection_modifyitems(self, items: list) -> None:
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        if not self.path.exists():
            self.path.write_text(json.dumps(self.seconds))


class ChangedFile(SourceFileLoader):
    """Finds one module, and loads it from a changed source."""

    def __init__(self, fault: Fault):
        super().__init__(fault.module, str(fault.path))
        self.source = fault.source

    def find_spec(self, name: str, path: object = None, target: object = None):
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, name: str):
        return compile(self.source, self.path, "exec", dont_inherit=True)


def mechanisms(families: Iterable[str] = (), name: str | None = None) -> list[Mechanism]:
    """All mechanisms, those of some families, or one.

    Raises:
        ValueError: if there is no such family or mechanism.
    """
    cards = [find(name)] if name else [c for f in families or FAMILIES for c in catalog(f)]
    chosen = []
    for card in cards:
        module = card.mechanism.__module__
        tests = [path.format(card.family) for path in TESTS]
        tests += ["-m", "not alone and not slow", "-k", expression(str(card))]
        path = Path(inspect.getfile(card.mechanism))
        chosen.append(Mechanism(str(card), card.family, module, path, tuple(tests)))
    return chosen


def trials(
    planted: Iterable[Fault | None], tests: Iterable[str], clock: Path, jobs: int = 1
) -> Iterator[tuple[Fault | None, str]]:
    """Each fault (None is none), as its trial ends, with the test that caught it or ''.

    The first trial notes in the file `clock` what each test takes.
    """
    fork, waiting = get_context("fork"), [*enumerate(planted)][::-1]
    running: dict[int, tuple[Fault | None, ForkProcess, Path, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, fault = waiting.pop()
                output = Path(folder, f"{number}.txt")
                process = fork.Process(target=_trial, args=(fault, [*tests], output, clock))
                process.start()
                running[process.sentinel] = fault, process, output, time.monotonic() + SECONDS
            connection.wait(list(running), timeout=0.1)  # a fork may hold a pipe open
            for sentinel, (fault, process, output, end) in list(running.items()):
                late = process.is_alive() and time.monotonic() > end
                if late:
                    process.kill()
                if late or not process.is_alive():
                    process.join()
                    assert process.exitcode is not None, "it has ended"
                    del running[sentinel]
                    yield fault, _seen(process.exitcode, late, output.read_text())


def _warm_up(mechanism: Mechanism) -> None:
    """Load here, once, what every trial would load for itself; about half of its time."""
    import torch

    torch.set_num_threads(1)  # a fork and threads do not go together
    import_module(f"tests.oracles.{mechanism.family}")
    with redirect_stdout(StringIO()):
        _run(["--collect-only", *mechanism.tests])
    module, x = torch.nn.Identity(), torch.ones(2)
    torch.compile(module, backend="eager", fullgraph=True)(x)
    torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=2)},))
    find(mechanism.name).cost("params")
    gc.collect()
    gc.freeze()  # or each trial would look through all of this once more


def _trial(fault: Fault | None, tests: list[str], output: Path, clock: Path) -> None:
    """Run the tests on the changed file, and exit with pytest's status."""
    sys.stdout = sys.stderr = output.open("w")
    for stream in (1, 2):
        os.dup2(sys.stdout.fileno(), stream)
    for name in [n for n in sys.modules if re.match(r"(attention_lib|tests(?!\.oracles))\b", n)]:
        del sys.modules[name]
    if fault:
        sys.meta_path.insert(0, ChangedFile(fault))
        _only(fault)
    status = _run(tests, Clock(clock))
    sys.stdout.flush()
    os._exit(status)


def _only(fault: Fault) -> None:
    """Leave the changed mechanism alone in the catalogue, so that few tests are collected."""
    family = fault.module.rpartition(".")[0]
    with suppress(Exception):  # a file that cannot be imported fails once more, where it is seen
        shelf, catalogue = import_module(family), import_module("attention_lib.catalog")
        made = {name: getattr(shelf, name).__module__ for name in shelf.__all__}
        vars(shelf)["__all__"] = [n for n, module in made.items() if module == fault.module]
        vars(catalogue)["FAMILIES"] = (family.rpartition(".")[2],)


def _run(tests: list[str], *plugins: object) -> int:
    """Pytest's status; without its plugins, which take longer to load than many tests to run."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    return pytest.main([*OPTIONS, *tests], plugins)


def _seen(status: int, late: bool, output: str) -> str:
    """The test that failed; '' if none did."""
    if late:
        return f"no end within {SECONDS} s"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    if status in (1, 2) and failed:  # a test failed, or could not be imported
        return failed[1]
    if status < 0:
        return f"ended by signal {-status}"
    if status:
        raise SystemExit(f"the tests did not run:\n{output}")
    return ""


def reasons(folder: Path = REASONS) -> dict[tuple[str, str, str], str]:
    """(mechanism, where, change) of each fault that makes no difference -> why."""
    files = [tomllib.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.toml"))]
    entries = [entry for file in files for entry in file.get("survivor", [])]
    return {(e["mechanism"], e["where"], e["change"].strip()): e["reason"] for e in entries}


def report(
    results: dict[Mechanism, list[tuple[Fault, str]]], known: dict[tuple[str, str, str], str]
) -> bool:
    """Print the table and the survivors; whether all is well."""
    table = Table("mechanism", "faults", "caught", "survived", "of these unexplained", "caught by")
    survivors, total, caught = [], 0, 0
    for mechanism, tried in results.items():
        alive = [
            (fault, (mechanism.name, fault.where, fault.change)) for fault, by in tried if not by
        ]
        rooms = Counter(re.sub(r"^tests/(test_)?|(\.py)?::.*", "", by) for _, by in tried if by)
        total, caught = total + len(tried), caught + len(tried) - len(alive)
        table.add_row(
            mechanism.name, str(len(tried)), f"{1 - len(alive) / len(tried):.1%}", str(len(alive)),
            str(sum(entry not in known for _, entry in alive)),
            ", ".join(f"{room} {n}" for room, n in rooms.most_common()),
        )  # fmt: skip
        survivors += alive
    for fault, entry in survivors:
        place = f"{fault.path.relative_to(ROOT)}:{fault.line} {entry[0]} {fault.where}"
        CONSOLE.print(f"\n{place}\n{fault.change}", markup=False, highlight=False, soft_wrap=True)
        CONSOLE.print(known.get(entry, "NO REASON: add a test, or a reason"), markup=False)
    CONSOLE.print(table)
    names, unseen = {mechanism.name for mechanism in results}, {entry for _, entry in survivors}
    stale = [entry for entry in known if entry[0] in names and entry not in unseen]
    for name, where, change in stale:
        place = f"{REASONS.name}: {name} {where} is caught now, or no longer planted: delete it"
        CONSOLE.print(f"\n{place}\n{change}", markup=False, highlight=False)
    CONSOLE.print(f"{caught} of {total} faults caught: {caught / total:.1%} (wanted: {WANTED:.0%})")
    return caught / total >= WANTED and not stale and unseen <= set(known)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants")
    parser.add_argument("family", nargs="*", help="channel, dense, ...; all if none is named")
    parser.add_argument("--name", help="only this mechanism, by class name or alias")
    parser.add_argument("--trust", action="store_true", help="plant no fault that has a reason")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time")
    asked = parser.parse_args()
    try:
        chosen = mechanisms(asked.family, asked.name)
    except ValueError as error:
        parser.error(str(error))
    os.chdir(ROOT)
    known, results = reasons(), {}
    for mechanism in chosen:
        results[mechanism] = _tried(mechanism, known if asked.trust else {}, asked.jobs)
    return 0 if report(results, known) else 1


def _tried(
    mechanism: Mechanism, trusted: Container[tuple[str, str, str]], jobs: int
) -> list[tuple[Fault, str]]:
    """Each fault of a mechanism, with what caught it."""
    _warm_up(mechanism)
    planted, taken = list[Fault](), list[Fault]()
    for fault in faults(mechanism.path, mechanism.module):
        entry = (mechanism.name, fault.where, fault.change)
        (taken if entry in trusted else planted).append(fault)
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder, "clock.json")
        [(_, by)] = trials([None], mechanism.tests, clock)
        if by:
            run = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest -p pytest_timeout"
            raise SystemExit(f"{mechanism.name}: {by} fails without any fault; try {run}")
        running = trials(planted, mechanism.tests, clock, jobs)
        shown = track(running, f"{mechanism.name:26}", total=len(planted), console=CONSOLE)
        return [
            *((fault, by) for fault, by in shown if fault),
            *((fault, "") for fault in taken),
        ]


if __name__ == "__main__":
    sys.exit(main())
