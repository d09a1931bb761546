"""What the page of the search reads beside Sphinx's index: the articles' own text, in order.

`book/_static/search.js` ranks by it what Sphinx has found, and quotes from it. It is a script, so
that a browser loads it from a file too.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.collectors import EnvironmentCollector

from attention_lib.catalog import every_card
from attention_lib.teaching.display import citation

# Not quoted: programs and what they print, formulas on a line of their own, what is not seen.
SILENT = (nodes.title, nodes.FixedTextElement, nodes.Invisible, nodes.raw, nodes.image,
          addnodes.toctree, addnodes.desc_signature)  # fmt: skip
SCRIPT = "article-texts.js"


def part(node: nodes.Node) -> tuple[str, str] | None:
    """Place and heading of a section, of a term of the glossary, or of what the library defines."""
    if isinstance(node, nodes.section):
        return node["ids"][0], next(node.findall(nodes.title)).astext()
    if isinstance(node, nodes.definition_list_item):
        term = next(node.findall(nodes.term))
        return (term["ids"][0], term.astext()) if term["ids"] else None
    if isinstance(node, addnodes.desc):
        signature = next(node.findall(addnodes.desc_signature))
        return (signature["ids"][0], signature["fullname"]) if signature["ids"] else None
    return None


def words(node: nodes.TextElement) -> str:
    """A paragraph on one line: formulas are left out, and papers named as readers see them."""
    said = []
    for text in node.findall(nodes.Text):
        above = text.parent.parent
        if isinstance(text.parent, nodes.math):
            said.append("…")
        elif isinstance(above, addnodes.pending_xref) and above["refdomain"] == "cite":
            name = citation(above["reftarget"], short=True)
            said.append(name[1:].partition("]")[0])
        else:
            said.append(text.astext())
    return " ".join("".join(said).split())


def prose(node: nodes.Element) -> Iterator[str]:
    """The paragraphs below a node that are the article's own words, without those of its parts."""
    for child in node.children:
        if isinstance(child, SILENT) or part(child):
            continue
        if isinstance(child, nodes.term) and child["ids"]:
            continue
        if isinstance(child, nodes.TextElement):
            yield words(child)
        elif isinstance(child, nodes.Element) and "cell" not in child.get("classes", ()):
            yield from prose(child)


def explained(node: nodes.Element) -> Iterator[str]:
    """What stands in italics: where a word is explained, it does."""
    for child in node.children:
        if isinstance(child, nodes.emphasis):
            yield child.astext().lower()
        elif isinstance(child, nodes.Element) and not part(child):
            yield from explained(child)


def sections(doctree: nodes.document) -> list[dict[str, Any]]:
    """Of each part of a page its place, its heading, what it explains, and its words."""
    return [
        {
            "place": found[0],
            "heading": found[1],
            "explains": sorted({*explained(node)}),
            "text": "\n".join(filter(None, prose(node))),
        }
        for node in doctree.findall(nodes.Element)
        if (found := part(node))
    ]


class Texts(EnvironmentCollector):
    """The sections of each page, kept in the environment from one build to the next."""

    def process_doc(self, app: Sphinx, doctree: nodes.document) -> None:
        texts(app.env)[app.env.docname] = sections(doctree)

    def clear_doc(self, app: Sphinx, env: BuildEnvironment, docname: str) -> None:
        texts(env).pop(docname, None)

    def merge_other(
        self, app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment
    ) -> None:
        texts(env).update({name: texts(other)[name] for name in docnames})


def texts(env: BuildEnvironment) -> dict[str, list[dict[str, Any]]]:
    """Page -> its sections."""
    if not hasattr(env, "book_texts"):
        env.book_texts = {}  # type: ignore[attr-defined]
    return env.book_texts  # type: ignore[attr-defined]


def write_texts(app: Sphinx, error: Exception | None) -> None:
    """Write every page's sections, in the order of the contents."""
    if error or app.builder.format != "html":
        return
    names = {f"book/api/{card.family}/{card}": card.names for card in every_card()}
    pages = [
        {
            "page": page,
            "names": names.get(page, []),
            "sections": texts(app.env)[page],
        }
        for page in in_order(app.env)
    ]
    told = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
    target = Path(app.outdir, "_static", SCRIPT)
    target.write_text(f"const articleTexts = {told};\n", encoding="utf-8")


def in_order(env: BuildEnvironment) -> list[str]:
    """The pages as the contents order them; `relations` is how Sphinx finds the next one."""
    found = list(env.collect_relations())
    return [*found, *sorted({*texts(env)} - {*found})]


def load_texts(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Let the page of the search have it, and every page show what was looked for."""
    for name in (SCRIPT, "search.js") if page == "search" else ("found.js",):
        app.add_js_file(name, loading_method="defer")


def setup(app: Sphinx) -> None:
    app.add_env_collector(Texts)
    app.add_css_file("links.css")
    app.connect("html-page-context", load_texts)
    app.connect("build-finished", write_texts)
