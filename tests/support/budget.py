"""What the tests take: CPU seconds by file, mechanism and chapter, beside those of budget.json.

A run prints them. It fails when a file all of whose tests were run took twice its figure. Counted
is what this process and all that it started computed, so other programs have little influence. A
fixed piece of work is timed in the same run: a processor that needs 1.5 times as long for it may
need 1.5 times as long for the tests.

    python -m tests.support.budget          what the last runs come to, also for the whole book
    python -m tests.support.budget --write  make the last runs the budget
"""

import json
import os
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch

from attention_lib.cards.card import Card
from attention_lib.catalog import catalog
from tools.chapters import ROOT, chapters

BUDGET = ROOT / "tests/budget.json"
RECORD = ROOT / ".pytest_cache/spent.json"  # what whole files took, in the budget's seconds
PARTS = ROOT / ".pytest_cache/parts"  # what else `make test` ran: kind and seconds, a line each
FACTOR, FLOOR = 2, 5.0  # fails above twice the figure, but never below these seconds
MECHANISMS, CHAPTERS, CORES, MINUTES = 100, 18, 2, 40  # the book that the tests are to bear


def cpu() -> float:
    """CPU seconds so far of this process and of all that it started; on Linux also of those that
    still run, such as a browser."""
    return sum(os.times()[:4]) + _running(os.getpid())


def _running(process: int) -> float:
    seconds = 0.0
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                ticks = sum(map(int, fields[11:15]))  # its own, and of its children that ended
                seconds += ticks / os.sysconf("SC_CLK_TCK") + _running(child)
        except (FileNotFoundError, ProcessLookupError):  # it ended just now: os.times has it
            continue
    return seconds


def workload() -> float:
    """CPU seconds of a fixed piece of work, of the kinds that tests do."""
    began = time.process_time()
    x = torch.full((64, 64), 0.01)
    for _ in range(4000):
        x = torch.tanh(x @ x) + 0.01
    sum(number * number % 7 for number in range(1_500_000))
    return time.process_time() - began


@cache
def mechanisms() -> dict[str, str]:
    """The class of each mechanism, by the stem of its file."""
    return {card.mechanism.__module__.rpartition(".")[2]: str(card) for card in catalog()}


def about(item: pytest.Item) -> tuple[str, str]:
    """The kind and the name of what a test is about: a mechanism, a chapter, or the rest."""
    names = mechanisms()
    if name := names.get(item.path.stem.removeprefix("test_")):
        return "mechanisms", name
    for value in getattr(item, "callspec", item).__dict__.get("params", {}).values():
        path = Path(str(value))
        if isinstance(value, Card) or path.stem in names.values():
            return "mechanisms", path.stem
        if path.parent.name in ("chapters", "notebooks"):
            return "chapters", path.stem
    return "rest", ""


def label(item: pytest.Item) -> str:
    """The file of a test; those that are run alone have a figure of their own."""
    alone = ", alone" if item.get_closest_marker("alone") else ""
    return item.path.relative_to(item.config.rootpath).as_posix() + alone


class Budget:
    """A pytest plugin; every process of pytest-xdist has one, and the first one adds them up."""

    def __init__(self, budget: Path = BUDGET, record: Path = RECORD) -> None:
        self.budget = json.loads(budget.read_text()) if budget.exists() else {}
        self.record = record
        self.collected, self.done, self.spent = Counter(), Counter(), Counter()
        self.slowest: dict[str, tuple[float, str]] = {}
        self.speeds: list[float] = []
        self.faults: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.collected.update(map(label, items))  # before any is left out

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item):
        began = cpu()
        result = yield
        seconds, file = max(cpu() - began, 0.0), label(item)
        self.done[file] += 1
        self.spent[(file, *about(item))] += seconds
        self.slowest[file] = max(self.slowest.get(file, (0.0, "")), (seconds, item.name))
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error) -> None:
        theirs = getattr(node, "workeroutput", {}).get("budget")
        if theirs is None:
            return  # it crashed, which fails the run
        self.collected |= Counter(theirs["collected"])
        self.done += Counter(theirs["done"])
        self.spent += Counter({tuple(key): seconds for *key, seconds in theirs["spent"]})
        for file, slow in theirs["slowest"].items():
            self.slowest[file] = max(self.slowest.get(file, (0.0, "")), tuple(slow))
        self.speeds += theirs["speeds"]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.done and not self.speeds:
            self.speeds.append(workload())
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["budget"] = {
                "collected": dict(self.collected),
                "done": dict(self.done),
                "spent": [(*key, seconds) for key, seconds in self.spent.items()],
                "slowest": self.slowest,
                "speeds": self.speeds,
            }
        elif self.speeds:
            self.faults = self.judge()
            if self.faults and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def slowness(self) -> float:
        """How many times as long as the budget's processor this one needs."""
        here = sum(self.speeds) / len(self.speeds)
        return here / self.budget.get("workload", here)

    def seconds(self, kind: str = "", file: str = "") -> Counter:
        """CPU seconds as of the budget's processor, by name of that kind, or by file."""
        found: Counter = Counter()
        for (where, what, name), seconds in self.spent.items():
            if file in ("", where) and kind in ("", what):
                found[name if kind else where] += seconds / self.slowness
        return found

    def judge(self) -> list[str]:
        """What took too long; what whole files took is noted for the next budget."""
        figures, each = self.budget.get("files", {}), self.budget.get("each test", {})
        known = json.loads(self.record.read_text()) if self.record.exists() else {}
        known |= {"workload": sum(self.speeds) / len(self.speeds) / self.slowness}
        wrong, noted = [], known.setdefault("files", {})
        for file, seconds in self.seconds().items():
            slow, name = self.slowest[file]
            if file in each and (slow := slow / self.slowness) > max(FACTOR * each[file], FLOOR):
                wrong.append(f"{file}: {name} took {slow:.1f} s, a test may take {each[file]} s")
            if self.done[file] < self.collected[file]:
                continue
            kinds = {kind: sum(self.seconds(kind, file).values()) for kind in NUMBERS}
            noted[file] = {"seconds": seconds, **kinds}
            figure = figures.get(file, {}).get("seconds", seconds)
            if seconds > max(FACTOR * figure, FLOOR):
                wrong.append(f"{file} took {seconds:.1f} s, its budget is {figure:.1f} s")
        self.record.parent.mkdir(exist_ok=True)
        self.record.write_text(json.dumps(known))
        return wrong

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if not self.speeds:
            return
        say, figures = terminalreporter.write_line, self.budget.get("files", {})
        terminalreporter.section(f"CPU seconds, this machine's divided by {self.slowness:.2f}")
        for file, seconds in self.seconds().most_common(10):
            known = f"budget {figures[file]['seconds']:.1f}" if file in figures else "no budget"
            partly = "" if self.done[file] == self.collected[file] else ", not all of its tests"
            say(f"{seconds:8.1f}  {file} ({known}{partly})")
        for kind in NUMBERS:
            if found := self.seconds(kind):
                (most, largest), *_ = found.most_common(1)
                mean = sum(found.values()) / len(found)
                say(f"{mean:8.1f}  mean of {len(found)} {kind}; {largest:.1f} for {most}")
        if unknown := sorted(self.seconds().keys() - figures.keys()):
            say(f"without a budget (python -m tests.support.budget --write): {', '.join(unknown)}")
        for fault in self.faults:
            say(f"TOO LONG: {fault}", red=True)


NUMBERS = {"mechanisms": (len(catalog()), MECHANISMS), "chapters": (len(chapters()), CHAPTERS)}


def projection(known: dict, parts: str = "") -> str:
    """What the tests come to for a book of its final size.

    Args:
        known: what files took, as budget.json holds it.
        parts: a line for each other part: what it grows with, CPU seconds.
    """
    took, each = 0.0, Counter()
    for file in known["files"].values():
        took += file["seconds"]
        each.update({kind: file[kind] for kind in NUMBERS})
    for kind, seconds in map(str.split, parts.splitlines()):
        took += float(seconds)
        each[kind] += float(seconds)
    rest = took - sum(each[kind] for kind in NUMBERS)
    total, said = rest, [f"{rest:.0f} s"]
    for kind, (now, then) in NUMBERS.items():
        total += each[kind] / now * then
        said.append(f"{then} {kind} at {each[kind] / now:.1f} s")
    minutes = total / 60 / CORES
    return (
        f"{took:.0f} CPU seconds now; {' + '.join(said)} = {total:.0f} s,"
        f" {minutes:.0f} minutes on {CORES} idle cores; at most {MINUTES} are wanted"
    )


def main() -> None:
    known = json.loads(RECORD.read_text())
    if "--write" in sys.argv:
        old = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
        files = {**old.get("files", {}), **known["files"]}
        known["files"] = {
            file: {kind: round(seconds, 1) for kind, seconds in files[file].items()}
            for file in sorted(files)
            if (ROOT / file.removesuffix(", alone")).exists()
        }
        new = {"workload": round(known["workload"], 3), "each test": old.get("each test", {})}
        BUDGET.write_text(json.dumps(new | {"files": known["files"]}, indent=1) + "\n")
    print(projection(known, PARTS.read_text() if PARTS.exists() else ""))


if __name__ == "__main__":
    main()
