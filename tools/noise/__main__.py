"""Prove that no compared output of a notebook hangs on rounding.

    python -m tools.noise [chapter ...] [--all]

Each notebook whose proof is missing or out of date runs under rounding noise, through nbval: once
as a whole, then its quick cells with eight other seeds.  No cell may fail, and none may print
another text than the notebook shows, not even in its layout.  The proof is then written into the
notebook: the key it was proven for.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from nbformat import NotebookNode

from tools.chapters import ROOT, chapters, notebook_of
from tools.execute import write

SEEDS = range(1, 9)
QUICK = 1.2  # seconds under noise: what takes longer runs once, and decides nothing here
ADVICE = """\
  What to do: show numbers by `numbers` of attention_lib.display, with decimals that rounding does
  not reach; or assert what the prose claims, and tag the cell nbval-ignore-output."""


class Report:
    """What pytest found of each cell, by the place it had in the notebook that ran."""

    def __init__(self, path: Path):
        cases = {
            int(case.get("name", "").removeprefix("Cell ")): case
            for case in ElementTree.parse(path).iter("testcase")
        }
        self.seconds = {place: float(case.get("time", 0)) for place, case in cases.items()}
        self.failures = {
            place: "".join(problem.text or "" for problem in case)
            for place, case in cases.items()
            if case.find("failure") is not None or case.find("error") is not None
        }


def run(cells: list[NotebookNode]) -> Report:
    """Run code cells in one kernel of this environment; nbval compares them, to the letter."""
    with tempfile.TemporaryDirectory() as folder:
        path, found = Path(folder, "notebook.ipynb"), Path(folder, "found.xml")
        own = [nbformat.from_dict(cell | {"id": f"cell-{n}"}) for n, cell in enumerate(cells)]
        nbformat.write(nbformat.v4.new_notebook(cells=own), path)
        command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider"]
        command += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", "--timeout=1800"]
        command += ["--nbval", "--nbval-current-env", "--nbval-kernel-startup-timeout=300"]
        command += [f"--junit-xml={found}", str(path)]
        kernels_import = {"PYTHONPATH": str(ROOT)}  # this checkout, though they lie elsewhere
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | kernels_import, capture_output=True, text=True
        )
        report = Report(found) if done.returncode in (0, 1) else None
    if not report or len(report.seconds) != len(cells):
        raise RuntimeError(f"nbval did not run all cells:\n{done.stdout}{done.stderr}")
    return report


def turn(seed: int | None) -> NotebookNode:
    """A cell that forgets all names and turns on the noise of a seed."""
    source = f"%reset -f\nfrom tools.noise import begin\n\nbegin({seed})\ndel begin"
    return nbformat.v4.new_code_cell(source, execution_count=1)


def trouble(notebook: NotebookNode) -> tuple[list[str], str]:
    """What rounding changes in a notebook, a text each; and how much was tried, in words."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    whole = run([turn(0), *code])  # so a cell's place is its number, from 1
    found = {number: (0, text) for number, text in whole.failures.items()}

    quick = [n for n in range(1, len(code) + 1) if whole.seconds[n] < QUICK and n not in found]
    plan = [(seed, number) for seed in (None, *SEEDS) for number in (0, *quick)]
    rounds = run([code[number - 1] if number else turn(seed) for seed, number in plan])
    failed = {plan[place]: text for place, text in rounds.failures.items()}
    # without the slow cells before them some fail, or draw other numbers, also without noise
    dependent = {number for seed, number in failed if seed is None}
    for (seed, number), text in failed.items():
        if number not in dependent:
            found.setdefault(number, (seed, text))
    tried = f"{len(code)} cells once, {len(quick) - len(dependent)} of them {len(SEEDS)} times more"
    return [
        f"code cell {number}, noise {seed}:\n{text.rstrip()}"
        for number, (seed, text) in sorted(found.items())
    ], tried


def proven(notebook: NotebookNode) -> bool:
    """Whether the proof in a notebook is one of what the notebook is now."""
    stamp = notebook.metadata.get("attention_book", {})
    return "key" in stamp and stamp.get("noise") == stamp["key"]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Prove what has no proof, or what is named; status 1 if rounding changes a notebook."""
    parser = argparse.ArgumentParser(prog="python -m tools.noise")
    parser.add_argument("chapters", nargs="*", metavar="chapter", help="its name; default: all")
    parser.add_argument("--all", action="store_true", help="prove again what is proven")
    given = parser.parse_args(arguments)
    known = {path.stem: notebook_of(path) for path in chapters(root)}
    if unknown := set(given.chapters) - known.keys():
        parser.error(f"no chapter {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    if missing := [n for n in given.chapters or known if not known[n].exists()]:
        parser.error(f"not executed yet: {', '.join(missing)}; type: make execute")
    failed = 0
    for name in given.chapters or known:
        notebook = nbformat.read(known[name], as_version=4)
        if proven(notebook) and not given.all:
            print(f"      {name}: proven", flush=True)
            continue
        found, tried = trouble(notebook)
        for text in found:
            print(f"{name}, {text}\n", flush=True)
        failed += len(found)
        print(f"      {name}: {tried}: {len(found)} changed by rounding", flush=True)
        if not found:
            notebook.metadata.attention_book.noise = notebook.metadata.attention_book.key
            write(notebook, known[name])
    if failed:
        sys.exit(f"error: {failed} cells hang on rounding\n{ADVICE}")


if __name__ == "__main__":
    main()
