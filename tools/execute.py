"""Run the chapters whose notebooks are stale, and write `notebooks/<chapter>.ipynb`.

    python -m tools.execute [chapter ...] [--preset ci] [--device auto] [--seed 0] [--force]
                            [--timings]

A notebook is stale when its key no longer fits: a code cell, stored results, pinned tool chain or
parameters have changed. Prose is carried into it without a run. Of a notebook that runs again only
what changed is rewritten, see tools/keep.py; --timings rewrites pictures and tagged cells too. A
failing cell leaves the last good notebook as it was.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.alternatives import describe
from tools.chapters import (
    PARAMETERS,
    ROOT,
    addresses,
    as_notebook,
    cells,
    chapters,
    code_cells,
    is_stale,
    key,
    notebook_of,
    published,
)
from tools.keep import keep

CELL_SECONDS = 600  # a cell that takes longer hangs


class ChapterError(Exception):
    """A chapter that cannot be published, named with its cell."""


def execute(chapter: Path, root: Path = ROOT, **parameters: str | int) -> NotebookNode:
    """Run a chapter from top to bottom in an empty folder, and return it tidied and stamped.

    Raises:
        ChapterError: if a cell fails or warns; it names the chapter, the cell and the error.
    """
    import papermill  # slow, and not needed where every notebook is fresh
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    parameters = PARAMETERS | parameters
    notebook = as_notebook(chapter.read_text(encoding="utf-8"), addresses(root), **parameters)
    fresh, began = key(chapter, root, **parameters), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as empty:
        draft = f"{folder}/draft.ipynb"
        try:
            done = papermill.execute_notebook(
                notebook,
                draft,
                cwd=empty,
                progress_bar=dict(desc=f"      {chapter.stem}", unit=" cells", ncols=88),
                execution_timeout=CELL_SECONDS,
                extra_arguments=["--log-level=ERROR"],  # else the kernel advises on its transport
            )
        except papermill.PapermillExecutionError as error:
            what = f"{error.ename}: {error.evalue}"
            raise _failure(chapter, notebook, _stopped(draft), what) from error
        except (DeadKernelError, CellTimeoutError) as error:
            what = str(error).partition("\n")[0]
            raise _failure(chapter, notebook, _stopped(draft), what) from error
    for cell, wanted in zip(done.cells, notebook.cells, strict=True):
        cell.metadata = wanted.metadata  # papermill keeps a diary in it
        said = json.dumps(cell.get("outputs", [])).replace(f"{root}/", "")
        outputs = nbformat.from_dict(json.loads(said))
        for output in outputs:
            if output.get("name") == "stderr":
                what = f"wrote to stderr: {output.text.strip()}"
                raise _failure(chapter, notebook, cell.id, what)
        if cell.cell_type == "code":
            cell.outputs = outputs
    done.metadata = notebook.metadata
    done.metadata.attention_book = NotebookNode(
        key=fresh,
        preset=parameters["preset"],
        seconds=round(time.perf_counter() - began, 1),
        **_machine(),
    )
    return done


def write(notebook: NotebookNode, path: Path) -> None:
    """Put a notebook in place at once, so that a reader meets the old one or the new one."""
    describe(notebook)
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft")
    nbformat.write(notebook, draft)
    os.replace(draft, path)


def restamp(chapter: Path, root: Path = ROOT, **parameters: str | int) -> bool:
    """Carry what no run decides into a fresh notebook: prose, addresses, folds; true if changed."""
    notebook = published(chapter)
    wanted = as_notebook(chapter.read_text(encoding="utf-8"), addresses(root), **parameters)
    if notebook is None or cells(notebook) == cells(wanted):
        return False
    for new, old in zip(code_cells(wanted), code_cells(notebook), strict=True):
        new.outputs, new.execution_count = old.outputs, old.execution_count
    wanted.metadata = notebook.metadata
    write(wanted, notebook_of(chapter))
    return True


def _machine() -> dict[str, str]:
    """Where and when, as readers are told."""
    import torch

    from attention_lib.measure.store import provenance

    facts = provenance("cuda" if torch.cuda.is_available() else "cpu")
    told = {name: str(fact) for name, fact in facts.items()}
    gpu = f", {told['gpu']}" if "gpu" in told else ""
    return dict(
        machine=f"{told['processor']}, {told['cores']} cores{gpu}",
        date=told["date"][:10],
        python=told["python"],
        torch=told["torch"].partition("+")[0],
    )


def _stopped(draft: str) -> str:
    """The id of the cell papermill was at when the run ended."""
    found = nbformat.read(draft, as_version=4).cells
    begun = [cell.id for cell in found if cell.metadata.get("papermill", {}).get("end_time")]
    return begun[-1]


def _failure(chapter: Path, notebook: NotebookNode, name: str, what: str) -> ChapterError:
    code = enumerate(code_cells(notebook), start=1)
    number, source = next((n, cell.source) for n, cell in code if cell.id == name)
    first = re.sub(r"^#@title.*\n", "", source).partition("\n")[0]
    return ChapterError(f"{chapter.name}, code cell {number} ({first}): {what}")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Run what is stale, or what is named; stop with status 1 at the first chapter that fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.execute")
    parser.add_argument("chapters", nargs="*", metavar="chapter", help="its name; default: all")
    parser.add_argument("--preset", default="ci", choices=["ci", "laptop", "t4", "big"])
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--seed", default=0, type=int)
    parser.add_argument("--force", action="store_true", help="run fresh ones too")
    parser.add_argument(
        "--timings", action="store_true", help="write again what no test compares: times, pictures"
    )
    parameters = vars(parser.parse_args(arguments))
    names, force = parameters.pop("chapters"), parameters.pop("force")
    timings = parameters.pop("timings")

    known = {path.stem: path for path in chapters(root)}
    if unknown := set(names) - known.keys():
        parser.error(f"no chapter {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    for number, name in enumerate(names or known, start=1):
        chapter, said = known[name], f"      chapter {number}/{len(names or known)}, {name}:"
        if force or is_stale(chapter, root, **parameters):
            print(said, "running", flush=True)
            try:
                notebook = execute(chapter, root, **parameters)
            except ChapterError as error:
                sys.exit(f"error: {error}")
            seconds = notebook.metadata.attention_book.seconds
            stored = published(chapter) or nbformat.v4.new_notebook()
            changed = keep(notebook, stored, timings)
            write(notebook, notebook_of(chapter))
            print(said, f"ran in {seconds} s, {changed} outputs changed", flush=True)
        else:
            moved = restamp(chapter, root, **parameters)
            print(said, "fresh, new prose or addresses written" if moved else "fresh", flush=True)


if __name__ == "__main__":
    main()
