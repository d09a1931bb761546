"""Pages that connect: class names, terms, papers and titles in the text become links.

A chapter is plain Markdown, which reads alike everywhere; what the site alone can link, it links
here: the class name of a mechanism in inline code to its page, a word of the glossary where a
chapter first uses it, a paper on arXiv to its entry in the bibliography, and the title of a page in
italics to that page. Nothing is linked in headings, code, formulas, captions and other links.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from docutils import nodes
from pybtex.database import parse_file
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config

from attention_lib.catalog import every_card
from tools.chapters import ROOT

BIBLIOGRAPHY, CHAPTERS = "book/references", "notebooks/"
# Where nothing is linked; and where no words of the glossary are: titles of columns, results.
CLOSED = (nodes.title, nodes.reference, addnodes.pending_xref, nodes.FixedTextElement, nodes.math,
          nodes.caption, nodes.rubric, nodes.term, nodes.raw)  # fmt: skip
WORDLESS = (*CLOSED, nodes.literal, nodes.thead)
# Words of the glossary that everyday language has too: linked in italics, where they are explained.
EVERYDAY = {"reference", "state", "value"}


def mechanisms() -> dict[str, str]:
    """Class name -> page."""
    return {str(card): f"book/api/{card.family}/{card}" for card in every_card()}


def papers(bibliography: Path) -> dict[str, str]:
    """Address -> key, of each paper on arXiv."""
    entries = parse_file(bibliography).entries
    numbers = {key: entry.fields.get("eprint") for key, entry in entries.items()}
    return {f"https://arxiv.org/abs/{number}": key for key, number in numbers.items() if number}


def forms(term: str) -> list[str]:
    """A term as the text may have it: one or several, at the head of a sentence or within."""
    several = term if term.endswith("s") else f"{term}s"
    if re.search(r"[^aeiou]y$", term):
        several = f"{term[:-1]}ies"
    elif term.endswith(("x", "ch")):
        several = f"{term}es"
    return [form for word in (term, several) for form in (word, word[0].upper() + word[1:])]


def vocabulary(app: Sphinx) -> dict[str, tuple[str, tuple[str, str]]]:
    """Form -> the term and its place, the longest first."""
    objects = app.env.domains["std"].data["objects"]
    terms = {name: place for (kind, name), place in objects.items() if kind == "term"}
    known = {form: (term, place) for term, place in terms.items() for form in forms(term)}
    return dict(sorted(known.items(), key=lambda pair: -len(pair[0])))


def inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node := node.parent:
        if isinstance(node, kinds) or "no-links" in node.get("classes", ()):
            return True
    return False


def connect(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Link all that a page names."""

    def link(target: str, place: str, *children: nodes.Node, kind: str) -> nodes.reference:
        uri = app.builder.get_relative_uri(page, target) + (place and f"#{place}")
        return nodes.reference("", "", *children, refuri=uri, internal=True, classes=[kind])

    config, there = app.config.book_links, app.env.found_docs
    for paper in doctree.findall(nodes.reference) if BIBLIOGRAPHY in there - {page} else ():
        if key := config["papers"].get(paper.get("refuri")):
            paper["refuri"] = link(BIBLIOGRAPHY, f"cite-{key}", kind="").get("refuri")
            paper["internal"] = True
            paper["classes"].append("paper")

    titles = {title.astext(): name for name, title in app.env.titles.items()}
    titles |= {title.partition(":")[0]: name for title, name in titles.items()}
    for kind, known in ((nodes.literal, config["mechanisms"]), (nodes.emphasis, titles)):
        for node in list(doctree.findall(kind)):
            target = known.get(node.astext())
            if target in there and target != page and not inside(node, CLOSED):
                node.replace_self(link(target, "", node.deepcopy(), kind="page"))

    if page.startswith(CHAPTERS):
        explain(doctree, vocabulary(app), link)


def explain(doctree: nodes.document, known: dict, link: Callable[..., nodes.Node]) -> None:
    """Link each word of the glossary where the text first uses it."""
    words = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in known)
    pattern, met = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])"), set[str]()

    def parts(text: nodes.Text) -> Iterator[nodes.Node]:
        end, whole = 0, text.astext()
        for use in pattern.finditer(whole):
            form = " ".join(use[0].split())
            term, (target, place) = known[form]
            begins = re.search(r"(^|[.?!:])\s*$", whole[: use.start()])
            named = form[0].isupper() and form != term and not begins
            plain = term in EVERYDAY and not isinstance(text.parent, nodes.emphasis)
            if term in met or named or plain:
                continue
            met.add(term)
            yield nodes.Text(whole[end : use.start()])
            yield link(target, place, nodes.inline("", use[0]), kind="term")
            end = use.end()
        yield nodes.Text(whole[end:])

    for text in list(doctree.findall(nodes.Text)) if known else ():
        if isinstance(text.parent, nodes.TextElement) and not inside(text, WORDLESS):
            text.parent.replace(text, [part for part in parts(text) if part.astext()])


def set_links(app: Sphinx, config: Config) -> None:
    """As a value of the configuration: when it changes, Sphinx writes the pages again."""
    glossary = ROOT / "book/glossary.md"
    config.book_links = {
        "mechanisms": mechanisms(),
        "papers": papers(ROOT / "book/references.bib"),
        "glossary": glossary.read_text(encoding="utf-8"),
    }


def setup(app: Sphinx) -> None:
    app.add_config_value("book_links", {}, "html", [dict])
    app.connect("config-inited", set_links, priority=1)
    app.connect("doctree-resolved", connect, priority=600)
