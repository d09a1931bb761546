"""Prove that no compared output of a notebook hangs on rounding.

    python -m tools.noise [chapter ...] [--all]

Each notebook whose proof is missing or out of date runs under rounding noise, through nbval: once
as a whole, then its quick cells with eight other seeds.  No cell may fail, and none may print
another text than the notebook shows, not even in its layout.  The proof is then written into the
notebook: the key it was proven for.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from nbformat import NotebookNode

from tools.alone import nbval
from tools.chapters import ROOT, chapters, code_cells, notebook_of
from tools.execute import write
from tools.outputs import RULES, drawings_only

SEEDS = range(1, 9)
QUICK = 1.2  # seconds of processor time under noise: what takes longer runs once
FOUND, SECONDS = "found.xml", "seconds.txt"  # what a run leaves for its report
ADVICE = """\
  What to do: show numbers by `numbers` of attention_lib.teaching.display, with decimals that
  rounding does not reach; or assert what the prose claims, and tag the cell nbval-ignore-output."""


class Report:
    """What was found of each cell, by its place: why it failed, and its processor time."""

    def __init__(self, folder: Path):
        cases = list(ElementTree.parse(folder / FOUND).iter("testcase"))
        self.failures = {
            int(case.get("name", "").removeprefix("Cell ")): _told(case)
            for case in cases
            if case.find("failure") is not None or case.find("error") is not None
        }
        self.seconds = [float(line) for line in (folder / SECONDS).read_text().split()]
        if not len(cases) == len(self.seconds):
            raise RuntimeError(f"{len(cases)} cells were tested, and {len(self.seconds)} ran")


def _told(case: ElementTree.Element) -> str:
    """Why a cell failed, without its place: that is another one than in the chapter."""
    text = "".join(problem.text or "" for problem in case)
    return re.sub(r"^Notebook cell execution failed\nCell \d+: ", "", text).rstrip()


def run(cells: list[NotebookNode], by_value: bool = False) -> Report:
    """Run code cells in one kernel of this environment; nbval compares them, to the letter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "notebook.ipynb")
        own = [nbformat.from_dict(cell | {"id": f"cell-{n}"}) for n, cell in enumerate(cells)]
        nbformat.write(nbformat.v4.new_notebook(cells=own), path)
        command = [*nbval(Path(folder), "--nbval-current-env"), "--color=no"]
        rules = RULES if by_value else drawings_only(Path(folder))
        command += [f"--nbval-sanitize-with={rules}"]
        command += [f"--junit-xml={Path(folder, FOUND)}", str(path)]
        kernels_import = {"PYTHONPATH": str(ROOT)}  # this checkout, though they lie elsewhere
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | kernels_import, capture_output=True, text=True
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"nbval did not run the cells:\n{done.stdout}{done.stderr}")
        return Report(Path(folder))


def turn(seed: int | None) -> NotebookNode:
    """A cell that forgets all names and turns on the noise of a seed."""
    source = f"%reset -f\nfrom tools import noise\n\nnoise.begin({seed}, {SECONDS!r})\ndel noise"
    return nbformat.v4.new_code_cell(source, execution_count=1)


def trouble(notebook: NotebookNode) -> tuple[list[str], str]:
    """What rounding changes in a notebook, a text each; and how much was tried, in words."""
    code = code_cells(notebook)
    whole = run([turn(0), *code])  # so a cell's place is its number, from 1
    found = {number: (0, text) for number, text in whole.failures.items()}

    quick = [n for n in range(1, len(code) + 1) if whole.seconds[n] < QUICK and n not in found]
    plain = run([turn(None), *(code[n - 1] for n in quick)], by_value=True)
    # without the slow cells before them some fail, or draw other numbers, with noise or not
    sound = {n for place, n in enumerate(quick, start=1) if place not in plain.failures}
    plan = [(seed, number) for seed in SEEDS for number in (0, *quick)]
    rounds = run([code[number - 1] if number else turn(seed) for seed, number in plan])
    for place, text in sorted(rounds.failures.items()):
        seed, number = plan[place]
        if number in sound:
            found.setdefault(number, (seed, text))
    tried = f"{len(code)} cells once, {len(sound)} of them {len(SEEDS)} times more"
    return [
        f"code cell {number}, noise {seed}: {text}"
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
