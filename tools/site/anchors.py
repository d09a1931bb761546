"""Anchors that the next edit does not move: of numbered equations, and of headings.

An equation that is numbered by hand, `\\tag{3}`, is `#equation-3`. A heading below a section bears
that section's name too, `#squeeze-and-excitation-the-formula`, for every mechanism has a formula.
"""

import re

from docutils import nodes
from docutils.nodes import make_id
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

NUMBER = re.compile(r"\\tag\{(\w+)\}")


class StableAnchors(SphinxTransform):
    """Name equations and headings, before MyST resolves the links to them."""

    default_priority = 800

    def apply(self, **_: object) -> None:
        taken = {id for id in self.document.ids if not re.fullmatch(r"id\d+", id)}
        for formula in self.document.findall(nodes.math_block):
            if number := NUMBER.search(formula.astext()):
                self.name(formula, f"equation-{number[1]}", taken)
        for section in self.document.findall(nodes.section):
            above, title = section.parent, next(section.findall(nodes.title)).astext()
            own = make_id(f"section-{title}")
            if make_id(title):  # it begins with a letter
                own = own.removeprefix("section-")
            deep = isinstance(above, nodes.section) and isinstance(above.parent, nodes.section)
            wanted = f"{above['ids'][0]}-{own}" if deep else own
            self.name(section, wanted, taken)

    def name(self, node: nodes.Element, name: str, taken: set[str]) -> None:
        """Put a name first; two places of one name are a warning, and with it an error."""
        slugs = getattr(self.document, "myst_slugs", {})
        given = {place for _, place, _ in slugs.values()}
        if name in node["ids"]:
            given = {name}
        elif name in taken:
            logging.getLogger(__name__).warning(
                "two places of this page would be #%s; give one another title or number", name,
                location=node, type="book", subtype="anchor",
            )  # fmt: skip
            return
        taken.add(name)
        former = [place for place in node["ids"] if place in given]
        node["ids"] = [name, *(place for place in node["ids"] if place not in former)]
        self.document.ids[name] = node
        self.document.nameids.update(dict.fromkeys(node["names"], name))
        for slug, (line, place, text) in slugs.items():
            if place in former:
                slugs[slug] = (line, name, text)


def show_anchor(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula as ever, and behind it the link that other pages can lead to."""
    try:
        HTML5Translator.visit_math_block(self, node)
    finally:
        if node["ids"]:
            [*before, last] = self.body.pop().rpartition("</div>")
            self.body.append("".join(before[:-1]))
            self.add_permalink_ref(node, "Link to this equation")
            self.body.append(f"</div>{last}")


def setup(app: Sphinx) -> None:
    app.add_transform(StableAnchors)
    app.add_node(nodes.math_block, override=True, html=(show_anchor, None))
