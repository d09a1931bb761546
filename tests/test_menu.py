"""In the sidebar, each family of mechanisms stands below its title, in reading order."""

import re

from attention_lib.catalog import FAMILIES, catalog
from tools.pages.mechanisms import asks
from tools.site.families import headed


def test_the_menu_is_headed_by_family():
    cards = sorted(catalog(), key=str)
    here = cards[3]
    links = [
        f'<li><a href="{"#" if card is here else f"../{card.family}/{card}.html"}">{card}</a></li>'
        for card in cards
    ]
    links = [link.replace("../", "api/") for link in links]
    menu = f'<ul><li><a href="a.html">All</a><ul>{"".join(links)}</ul></li></ul>'
    made = headed(menu, f"book/api/{here.family}/{here}")
    assert re.findall(r">(\w+)</a></li>", made) == [str(card) for card in catalog()]
    shown = re.findall(r'<li class="family">(.*?)</li>', made)
    assert shown == [asks(family)[0] for family in FAMILIES if catalog(family)]


def test_another_menu_is_left_alone():
    menu = '<ul><li><a href="notation.html">N</a></li></ul>'
    assert headed(menu, "book/notation") == menu
