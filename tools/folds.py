"""What the tags of a chapter's cells mean to readers: what is folded, and under which title.

A chapter says what a cell *is*. How that looks is written into the notebook's metadata: for the
site (MyST-NB's tags and prompts), JupyterLab (`jupyter`) and Colab (`cellView`, a first line).
"""

import re
from dataclasses import dataclass

from nbformat import NotebookNode


@dataclass(frozen=True)
class Fold:
    """How a cell of some kind is folded.

    Args:
        title: what stands on the closed fold; N is the number of the exercise.
        site: the tag that MyST-NB obeys.
        outputs: whether outputs are folded too. Where they are not, an error is seen at once.
        form: the title in Colab, where each cell has its own.
    """

    title: str
    site: str
    outputs: bool = False
    form: str = ""


FOLDS = {
    "parameters": Fold("Set-up", "hide-cell", form="Set-up: how much to compute"),
    "install": Fold("Set-up", "hide-cell", form="Set-up: installation"),
    "setup": Fold("Set-up", "hide-cell", outputs=True, form="Set-up: imports, and the machine"),
    "solution": Fold("Solution N", "hide-cell", outputs=True),
    "check": Fold("Check", "remove-cell"),
    "figure": Fold("Code of this figure", "hide-input"),
}
SETUP = ("parameters", "install", "setup")  # one fold on the site
TAGS = (*FOLDS, "nbval-ignore-output")  # all that a chapter may use
TITLE = "#@title "


def kind(cell: NotebookNode) -> str:
    """Which of the tags that fold a cell has, or none: ''."""
    return next((tag for tag in cell.metadata.get("tags", []) if tag in FOLDS), "")


def fold(notebook: NotebookNode) -> None:
    """Write into a notebook's cells what each front end is to fold."""
    number = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            number = [number, *re.findall(r"\*\*Exercise (\d+)\*\*", cell.source)][-1]
        elif how := FOLDS.get(kind(cell)):
            title = how.title.replace("N", number)
            if "plot." not in cell.source and "display." in cell.source:
                shown = "listing" if "display.source(" in cell.source else "table"
                title = title.replace("figure", shown)
            cell.source = f"{TITLE}{how.form or title}\n{cell.source}"
            cell.metadata.tags = [*dict.fromkeys([*cell.metadata.tags, how.site])]
            cell.metadata.setdefault("mystnb", {}).update(
                code_prompt_show=title, code_prompt_hide=title
            )
            cell.metadata.cellView = "form"
            cell.metadata.jupyter = NotebookNode(source_hidden=True)
            if how.outputs:
                cell.metadata.jupyter.outputs_hidden = cell.metadata.collapsed = True


def unfold(notebook: NotebookNode) -> None:
    """Open every fold of a notebook again; only metadata change."""
    sites = {how.site for how in FOLDS.values()}
    for cell in notebook.cells:
        if kind(cell):
            cell.metadata.tags = [tag for tag in cell.metadata.tags if tag not in sites]
            for name in ("cellView", "jupyter", "collapsed"):
                cell.metadata.pop(name, None)
