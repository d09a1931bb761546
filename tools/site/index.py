"""The general index holds the mechanisms, by each of their names, beside the terms."""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from attention_lib.catalog import every_card


class Names(SphinxTransform):
    """Enter the names of the mechanism whose page this is."""

    default_priority = 810  # after the anchors have their names

    def apply(self, **_: object) -> None:
        for card in every_card():
            if self.env.docname == f"book/api/{card.family}/{card}":
                [place, *_] = next(self.document.findall(nodes.section))["ids"]
                names = dict.fromkeys([card.title, str(card), *card.aliases])
                entries = [("single", name, place, "main", None) for name in names]
                self.document.insert(0, addnodes.index(entries=entries))


def setup(app: Sphinx) -> None:
    app.add_transform(Names)
