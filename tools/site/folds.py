"""The set-up of a chapter is one fold on its page, and a fold is called as what it holds.

Titles and what is folded come with the notebook, see `tools.folds`; MyST-NB makes a fold a cell.
The line with Colab's title is not shown.
"""

from docutils import nodes
from sphinx.application import Sphinx

from tools.folds import SETUP, TITLE

UNNAMED = '<summary aria-label="Toggle hidden content">'  # it hides the title from screen readers


def join_set_up(app: Sphinx, doctree: nodes.document) -> None:
    """Put the cells of a chapter's set-up into the first of them, fold and all."""
    names = {f"tag_{tag}" for tag in SETUP}
    found = [cell for cell in doctree.findall(nodes.container) if names & {*cell["classes"]}]
    for cell in found[1:]:
        found[0].extend(cell.children)
        cell.parent.remove(cell)


def drop_titles(app: Sphinx, doctree: nodes.document) -> None:
    """Leave out the first line of a program where it is Colab's title."""
    for program in doctree.findall(nodes.literal_block):
        first, _, rest = program.astext().partition("\n")
        if first.startswith(TITLE):
            program[:] = [nodes.Text(rest)]
            program.rawsource = rest  # Sphinx colours a program only where the two are equal


def name_folds(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Let a screen reader say a fold's title."""
    if "body" in context:
        context["body"] = context["body"].replace(UNNAMED, "<summary>")


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", join_set_up)
    app.connect("doctree-read", drop_titles)
    app.connect("html-page-context", name_folds)
