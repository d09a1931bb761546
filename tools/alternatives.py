"""What a figure shows, in words, goes into the figure: so every front end has it.

A chapter says it in the metadata of the cell, `:mystnb: {"image": {"alt": "..."}}`.
"""

import re
from html import escape

from nbformat import NotebookNode

ALTERNATIVE = re.compile(r'(?<=<img alt=")[^"]*(?=" src="data:image/svg)')


def alternative(cell: NotebookNode) -> str:
    """What is to be seen in the figures of a cell, as its chapter says."""
    return str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")).strip()


def describe(notebook: NotebookNode) -> None:
    """Write into each figure of a notebook what is to be seen in it."""
    for cell in notebook.cells:
        words = escape(alternative(cell))
        for output in cell.get("outputs", []):
            if html := output.get("data", {}).get("text/html"):
                output.data["text/html"] = words.join(ALTERNATIVE.split(html))
