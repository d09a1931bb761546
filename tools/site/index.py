"""The general index holds the mechanisms, by each of their names, beside the terms."""

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from attention_lib.catalog import every_card


class Names(SphinxTransform):
    """Enter the names of the mechanism whose page this is."""

    default_priority = 810  # after the anchors have their names

    def apply(self, **_: object) -> None:
        folder, _, name = self.env.docname.removeprefix("book/api/").rpartition("/")
        for card in every_card():
            if (folder, name) == (card.family, str(card)):
                place = self.document.next_node(lambda node: bool(node.get("ids")))["ids"][0]
                names = dict.fromkeys([card.title, str(card), *card.aliases])
                entries = [("single", name, place, "main", None) for name in names]
                self.document.insert(0, addnodes.index(entries=entries))


def setup(app: Sphinx) -> None:
    app.add_transform(Names)
