"""Diagrams stand in the page itself, and a script shows them one step after the other.

They are those of attention_lib/teaching/diagrams: in the output of a cell, or from tools.pages.
"""

from docutils import nodes
from sphinx.application import Sphinx

from tools.site.figures import Drawn

MARK = '<svg class="flow"'


def put_in_diagrams(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Replace raw HTML, whose words would be found by the search."""
    if app.builder.format == "html":
        for node in [n for n in doctree.findall(nodes.raw) if MARK in n.astext()]:
            node.replace_self(Drawn(html=f'<div class="diagram">{node.astext()}</div>'))


def setup(app: Sphinx) -> None:
    app.add_css_file("diagrams.css")
    app.add_js_file("steps.js", loading_method="defer")
    app.connect("doctree-resolved", put_in_diagrams)
