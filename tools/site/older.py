"""Below a cell that reads a measurement made with older code stands that it is so.

It is said here and not by the cell, whose output would change whenever the library does.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from tools.chapters import ROOT
from tools.stale import told

TITLE = "Measured on older code"


def set_older(app: Sphinx, config: Config) -> None:
    """As a value of the configuration: when it changes, Sphinx writes the pages again."""
    config.measured_on_older_code = told(ROOT)


def say_what_is_older(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put a note below each cell that reads a measurement of older code."""
    for cell in list(doctree.findall(nodes.container)):
        if "cell" in cell["classes"]:
            older, text = app.config.measured_on_older_code, cell.astext()
            said = [told for name, told in older.items() if f'"{name}"' in text]
            if said:
                lines = (nodes.paragraph(text=sentence) for sentence in said)
                note = nodes.admonition("", nodes.title("", TITLE), *lines)
                note["classes"] += ["note", "dropdown"]  # closed, until a reader asks
                cell.parent.insert(cell.parent.index(cell) + 1, note)


def setup(app: Sphinx) -> None:
    app.add_config_value("measured_on_older_code", {}, "html", [dict])
    app.connect("config-inited", set_older, priority=1)
    app.connect("doctree-resolved", say_what_is_older)
