"""In the sidebar, the mechanisms stand in reading order, each family below its title."""

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

from attention_lib.catalog import FAMILIES, NETWORKS, every_card
from tools.pages.mechanisms import asks

ORDER = [f"{card.family}/{card}" for card in every_card()]


def headed(html: str, page: str) -> str:
    """The menu, with a heading before each family of mechanisms."""
    soup = BeautifulSoup(html, "html.parser")
    found: dict[str, Tag] = {}
    for item in soup.find_all("li"):
        link = item.find("a", href=True)
        name = page if link is None or link["href"] == "#" else str(link["href"])
        name = name.removesuffix(".html").rpartition("api/")[2]
        if name in ORDER and item.find("ul") is None:
            found[name] = item
    if not found:
        return html
    menu = next(iter(found.values())).parent
    assert menu is not None, "an item stands in a list"
    family = ""
    for name in sorted(found, key=ORDER.index):
        if family != (family := name.partition("/")[0]):
            heading = soup.new_tag("li", attrs={"class": "family"})
            heading.string = asks(family)[0] if family in FAMILIES else NETWORKS.capitalize()
            menu.append(heading)
        menu.append(found[name].extract())
    return str(soup)


def set_menu(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    sidebar = context.get("generate_toctree_html")
    if sidebar:

        def made(*arguments: object, **options: object) -> str:
            return headed(str(sidebar(*arguments, **options)), page)

        context["generate_toctree_html"] = made


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", set_menu, priority=901)
