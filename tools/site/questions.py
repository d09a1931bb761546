"""A chapter's questions, as a section between its exercises and its summary.

A choice is a `<details>`: opening it tells whether it is right, and why, without JavaScript.
"""

from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree
from myst_parser.parsers.docutils_ import Parser
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

from tools.questions import Choice, Question, letter, questions

FOLDER, CHAPTERS = "book/questions", "notebooks"


class AskQuestions(SphinxTransform):
    """Put the section into the page of a chapter that has questions."""

    default_priority = 200

    def apply(self, **kwargs: object) -> None:
        """Read the questions, and insert them before the summary."""
        folder, _, chapter = self.env.docname.rpartition("/")
        file = Path(self.app.srcdir, FOLDER, f"{chapter}.yml")
        if folder != CHAPTERS or not file.exists():
            return
        self.env.note_dependency(str(file))
        for section in self.document.findall(nodes.section):
            title = section.next_node(nodes.title)
            if title and title.astext().startswith("Summary"):
                asked = _read(file)
                section.parent.insert(section.parent.index(section), _section(asked))
                return
        raise ExtensionError(f"{file.name}: its chapter has no section Summary to stand before")


def _read(file: Path) -> list[Question]:
    try:
        return questions(file)
    except ValueError as error:
        raise ExtensionError(str(error)) from None


def _section(asked: list[Question]) -> nodes.section:
    section = nodes.section(ids=["questions"], names=["questions"])
    section += nodes.title("", "Questions")
    section += nodes.paragraph(
        "", "Choose an answer; it opens, and says whether it is right and why."
    )
    for number, question in enumerate(asked, 1):
        section += _html(f'<div class="question" role="group" aria-label="Question {number}">')
        [first, *more] = _markdown(question.question)
        first.insert(0, nodes.strong("", f"Question {number}. "))
        section += [first, *more]
        for place, choice in enumerate(question.choices):
            section += _choice(letter(place), choice)
        section += _html("</div>")
    answers = ", ".join(f"{number} {question.answer}" for number, question in enumerate(asked, 1))
    section += nodes.paragraph("", f"Right are {answers}.", classes=["print-only"])
    return section


def _choice(name: str, choice: Choice) -> Iterator[nodes.Node]:
    verdict = "Right." if choice.right else "Not right."
    yield _html(f'<details class="choice"><summary>{name}. ')
    for part in _markdown(choice.text):
        yield from part.children  # a summary holds words, no paragraph
    yield _html("</summary>")
    [first, *more] = _markdown(choice.because)
    first.insert(0, [nodes.strong("", verdict), nodes.Text(" ")])
    yield from (first, *more)
    yield _html("</details>")


def _markdown(text: str) -> list[nodes.Element]:
    """The paragraphs that a text in Markdown makes."""
    settings = {"myst_enable_extensions": ["dollarmath"], "report_level": 5}
    made = publish_doctree(text, parser=Parser(), settings_overrides=settings)
    return [part for part in made.children if isinstance(part, nodes.Element)]


def _html(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def check_all(app: Sphinx) -> None:
    """A file that belongs to no chapter would be shown nowhere."""
    for file in sorted(Path(app.srcdir, FOLDER).glob("*.yml")):
        _read(file)


def setup(app: Sphinx) -> None:
    app.add_transform(AskQuestions)
    app.connect("builder-inited", check_all)
    app.add_css_file("questions.css")
