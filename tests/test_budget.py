"""The budget of the tests' time is held to; what a test takes is told here, not measured."""

import json
import os
import subprocess
import sys

import pytest

from tests.support import budget

pytest_plugins = ["pytester"]
TESTS = """
import pytest
from attention_lib.catalog import find
@pytest.mark.parametrize("card", [find("se"), find("simam")], ids=str)
def test_contract(card):
    pass
def test_other():
    pass
"""
FIGURES = {"seconds": 10.0, "mechanisms": 8.0, "chapters": 0.0}


@pytest.fixture
def run(pytester, monkeypatch, capsys):
    """Run three tests that take so many CPU seconds each: the exit status, and what is said."""
    clock = [0.0]
    monkeypatch.setattr(budget, "cpu", lambda: clock[0])
    monkeypatch.setattr(budget, "workload", lambda: clock[-1])
    pytester.makepyfile(test_it=TESTS)

    class Clock:
        def pytest_runtest_call(self, item):
            clock[0] += self.each

    def ran(each, *arguments, files=None, each_test=None, slowness=1.0):
        clock[1:], Clock.each = [0.5 * slowness], each
        known = {"workload": 0.5, "files": files or {}, "each test": each_test or {}}
        (pytester.path / "budget.json").write_text(json.dumps(known))
        plugin = budget.Budget(pytester.path / "budget.json", pytester.path / "spent.json")
        capsys.readouterr()
        status = pytester.inline_run("-q", *arguments, plugins=[plugin, Clock()]).ret
        return int(status), capsys.readouterr().out

    return ran


def test_a_file_may_take_a_little_more_than_its_budget_but_not_twice(run):
    files = {"test_it.py": FIGURES}
    assert run(6.6, files=files)[0] == 0
    status, said = run(6.7, files=files)
    assert status == 1 and "TOO LONG: test_it.py took 20.1 s, its budget is 10.0 s" in said


def test_a_slower_processor_is_given_its_time(run):
    files = {"test_it.py": FIGURES}
    assert run(9.9, files=files, slowness=1.5)[0] == 0
    assert run(10.1, files=files, slowness=1.5)[0] == 1


def test_a_few_seconds_are_never_too_long(run):
    files = {"test_it.py": FIGURES | {"seconds": 0.1}}
    assert run(1.6, files=files)[0] == 0
    assert run(1.7, files=files)[0] == 1


def test_a_part_of_a_file_is_not_judged(run):
    status, said = run(30, "-k", "other", files={"test_it.py": FIGURES})
    assert status == 0 and "not all of its tests" in said


def test_one_test_may_not_take_twice_what_each_may(run):
    assert run(5.9, each_test={"test_it.py": 3})[0] == 0
    status, said = run(6.1, "-k", "contract", each_test={"test_it.py": 3})
    assert status == 1 and "took 6.1 s, a test may take 3 s" in said


def test_a_file_without_a_budget_is_named(run):
    status, said = run(30)
    assert status == 0 and "without a budget" in said and "test_it.py (no budget)" in said


def test_seconds_are_told_by_mechanism(run):
    assert "3.0  mean of 2 mechanisms; 3.0 for " in run(3)[1]


def test_what_a_whole_file_took_is_noted(run, pytester):
    run(4, slowness=2.0)
    noted = json.loads((pytester.path / "spent.json").read_text())
    assert noted["files"] == {"test_it.py": {"seconds": 6.0, "mechanisms": 4.0, "chapters": 0.0}}
    assert noted["workload"] == 0.5


def test_what_a_book_of_its_final_size_takes(monkeypatch):
    monkeypatch.setattr(budget, "NUMBERS", {"mechanisms": (4, 100), "chapters": (2, 18)})
    said = budget.projection({"files": {"a": FIGURES}}, "chapters 20\nrest 3")
    assert said.startswith("33 CPU seconds now; 5 s + 100 mechanisms at 2.0 s + 18 chapters at")
    assert "10.0 s = 385 s, 3 minutes on 2 idle cores" in said


def test_processes_that_still_run_are_counted():
    """As long as a child works, its seconds are among ours; a program that waits has none."""
    work = "while True: sum(range(10**6))"
    with subprocess.Popen([sys.executable, "-c", work]) as child:
        before = budget._running(os.getpid())
        while budget._running(os.getpid()) < before + 0.1:
            pass
        child.kill()
