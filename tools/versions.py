"""Test the library with the versions of `tests/versions.txt`: oldest, Colab's, newest.

    python -m tools.versions [row ...] [--python 3.12] [--only notebook]

Each row gets an environment of its own in `.venv/versions`, kept from run to run, with the library
as a wheel.  In it run the contract (without ONNX), the references, and one notebook alone in an
empty folder; with Colab's versions, all notebooks.  All is done on the CPU: torch is installed
without CUDA, see `tools.stand_ins`.  Needs nothing but Python, and on Linux gcc and binutils.

A row whose Python, programs or torch this machine does not have prints `NOT RUN: <row>: <why>`.
Exit status 0: nothing failed, and all rows that were named ran; without names, floor and newest.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tools import stand_ins

ROOT = Path(__file__).parent.parent
ROWS = ROOT / "tests/versions.txt"
REQUIRED = ("floor", "newest")
TESTS = ("tests/test_contract.py", "tests/test_references.py")
NOTEBOOKS = ROOT / "notebooks"
SHORTEST = "start"  # which every row runs; Colab's runs all, since they are opened there
COLAB = "colab"
PARTS = ("tests", "notebook")


class RowError(ValueError):
    """A line of versions.txt that is no row, named with its number."""


class NotRun(Exception):
    """This machine does not have what a row asks for."""


class Failed(Exception):
    """A row was tried, and something in it went wrong."""


@dataclass(frozen=True)
class Row:
    name: str
    python: str  # "3.11"
    torch: str  # a requirement: "torch==2.6.0", or "torch" for the newest
    pins: tuple[str, ...]


def parse(text: str) -> list[Row]:
    """The rows of versions.txt.

    Raises:
        RowError: with the number of the line and what is wrong in it.
    """
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        problem = _problem(words, [row.name for row in rows])
        if problem:
            raise RowError(f"line {number}: {problem}: {line}")
        name, python, torch, *pins = words
        rows.append(Row(name, python, torch, tuple(pins)))
    if missing := [name for name in REQUIRED if name not in [row.name for row in rows]]:
        raise RowError(f"there is no row {' and no row '.join(missing)}")
    return rows


def _problem(words: list[str], known: list[str]) -> str:
    if len(words) < 3:
        return "a row is a name, a Python and a torch"
    name, python, torch, *pins = words
    if not re.fullmatch(r"[a-z]+", name):
        return f"the name {name!r} is not made of small letters"
    if name in known:
        return f"there are two rows {name}"
    if not re.fullmatch(r"3\.\d+", python):
        return f"{python!r} is no Python such as 3.11"
    if not re.fullmatch(r"torch(==[\d.]+)?", torch):
        return f"{torch!r} is neither 'torch' nor a version such as torch==2.6.0"
    for pin in pins:
        if not re.fullmatch(r"[\w.-]+==[\w.]+(;\S+)?", pin):
            return f"{pin!r} is no pin such as numpy==2.1.3"
    return ""


def find_python(version: str) -> Path:
    """An interpreter of this version: on the PATH, or one that pyenv keeps.

    Raises:
        NotRun: if there is none.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = shutil.which(f"python{version}")
    for program in [Path(found), *kept] if found else kept:
        done = subprocess.run([program, "-c", ask], capture_output=True, text=True)
        if done.stdout.strip() == version:  # pyenv's name for a version may lead nowhere
            return program
    raise NotRun(f"there is no Python {version} here, neither python{version} nor one of pyenv")


def install(row: Row) -> Path:
    """The interpreter of the row's environment, with torch, the library and what tests need.

    Raises:
        NotRun: if this machine does not have the row's Python, the programs, or its torch.
        Failed: if the rest cannot be installed beside them.
    """
    linux = sys.platform == "linux"  # elsewhere pip finds wheels for the CPU
    if linux and (missing := stand_ins.missing_programs()):
        raise NotRun(f"{' and '.join(missing)} missing; type: sudo apt-get install gcc binutils")
    folder = ROOT / ".venv/versions" / f"{row.name}-{row.python}"
    python = folder / "bin/python"
    if not python.exists():
        _say(row, f"making {folder.relative_to(ROOT)}")
        _run([find_python(row.python), "-m", "venv", folder], Failed)
    _say(row, f"installing {row.torch}")
    _run([*_pip(python), "--no-deps", "--upgrade", row.torch], NotRun)
    if linux:
        (packages,) = folder.glob("lib/python*/site-packages")
        stand_ins.without_cuda(packages)
    _say(row, "installing the library's wheel, and what its tests need")
    pinned = re.findall(r"^pytest(?:-\w+)?==.*", (ROOT / "constraints.txt").read_text(), re.M)
    newest = ("--upgrade", "--upgrade-strategy", "eager")  # of all that is not pinned
    wanted = [row.torch, *row.pins, f"{ROOT}[plot]", "ipykernel", "nbclient", *pinned]
    _run([*_pip(python), *newest, *wanted], Failed)
    _run([*_pip(python), "--no-deps", "-r", ROOT / "book/weights.txt"], Failed)
    return python


def versions(python: Path) -> str:
    """What the environment really holds, in one line."""
    ask = (
        "import importlib.metadata as m, json, platform, torch\n"
        "names = ('numpy', 'einops', 'jaxtyping', 'matplotlib', 'ipykernel', 'nbclient')\n"
        "print(f'Python {platform.python_version()}, torch {torch.__version__},',"
        " ', '.join(f'{name} {m.version(name)}' for name in names))"
    )
    return _run([python, "-I", "-c", ask], Failed).strip()


def run_tests(python: Path) -> str:
    """Contract without ONNX, and references: how many tests passed.

    Raises:
        Failed: if one did not, or none ran.
    """
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        options = ["-q", "-m", "not slow", f"--junitxml={report}", "-p", "no:cacheprovider"]
        # else pytest reads through torch's compiler for minutes to show a failure
        options += ["--tb=native", "--show-capture=no"]
        options += ["--noconftest"]  # its budget and its proofs are those of the pinned versions
        command = [str(python), "-m", "pytest", *options, *TESTS]
        one = {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=_environment() | one)
        if not report.exists():
            raise Failed(f"pytest ended with status {done.returncode} before any test")
        suite = next(ElementTree.parse(report).iter("testsuite")).attrib
    others = {key: int(suite[key]) for key in ("failures", "errors", "skipped")}
    told = f"{int(suite['tests']) - sum(others.values())} tests passed"
    if done.returncode or any(others.values()):
        raise Failed(", ".join([told, *(f"{number} {key}" for key, number in others.items())]))
    return told


def run_notebook(python: Path, notebook: Path) -> str:
    """The notebook runs in an empty folder, against the wheel.

    Raises:
        Failed: with the first error of a cell.
    """
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, notebook.name)
        copy.write_bytes(notebook.read_bytes())
        command = [python.parent / "jupyter-execute", "--inplace", "--timeout=600", copy.name]
        _run(command, Failed, cwd=place)
        cells = [c for c in json.loads(copy.read_text("utf-8"))["cells"] if "outputs" in c]
    return f"{notebook.name}: {len(cells)} cells ran alone"


def prove(row: Row, parts: tuple[str, ...]) -> None:
    """Install a row and run its parts; what came of it is printed.

    Raises:
        NotRun, Failed: as said above.
    """
    python = install(row)
    _say(row, versions(python))
    which = "*" if row.name == COLAB else SHORTEST
    runs: list[Callable[[], str]] = [partial(run_tests, python)] if "tests" in parts else []
    if "notebook" in parts:
        found = sorted(NOTEBOOKS.glob(f"{which}.ipynb"))
        runs += [partial(run_notebook, python, notebook) for notebook in found]
    problems = []
    for run in runs:
        began = _cpu_seconds()
        try:
            told = run()
        except Failed as failed:
            told = f"FAILED: {failed}"
            problems.append(str(failed))
        _say(row, f"{told} ({_cpu_seconds() - began:.0f} s of processor time)")
    if problems:
        raise Failed("; ".join(problem.partition("\n")[0] for problem in problems))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.versions", description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help="names of rows; without, all")
    parser.add_argument("--python", help="another Python than the row's, such as 3.12")
    parser.add_argument("--only", choices=PARTS, help="one part of the tests")
    asked = parser.parse_args(arguments)
    known = {row.name: row for row in parse(ROWS.read_text("utf-8"))}
    if strange := [name for name in asked.rows if name not in known]:
        parser.error(f"there is no row {strange[0]}; there are {', '.join(known)}")
    verdicts: dict[str, str] = {}
    for name in asked.rows or known:
        row = replace(known[name], python=asked.python or known[name].python)
        try:
            prove(row, (asked.only,) if asked.only else PARTS)
            verdicts[name] = "passed"
        except Failed as failed:
            verdicts[name] = f"FAILED: {failed}"
        except NotRun as reason:
            verdicts[name] = "not run"
            print(f"NOT RUN: {name}: {reason}", flush=True)
    for name, verdict in verdicts.items():
        print(f"{name:8} {verdict}")
    return status(verdicts, asked.rows or REQUIRED)


def status(verdicts: dict[str, str], required: Iterable[str]) -> int:
    """0 where no row failed and each that is required passed."""
    failed = any(verdict.startswith("FAILED") for verdict in verdicts.values())
    return int(failed or any(verdicts.get(name) != "passed" for name in required))


def _pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input", "install"]


def _run(command: list, error: type[Exception], cwd: Path | str = ROOT) -> str:
    """What a command prints; where it fails, the last error that it named is raised."""
    done = subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no word of why"]
        named = [line for line in said if re.search(r"error", line, re.I)] or said
        raise error(f"{Path(command[0]).name} ... {command[-1]}: {named[-1]}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Ours, without what would lead an interpreter into another environment."""
    lead = ("PYTHON", "PYTEST", "VIRTUAL")
    return {key: value for key, value in os.environ.items() if not key.startswith(lead)}


def _cpu_seconds() -> float:
    """That the processes started here took, so far."""
    now = os.times()
    return now.children_user + now.children_system


def _say(row: Row, what: str) -> None:
    print(f"[{row.name}, Python {row.python}] {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
