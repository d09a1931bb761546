"""Diagrams of the data flow of mechanisms, made from the flows on their cards.

`Diagram(find("se"))` is drawn in a notebook and told in a terminal.  `Overview(catalog("channel"))`
is a row of small ones, in which a bar marks what is special in each.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from attention_lib.cards.card import Card
from attention_lib.cards.flow import Flow
from attention_lib.teaching.diagrams.drawing import marked_up, svg
from attention_lib.teaching.diagrams.words import Row, learned_in, rows, sentences, title

__all__ = ["Diagram", "Overview"]

LEGEND = (
    "Boxes with square corners are learned, round ones are fixed. A double line stands for several"
    " operations. Below each step is the shape of its result, without the batch."
)

BARS = "A bar marks a step that none of the others has."


@dataclass
class Diagram:
    """The steps of a mechanism's example, as its card says them.

    Raises:
        FlowError: if the flow cannot be read.
    """

    card: Card
    flow: Flow = field(init=False)
    learned: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.flow, self.learned = self.card.steps, learned_in(self.card.outline())

    def svg(self) -> str:
        """The drawing, as one element."""
        return svg(self.flow, self.card.title, self.learned)

    def rows(self) -> list[Row]:
        """A row for each step: what, of what, the shape that comes out, whether it is learned."""
        return rows(self.flow, self.learned)

    def sentences(self) -> list[str]:
        """A sentence for each step."""
        return sentences(self.flow, self.learned)

    def _repr_html_(self) -> str:
        """The drawing, and below it a fold with its table, which stays where no SVG is shown."""
        names = ("Step", "Of", "Shape", "Learned")
        lines = ["".join(f'<th scope="col">{name}</th>' for name in names)]
        for number, (what, reads, shape, is_learned) in enumerate(self.rows(), 1):
            cells = (f"{number}. {what}", reads, shape, "yes" if is_learned else "")
            lines.append("".join(f"<td>{marked_up(cell)}</td>" for cell in cells))
        table = "\n".join(f"<tr>{line}</tr>" for line in lines)
        told = f"<p>{LEGEND}</p>\n<table>\n{table}\n</table>"
        fold = f"<details><summary>The steps in words</summary>\n{told}\n</details>"
        return f'<figure class="flow">\n{self.svg()}\n{fold}\n</figure>'

    def __repr__(self) -> str:
        return "\n".join([self.card.title, *self.sentences()])


@dataclass
class Overview:
    """Small diagrams in a row; a bar marks the steps that no other of them has."""

    cards: Sequence[Card]
    diagrams: list[Diagram] = field(init=False)

    def __post_init__(self) -> None:
        self.diagrams = [Diagram(card) for card in self.cards]

    def _repr_html_(self) -> str:
        having = Counter(name for each in self.diagrams for name in {*map(title, each.flow.steps)})
        drawn = []
        for each in self.diagrams:
            steps = enumerate(map(title, each.flow.steps), 1)
            own = {number for number, name in steps if having[name] == 1}
            small = svg(each.flow, each.card.title, each.learned, False, own)
            name = f'<b style="display:block;text-align:center">{escape(each.card.title)}</b>'
            drawn.append(f"<div>{name}\n{small}</div>")
        row = "display:flex;flex-wrap:wrap;justify-content:space-evenly;gap:1rem"
        shown = "\n".join(drawn)
        return f'<div class="flows" style="{row}">\n{shown}\n</div>\n<p>{BARS}</p>'

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.diagrams))
