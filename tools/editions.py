"""Write the editions of chapters, each a notebook from the same source, into `dist/editions`.

    python -m tools.editions [chapter ...]

published    as it is committed: its solutions are folded
teacher      the same, opened: metadata alone differ
student      the whole chapter without the solutions
assignment   the exercises alone, with what they need, and without outputs
"""

import argparse
import re
import sys
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools.chapters import ROOT, chapters, published, site
from tools.execute import write
from tools.folds import SETUP, kind, unfold
from tools.used import changed, defined, needed

FOLDED_SOLUTION = r"(?s)<details><summary>Solution \d+</summary>.*?</details>\n*"


def teacher(notebook: NotebookNode, address: str) -> NotebookNode:
    """The published notebook with every fold open."""
    opened = deepcopy(notebook)
    unfold(opened)
    return opened


def student(notebook: NotebookNode, address: str) -> NotebookNode:
    """The published notebook without its solutions, and without the checks that follow them."""
    asked = deepcopy(notebook)
    asked.cells, gone = [], False
    for cell in deepcopy(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = re.sub(FOLDED_SOLUTION, "", cell.source).strip()
            asked.cells += [cell] if cell.source else []
        else:
            gone = kind(cell) == "solution" or (gone and kind(cell) == "check")
            asked.cells += [] if gone else [cell]
    return asked


def assignment(notebook: NotebookNode, address: str) -> NotebookNode:
    """The exercises of a chapter, and above them the cells that they and their solutions need.

    Args:
        notebook: the published one.
        address: of the chapter's page.

    Raises:
        ValueError: if the chapter has no exercises.
    """
    parts = _parts(notebook)
    titles = [part[0].source.partition("\n")[0] for part in parts]
    if "## Exercises" not in titles:
        raise ValueError("there is no heading '## Exercises'")
    place = titles.index("## Exercises")
    code = [cell for part in parts[:place] for cell in part if cell.cell_type == "code"]
    set_up = [cell for cell in code if kind(cell) in SETUP]
    taken = _needed_from([cell for cell in code if cell not in set_up], parts[place])
    says = f"The exercises of [a chapter]({address}), which explains what they ask."
    heading = "## From the chapter\n\nThe exercises use what is computed here."
    asked = deepcopy(notebook)
    asked.cells = [
        new_markdown_cell(f"{titles[0]}\n\n{says}", id="exercises"),
        *set_up,
        *([new_markdown_cell(heading, id="from-the-chapter"), *taken] if taken else []),
        *parts[place],
    ]
    asked = student(asked, address)
    asked.metadata.pop("attention_book", None)  # it says where outputs come from
    for cell in asked.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return asked


EDITIONS = {
    "published": lambda notebook, address: notebook,
    "teacher": teacher,
    "student": student,
    "assignment": assignment,
}


def _parts(notebook: NotebookNode) -> list[list[NotebookNode]]:
    """The cells of a notebook by heading, cut where a heading stands inside one."""
    parts: list[list[NotebookNode]] = [[]]
    for cell in notebook.cells:
        is_text = cell.cell_type == "markdown"
        cut = re.split(r"(?m)^(?=## )", cell.source) if is_text else [cell.source]
        for number, source in enumerate(filter(None, cut)):
            if is_text and source.startswith("## "):
                parts.append([])
            name = f"{cell.id}-{number}" if number else cell.id
            parts[-1].append(NotebookNode(cell | {"source": source.strip(), "id": name}))
    return parts


def _needed_from(code: list[NotebookNode], exercises: list[NotebookNode]) -> list[NotebookNode]:
    """The cells of `code` that define what the exercises' cells use, and what those use in turn."""
    wanted: set[str] = set()
    for cell in reversed(exercises):
        if cell.cell_type == "code":
            wanted = (wanted - defined(cell.source)) | needed(cell.source)
    makes = [defined(cell.source) for cell in code]
    changes = [changed(cell.source) for cell in code]
    taken: set[int] = set()
    asked = [(name, len(code)) for name in wanted]
    while asked:
        name, place = asked.pop()
        makers = [n for n, names in enumerate(makes) if name in names]
        before = [n for n in makers if n < place]
        for maker in before[-1:] or makers[:1]:  # a function may use what is defined below it
            changers = [n for n in range(maker, len(code)) if name in changes[n]]
            for n in {maker, *changers} - taken:
                taken.add(n)
                asked += [(other, n) for other in needed(code[n].source)]
    return [code[n] for n in sorted(taken)]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Write all editions of all chapters, or of those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tools.editions")
    parser.add_argument("chapters", nargs="*", metavar="chapter", help="its name; default: all")
    known = {path.stem: path for path in chapters(root)}
    names = parser.parse_args(arguments).chapters or [*known]
    if unknown := {*names} - known.keys():
        parser.error(f"no chapter {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    for name in names:
        notebook = published(known[name])
        if notebook is None:
            sys.exit(f"error: {name} is not executed yet; type: make execute CHAPTER={name}")
        for edition, make in EDITIONS.items():
            path = root / f"dist/editions/{edition}/{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(make(notebook, f"{site(root)}/notebooks/{name}.html"), path)
    print(f"{len(names) * len(EDITIONS)} notebooks in dist/editions")


if __name__ == "__main__":
    main()
