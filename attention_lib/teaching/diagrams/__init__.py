"""Diagrams of the data flow of mechanisms, made from the flows on their cards.

Diagram(find("se"))              # drawn in a notebook, told in a terminal
Overview("se", "eca", "sk")      # a row of small ones, and what not all of them have
"""

from dataclasses import dataclass, field
from html import escape

from attention_lib.cards.card import Card
from attention_lib.cards.flow import Flow
from attention_lib.catalog import find
from attention_lib.teaching.diagrams.drawing import marked_up, svg
from attention_lib.teaching.diagrams.words import Row, learned_in, rows, sentences, title

__all__ = ["Diagram", "Overview"]

LEGEND = (
    "Boxes with square corners are learned, round ones are fixed. A double line stands for several"
    " operations. Below each step is the shape of its result, without the batch."
)


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
        self.flow, self.learned = self.card.steps, learned_in(self.card.build())

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
        heads = "".join(f'<th scope="col">{name}</th>' for name in names)
        lines = [f"<tr>{heads}</tr>"]
        for number, (what, reads, shape, is_learned) in enumerate(self.rows(), 1):
            cells = (f"{number}. {what}", reads, shape, "yes" if is_learned else "")
            lines.append("".join(f"<td>{marked_up(cell)}</td>" for cell in cells))
        table = "\n".join([lines[0], *(f"<tr>{line}</tr>" for line in lines[1:])])
        told = f"<p>{LEGEND}</p>\n<table>\n{table}\n</table>"
        fold = f"<details><summary>The steps in words</summary>\n{told}\n</details>"
        return f'<figure class="flow">\n{self.svg()}\n{fold}\n</figure>'

    def __repr__(self) -> str:
        return "\n".join([self.card.title, *self.sentences()])


class Overview:
    """Small diagrams in a row; a bar marks the steps that not all of them have.

    Args:
        names: of the mechanisms, as `find` takes them.
    """

    def __init__(self, *names: str):
        self.diagrams = [Diagram(find(name)) for name in names]
        steps = [{title(step) for step in each.flow.steps} for each in self.diagrams]
        self.common = set.intersection(*steps)

    def _marked(self, diagram: Diagram) -> set[int]:
        steps = enumerate(diagram.flow.steps, 1)
        return {number for number, step in steps if title(step) not in self.common}

    def _repr_html_(self) -> str:
        drawn = [
            f'<div><b style="display:block;text-align:center">{escape(each.card.title)}</b>\n'
            f"{svg(each.flow, each.card.title, each.learned, False, self._marked(each))}</div>"
            for each in self.diagrams
        ]
        row = "display:flex;flex-wrap:wrap;justify-content:space-evenly;gap:1rem"
        return f'<div class="flows" style="{row}">\n' + "\n".join(drawn) + "\n</div>"

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.diagrams))
