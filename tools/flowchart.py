"""Draw the questions of `attention_lib.advice` as an SVG for a page, tall rather than wide.

The drawing is one column: what follows from an answer stands below it, a little further in.  Text
stays text, and colours are those of the page's theme (see book.css).  Questions are round, what
they lead to is square, so that nothing is told by colour alone.
"""

from dataclasses import dataclass, field
from html import escape

from attention_lib.advice.questions import Answer, Leaf, Path, Question, members

WIDTH, INDENT = 360, 12
SIZE, LINE, MARGIN = 13, 17, 8  # of letters, of lines, between text and box
GAP = 10
# Of an em, as wide as a common font makes them; the widest letter of each kind
NARROW, CAPITAL, WIDE, OTHER = 0.42, 0.78, 0.98, 0.645


BOLD = 1.1  # how much wider bold letters are


def letters(text: str, style: str = "") -> float:
    """How wide a text is at most, in pixels."""

    def width(letter: str) -> float:
        if letter in "mwMW@%—":
            return WIDE
        if letter in "ijltfrI.,:;'|()[]- ":
            return NARROW
        return CAPITAL if letter.isupper() else OTHER

    return SIZE * sum(map(width, text)) * (BOLD if style in ("ask", "use") else 1)


def wrap(text: str, width: float, style: str = "") -> list[str]:
    """Lines of whole words, none wider than `width`."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and letters(longer, style) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
        if letters(word, style) > width:
            raise ValueError(f"{word!r} does not fit into {width:.0f} pixels")
    return lines


@dataclass
class Drawing:
    parts: list[str] = field(default_factory=list)
    bottom: float = 1

    def box(self, name: str, kind: str, x: float, paragraphs: list[tuple[str, str]]) -> float:
        """Text in a frame; where its middle is."""
        width = WIDTH - x - 1
        lines = [
            (line, style)
            for text, style in paragraphs
            for line in wrap(text, width - 2 * MARGIN, style)
        ]
        height = len(lines) * LINE + 2 * MARGIN
        top, round_by = self.bottom, 12 if kind == "question" else 0
        self.parts.append(
            f'<g class="{kind}" data-node="{name}"><rect x="{x}" y="{top}" width="{width}"'
            f' height="{height}" rx="{round_by}"/>'
        )
        self.write(lines, x + MARGIN, top + MARGIN)
        self.parts.append("</g>")
        self.bottom += height
        return top + height / 2

    def write(self, lines: list[tuple[str, str]], x: float, top: float) -> None:
        for number, (line, style) in enumerate(lines):
            y = top + number * LINE + 0.75 * LINE
            self.parts.append(f'<text class="{style}" x="{x}" y="{y:g}">{escape(line)}</text>')

    def question(self, name: str, question: Question, x: float, way: tuple[Answer, ...]) -> None:
        self.box(name, "question", x, [(question.text, "ask")])
        rail, start, inside = x + INDENT / 2, self.bottom, x + INDENT
        for answer in question.answers:
            self.bottom += GAP
            lines = wrap(answer.label, WIDTH - inside - 1 - MARGIN)
            slug = f"{name}-{answer.slug}"
            self.parts.append(f'<g class="answer" data-node="{slug}-label">')
            self.write([(line, "say") for line in lines], inside + MARGIN, self.bottom)
            self.parts.append("</g>")
            self.bottom += len(lines) * LINE + 3
            top = self.bottom
            if isinstance(answer.then, Leaf):
                path = Path((*way, answer))
                names = " · ".join(card.title for card in members(path))
                told = answer.then.use[0].upper() + answer.then.use[1:] + ":"
                self.box(slug, "leaf", inside, [(told, "use"), (names, "names")])
            else:
                self.question(slug, answer.then, inside, (*way, answer))
            self.parts.append(
                f'<path class="edge" data-from="{name}" data-to="{slug}"'
                f' d="M{rail:g} {start:g}V{top + LINE:g}H{inside:g}"/>'
            )


def flowchart(tree: Question, title: str, description: str) -> str:
    """The whole drawing; its text alternative, in short, is `description`."""
    drawing = Drawing()
    drawing.question("which", tree, 1, ())
    height = round(drawing.bottom + 1)
    return "\n".join(
        [
            f'<svg class="flowchart" viewBox="0 0 {WIDTH} {height}" role="img"'
            ' aria-labelledby="flowchart-title flowchart-description"'
            ' xmlns="http://www.w3.org/2000/svg">',
            f'<title id="flowchart-title">{escape(title)}</title>',
            f'<desc id="flowchart-description">{escape(description)}</desc>',
            *drawing.parts,
            "</svg>",
        ]
    )
