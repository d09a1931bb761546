"""A figure of a notebook stands in the page itself, so that it has the page's colours and font.

In the notebook it is an SVG in an <img>, see attention_lib/teaching/plot/drawing.py.
"""

import re
from html import escape, unescape
from urllib.parse import unquote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

DRAWN = re.compile(r'<img alt="([^"]*)" src="data:image/svg\+xml,([^"]*)">')


class Drawn(nodes.General, nodes.Element):
    """A figure; no raw HTML, whose words would be found by the search."""


def inline(svg: str, alt: str, number: int) -> str:
    """The element for a page: ids of its own, colours that the page can set, and what it shows."""
    svg = re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', f"drawn-{number}-", svg)
    svg = re.sub(r"(?<=: )#([0-9a-f]{6})\b", r"var(--drawn-\1, #\1)", svg)
    wide = re.search(r' width="([^"]*)" height="[^"]*"', svg)
    if wide is None:
        raise ValueError(f"figure {number} has no width: {svg[:80]}")
    told = f' class="drawn" role="img" aria-label="{escape(alt)}" style="--wide: {wide[1]}"'
    return '<div class="output drawing">' + svg.replace("<svg", f"<svg{told}", 1) + "</div>"


def put_in_figures(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Replace each figure of a notebook; one without a text alternative is a warning."""
    if app.builder.format != "html":
        return
    shown = [node for node in doctree.findall(nodes.raw) if DRAWN.search(node.astext())]
    for number, node in enumerate(shown, start=1):
        for alt, svg in DRAWN.findall(node.astext()):
            if not alt.strip():
                logging.getLogger(__name__).warning(
                    "figure %d has no text alternative; say in it what is to be seen", number,
                    location=node, type="book", subtype="alt",
                )  # fmt: skip
            node.replace_self(Drawn(html=inline(unquote(svg), unescape(alt), number)))


def write(writer: HTML5Translator, node: Drawn) -> None:
    writer.body.append(node["html"])


def setup(app: Sphinx) -> None:
    app.add_node(Drawn, html=(write, lambda writer, node: None))
    app.add_css_file("figures.css")
    app.connect("doctree-resolved", put_in_figures)
