"""What a page says of itself, what it loads, and where a reader lands who went astray."""

import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from attention_lib.catalog import every_card
from tests.support.looking import PAGES, anchors
from tools.site.head import LONGEST, SIZE

pytestmark = pytest.mark.alone

WRITTEN = [name for name in PAGES if name not in ("404.html", "genindex.html", "search.html")]


def head(path):
    """The tags of the head, by name or property."""
    text = path.read_text(encoding="utf-8").partition("</head>")[0]
    tags = BeautifulSoup(text, "html.parser").find_all("meta")
    return [(tag.get("name") or tag.get("property"), tag.get("content")) for tag in tags]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_viewport(site, name):
    assert [key for key, _ in head(site / name)].count("viewport") == 1


@pytest.mark.parametrize("name", WRITTEN)
def test_a_page_has_a_description_and_a_card(site, name):
    told = dict(head(site / name))
    assert 20 < len(told["description"]) <= LONGEST + 2 and "\\" not in told["description"]
    assert told["og:description"] == told["description"] and told["og:title"]
    picture = site / "_static/cards" / told["og:image"].rpartition("/")[2]
    with Image.open(picture) as card:
        assert card.size == SIZE and len(card.getcolors()) > 3, "a title is drawn on it"


def test_descriptions_and_cards_differ(site):
    for tag in ("description", "og:image"):
        told = [dict(head(site / name))[tag] for name in WRITTEN]
        assert len(told) == len({*told})


@pytest.mark.parametrize("name", PAGES)
def test_mathjax_is_loaded_where_there_is_a_formula(site, name):
    text = (site / name).read_text(encoding="utf-8")
    assert ("tex-chtml.js" in text) == ('class="math' in text)


def test_the_index_holds_mechanisms_and_terms(site):
    index = BeautifulSoup((site / "genindex.html").read_text("utf-8"), "html.parser")
    found = {link.text.strip(): link["href"] for link in index.select(".indextable a")}
    for card in every_card():
        for name in (card.title, str(card), *card.aliases):
            assert f"/{card}.html#" in found[name]
    assert found["softmax"] == "book/glossary.html#term-softmax"


@pytest.mark.parametrize("name", PAGES)
def test_every_page_leads_to_index_citation_and_changes(site, name):
    found = {link.rpartition("/")[2] for link in anchors(site / name).links}
    assert {"genindex.html", "cite.html", "changes.html"} <= found | {name.rpartition("/")[2], "#"}


@pytest.fixture
def hosted(site):
    """The site as a host serves it: at a path, and with 404.html wherever there is no page."""

    class Host(SimpleHTTPRequestHandler):
        def translate_path(self, path):
            found = super().translate_path(path.removeprefix(home))
            return found if Path(found).exists() else str(site / "404.html")

        def log_message(self, *_):
            pass

    missing = (site / "404.html").read_text(encoding="utf-8")
    [home] = re.findall(r'location.replace\("(.*?)/404.html', missing)
    handler = partial(Host, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{home}"
        server.shutdown()


def test_who_goes_astray_is_led_back(page, hosted):
    page.goto(f"{hosted}/book/api/nowhere/Nothing.html?now", wait_until="load")
    page.wait_for_url("**/404.html?missing=*")
    assert "/book/api/nowhere/Nothing.html" in page.inner_text("article")
    assert page.evaluate("document.styleSheets.length") > 3
    page.click("article a:has-text('first page')")
    page.wait_for_url(f"{hosted}/book/intro.html")
