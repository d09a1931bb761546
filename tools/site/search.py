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

# Not quoted: programs and what they print, formulas on a line of their own, what is not seen.
SILENT = (nodes.title, nodes.section, nodes.FixedTextElement, nodes.Invisible, nodes.raw,
          nodes.image, addnodes.toctree, addnodes.desc_signature)  # fmt: skip
SCRIPT = "article-texts.js"


def prose(node: nodes.Element) -> Iterator[str]:
    """The paragraphs below a node that are the article's own words."""
    for child in node.children:
        if isinstance(child, SILENT) or "cell" in getattr(child, "get", dict().get)("classes", ()):
            continue
        if isinstance(child, nodes.TextElement):
            words = (
                "…" if isinstance(text.parent, nodes.math) else text.astext()
                for text in child.findall(nodes.Text)
            )
            yield " ".join("".join(words).split())
        elif isinstance(child, nodes.Element):
            yield from prose(child)


def sections(doctree: nodes.document) -> list[dict[str, Any]]:
    """Of each section its place, its heading, its words, and those it explains, in italics."""
    found = []
    for section in doctree.findall(nodes.section):
        own = [child for child in section.children if not isinstance(child, nodes.section)]
        stressed = [e for child in own for e in child.findall(nodes.emphasis)]
        found.append(
            {
                "place": section["ids"][0],
                "heading": section.next_node(nodes.title).astext(),
                "explains": sorted({e.astext().lower() for e in stressed}),
                "text": "\n".join(filter(None, prose(section))),
            }
        )
    return found


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
    return env.book_texts  # type: ignore[attr-defined, no-any-return]


def write_texts(app: Sphinx, error: Exception | None) -> None:
    """Write every page's sections, in the order of the contents."""
    if error or app.builder.format != "html":
        return
    names = {f"book/api/{card.family}/{card}": card.names for card in every_card()}
    terms = app.env.domains["std"].data["terms"]
    pages = [
        {
            "page": page,
            "names": names.get(page, []),
            "terms": {term: place for term, (where, place) in terms.items() if where == page},
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
