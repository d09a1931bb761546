"""The search puts first what a reader means, quotes the sentence, and marks it on the page."""

from urllib.parse import quote

import pytest

from tests.support.looking import WIDE

pytestmark = pytest.mark.alone

MECHANISM = "book/api/{}/{}.html"
FIRST_THREE = {
    "linear attention": ["notebooks/linear.html"],
    "channel attention": ["notebooks/channel.html"],
    "softmax": ["notebooks/start.html"],
    "memory": [MECHANISM.format("linear", "ExternalAttention")],
    "causal mask": ["notebooks/dense.html", MECHANISM.format("dense", "MultiHeadAttention")],
    "CBAM": [MECHANISM.format("joint", "ConvolutionalBlockAttention")],
    "SE": [MECHANISM.format("channel", "SqueezeExcitation")],
    "ResNet-50": ["notebooks/resnet50.html"],
    "queries": ["book/glossary.html", "notebooks/start.html", "notebooks/dense.html"],
}

HITS = """items => items.map((item) => {
  const link = item.querySelector("a");
  return [link.href, link.textContent, item.querySelector("p").innerHTML];
})"""
SEEN = """marks => marks.some((mark) => {
  const { top, bottom } = mark.getBoundingClientRect();
  return 0 < bottom && top < innerHeight;
})"""


@pytest.fixture(scope="module", params=["http", "file"])
def search(request, chromium, site):
    """What a search finds: (address, title, excerpt) of each hit, with a server and without."""
    home = request.getfixturevalue("address") if request.param == "http" else site.as_uri()
    page = chromium.new_page(viewport=WIDE)

    def found(query):
        page.goto(f"{home}/search.html?q={quote(query)}", wait_until="load")
        page.wait_for_selector("p.search-summary:has-text('search')")
        hits = page.eval_on_selector_all("ul.search li", HITS)
        return [(href.removeprefix(f"{home}/"), title, told) for href, title, told in hits]

    found.page = page
    yield found
    page.close()


@pytest.mark.parametrize("query", FIRST_THREE)
def test_the_page_that_is_meant_is_among_the_first_three(search, query):
    first = [href.partition("?")[0] for href, _, _ in search(query)[:3]]
    assert {*first} & {*FIRST_THREE[query]}, first


def test_a_page_is_listed_once(search):
    pages = [href.partition("?")[0] for href, _, _ in search("attention")]
    assert len(pages) == len({*pages}) > 20


@pytest.mark.parametrize("query", ["softmax", "linear attention", "receptive field"])
def test_the_excerpt_is_the_sentence_of_the_article(search, query):
    for _, title, told in search(query)[:10]:
        assert "<mark>" in told, f"{title}: {told}"
        assert len(told) < 600 and "Contents" not in told and "\\" not in told, told


@pytest.mark.parametrize("query", ["softmax", "kernel trick", "causal mask"])
def test_a_hit_leads_to_marked_words_in_view(search, query):
    [(href, _, _), *_] = search(query)
    search.page.click("ul.search li a >> nth=0")
    search.page.wait_for_selector("article mark.found")
    marked = search.page.eval_on_selector_all(
        "article mark.found", "marks => marks.map((mark) => mark.textContent.toLowerCase())"
    )
    assert all(query.split()[0][:5] in mark or query.split()[-1][:5] in mark for mark in marked)
    search.page.wait_for_load_state("load")
    search.page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")
    assert search.page.eval_on_selector_all("article mark.found", SEEN), href
    search.page.keyboard.press("Escape")
    assert search.page.locator("mark.found").count() == 0


def test_what_is_typed_is_never_run(search):
    search("<img src=x onerror=alert(1)> softmax")
    assert search.page.locator("#search-results img").count() == 0
