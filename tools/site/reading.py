"""How tables read and how pages print: styles and scripts, and a fold around a long table."""

import re

from docutils import nodes
from sphinx.application import Sphinx

LONG = 16  # rows from which on a table in a chapter is folded, sorted and filtered
INTERVAL = re.compile(r"-?[\d.,]+ \[-?[\d.,]+, -?[\d.,]+\]")


def mark_tables(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Fold each long table that a cell shows and no fold holds; keep intervals on one line."""
    for entry in doctree.findall(nodes.entry):
        if INTERVAL.fullmatch(entry.astext().strip()):
            entry["classes"].append("interval")
    for table in list(doctree.findall(nodes.table)):
        rows = sum(len(body.children) for body in table.findall(nodes.tbody))
        if rows >= LONG and inside_a_cell(table):
            table["classes"] += ["long", "sortable", "filterable", "stack"]
            place, parent = table.parent.index(table), table.parent
            if is_folded(parent.children[:place]):
                continue
            title = f"<details><summary>The whole table, {rows} rows</summary>"
            parent.insert(place + 1, nodes.raw("", "</details>", format="html"))
            parent.insert(place, nodes.raw("", title, format="html"))


def is_folded(above: list[nodes.Node]) -> bool:
    """Whether the nodes above a table, in the same parent, leave a fold of the chapter open."""
    written = "".join(node.astext() for node in above if isinstance(node, nodes.raw))
    return written.count("<details") > written.count("</details>")


def inside_a_cell(node: nodes.Node) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, nodes.container) and "cell_output" in parent["classes"]:
            return True
        parent = parent.parent
    return False


def setup(app: Sphinx) -> None:
    for style in ("tables.css", "print.css"):
        app.add_css_file(style, priority=900)
    app.add_js_file("print.js", loading_method="defer")
    app.connect("doctree-resolved", mark_tables)
