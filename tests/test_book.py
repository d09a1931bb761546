"""The built site, in a real browser that reaches no other host; every page of it."""

import html
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.base import AXE_SCRIPT

from attention_lib.advice import Need, questions, recommend
from attention_lib.advice.ranking import ORDERS
from attention_lib.advice.traits import can_be_causal
from attention_lib.catalog import catalog
from tests.support.looking import SUBJECTS, WIDE, anchors, axe, dress, look, subjects
from tools.browser import HTML, browser, page_names, served
from tools.chapters import ROOT, chapters, notebook_of, repository
from tools.selection import STATIC

pytestmark = pytest.mark.alone

# What a page is made from, apart from what tools.pages writes.
SOURCES = ("_config.yml", "_toc.yml", "book/*.md", "book/references.bib", "book/_static/*",
           "book/_templates/**/*", "book/results/**/*.json", "notebooks/*.ipynb",
           "attention_lib/**/*.py", "tools/pages/*.py", "tools/site.py", "tools/selection.py",
           "tools/flowchart.py")  # fmt: skip
WRITTEN = {"mechanisms.md", "status.md"}
# index.html only leads on to the first page
PAGES = [name for name in page_names() if name != "index.html"] if HTML.is_dir() else []


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the site, if it was built from what now lies in the repository."""
    if not PAGES:
        pytest.fail("the site is not built; type: make book", pytrace=False)
    stamps = [path for path in (HTML / ".built", *HTML.rglob("*.html")) if path.exists()]
    built = max(path.stat().st_mtime for path in stamps)
    sources = [path for pattern in SOURCES for path in ROOT.glob(pattern) if path.is_file()]
    newer = [p for p in sources if p.name not in WRITTEN and p.stat().st_mtime > built]
    if newer:
        names = ", ".join(str(path.relative_to(ROOT)) for path in newer[:3])
        pytest.fail(f"the site is older than {names}; type: make book", pytrace=False)
    return HTML


@pytest.fixture(scope="session")
def chromium():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def address(site):
    with served(site) as url:
        yield url


@pytest.fixture(scope="session")
def visit(chromium, address, site):
    """What is wrong with a page; each is visited once, for all subjects."""
    page, seen = chromium.new_page(viewport=WIDE), {}

    def visited(name: str) -> dict[str, list[str]]:
        if name not in seen:
            wanted = subjects(name, PAGES)
            seen[name] = look(page, address, name, site, wanted)
            assert seen[name].keys() == {*wanted}, "what was looked at"
        return seen[name]

    yield visited
    page.close()


@pytest.fixture
def page(chromium):
    opened = chromium.new_page(viewport=WIDE)
    yield opened
    opened.close()


# One process visits a page once, for all its subjects.
LOOKS = [
    pytest.param(name, subject, marks=pytest.mark.xdist_group(name))
    for name in PAGES or ["index.html"]
    for subject in subjects(name, PAGES)
]


@pytest.mark.parametrize(("name", "subject"), LOOKS)
def test_page(visit, name, subject):
    assert visit(name)[subject] == []


def test_a_page_is_looked_at_by_its_name():
    names = [f"book/api/{page}.html" for page in ("b/B", "a/A", "b/A", "a/B")]
    names += ["book/intro.html", "notebooks/a.html"]
    axe = {name: [s for s in subjects(name, names) if s.startswith("axe")] for name in names}
    every = ["axe, light", "axe, dark", "axe, phone"]
    assert list(axe.values()) == [[], every, ["axe, light", "axe, phone"], [], every, every]
    rest = [{*SUBJECTS} - {*every} - {*subjects(name, names)} for name in names]
    assert not any(rest), "the other subjects are looked at on every page"


def test_no_colour_of_a_program_is_left_out(site):
    """Each class of word of a page where axe is not run is on a page where it is."""
    tried, untried = set(), set()
    for name in PAGES:
        words = set(re.findall(r'<span class="(\w{1,3})">', (site / name).read_text("utf-8")))
        if "axe, light" in subjects(name, PAGES):
            tried |= words
        else:
            untried |= words
    assert untried and untried <= tried


# ---- each of these checks can fail -----------------------------------------------------------

SOUND = """<!doctype html><html lang="en"><head><title>Sound</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head><body>
<a href="#main">Skip to main content</a><main id="main"><h1>Sound</h1>
<label>Search <input type="search"></label>{fault}</main></body></html>"""
PROGRAM = "".join(  # the first and the last of its keywords are not to be seen
    f'<div class="code"><div class="highlight"><pre tabindex="0" style="overflow: auto" {shown}>'
    '<span class="k">for</span> x <span class="k">in</span> y</pre></div></div>'
    for shown in ("hidden", "", "hidden")
)
FAULTS = [
    ("requests", '<img src="missing.png" alt="missing">'),
    ("requests", "<script>console.error('no')</script>"),
    ("requests", "<script>undefined_function()</script>"),
    ("requests", '<script src="https://cdn.example.org/library.js"></script>'),
    ("mathematics", "<p>where $x$ is</p>"),
    ("mathematics", r"<p>where \(x\) is</p>"),
    ("mathematics", '<span class="math">x</span>'),
    ("mathematics", '<mjx-merror data-mjx-error="no">x</mjx-merror>'),
    ("pictures", '<img src="missing.png" alt="missing">'),
    ("pictures", '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="">'),
    ("icons", '<i class="fas fa-moon">x</i>'),
    ("search box", '<label>Another <input type="search"></label>'),
    ("search box", "<style>input { display: none }</style>"),
    ("skip link", '<button tabindex="1">first</button>'),
    ("phone", '<div style="width: 500px">wide</div>'),
    ("phone", '<div class="math" style="display: flex; flex-flow: row-reverse; overflow: auto">'
              '<mjx-container style="min-width: 900px">x</mjx-container></div>'),
    ("axe, light", '<p style="color: #ccc; background: #fff">faint</p>'),
    ("axe, light", "<button></button>"),
    ("axe, light", f"<style>.k {{ color: #ccc; background: #fff }}</style>{PROGRAM}"),
    ("axe, dark", "<style>[data-theme=dark] h1 { color: #222; background: #000 }</style>"),
    ("axe, phone", '<pre style="overflow: auto">' + "wide " * 100 + "</pre>"),
    ("weight", '<img src="heavy.svg" alt="heavy">'),
    ("links", '<a href="nowhere.html">nowhere</a>'),
    ("links", '<a href="#nowhere">nowhere</a>'),
]  # fmt: skip


@pytest.fixture(scope="session")
def planted(chromium, tmp_path_factory):
    """What is wrong with a page that has one fault."""
    folder = tmp_path_factory.mktemp("faults")
    heavy = '<svg xmlns="http://www.w3.org/2000/svg"><!--' + "x" * 3_000_000 + "--></svg>"
    (folder / "heavy.svg").write_text(heavy)
    page, number = chromium.new_page(viewport=WIDE), count()
    with served(folder) as url:

        def looked(fault: str) -> dict[str, list[str]]:
            name = f"page-{next(number)}.html"  # a new name, so that no cache answers
            (folder / name).write_text(SOUND.replace("{fault}", fault))
            return look(page, url, name, folder)

        yield looked
    page.close()


def test_a_sound_page_has_nothing_wrong(planted):
    assert not {subject: found for subject, found in planted("").items() if found}


@pytest.mark.parametrize(("subject", "fault"), FAULTS)
def test_a_planted_fault_is_found(planted, subject, fault):
    assert planted(fault)[subject], f"nobody saw {fault}"


# ---- what a reader does --------------------------------------------------------------------------


def test_the_front_door_leads_to_the_first_page(page, address):
    page.goto(f"{address}/", wait_until="load")
    page.wait_for_url(f"{address}/book/intro.html")


def test_search_finds_squeeze(page, address):
    """By keyboard alone, from any page, and without a server."""
    page.goto(f"{address}/book/intro.html", wait_until="load")
    page.keyboard.press("Control+k")
    page.keyboard.type("squeeze")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=squeeze*")
    page.wait_for_selector("ul.search li a")
    hits = page.eval_on_selector_all("ul.search li a", "links => links.map(a => a.href)")
    assert any("api/channel/SqueezeExcitation.html" in hit for hit in hits), hits


def test_search_finds_nothing_where_there_is_nothing(page, address):
    page.goto(f"{address}/search.html?q=zyzzyva", wait_until="load")
    page.wait_for_selector("text=/did not match any|found 0/i")
    assert page.locator("ul.search li").count() == 0


def test_the_theme_can_be_changed_and_stays(page, address):
    page.goto(f"{address}/book/intro.html", wait_until="load")
    for _ in range(3):  # it goes round: system, light, dark
        page.locator(".theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.mode") == "dark":
            break
    page.goto(f"{address}/book/notation.html", wait_until="load")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_formulas_are_light_on_dark(page, address):
    page.goto(f"{address}/book/api/channel/SqueezeExcitation.html", wait_until="load")
    page.wait_for_selector("mjx-container")
    dress(page, "dark")
    color = page.eval_on_selector("mjx-container", "box => getComputedStyle(box).color")
    shades = [int(part) for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    assert min(shades) > 160, color


def test_the_table_is_complete_without_scripts(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/mechanisms.html")
    shown = page.locator("table.mechanisms tbody tr:visible").all_inner_texts()
    context.close()
    assert len(shown) == len(catalog())
    for card, text in zip(catalog(), shown, strict=True):
        assert card.title in text and card.family in text and card.layout in text


def test_the_table_is_sorted_by_keyboard(page, address):
    page.goto(f"{address}/book/mechanisms.html", wait_until="load")
    heads = page.locator("table.mechanisms thead th")
    column = heads.all_inner_texts().index("Parameters")
    head, button = heads.nth(column), heads.nth(column).get_by_role("button")
    for order in ("ascending", "descending"):
        button.focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == order
        cells = page.locator(f"table.mechanisms tbody td:nth-child({column + 1})").all_inner_texts()
        numbers = [int(cell.split()[0].replace(",", "")) for cell in cells]
        assert numbers == sorted(numbers, reverse=order == "descending")
        assert len(set(numbers)) > 1
    assert page.locator("th[aria-sort]").count() == 1


def test_the_table_is_filtered(page, address):
    page.goto(f"{address}/book/mechanisms.html", wait_until="load")
    rows = page.locator("table.mechanisms tbody tr:visible")
    told = page.get_by_role("status")
    for control, value, wanted in [
        ("Layout", "tokens", [c for c in catalog() if c.layout == "tokens"]),
        ("Family", "channel", [c for c in catalog() if c.family == "channel"]),
        ("Properties", "only attenuates",
         [c for c in catalog() if "only_attenuates" in {p.__name__ for p in c.properties}]),
    ]:  # fmt: skip
        page.get_by_label(control).select_option(value)
        assert rows.count() == len(wanted) > 0
        assert told.inner_text() == f"{len(wanted)} of {len(catalog())} mechanisms"
        page.get_by_label(control).select_option("")
    page.get_by_label("Filter").fill("eCaNet")
    assert rows.count() == 1 and "Efficient Channel" in rows.inner_text()
    page.get_by_label("Filter").fill("no such mechanism")
    assert rows.count() == 0 and told.inner_text().startswith("0 of")


# ---- which one? --------------------------------------------------------------------------------

OVERFLOW = """() => [...document.querySelectorAll("svg.flowchart text")].filter((text) => {
  const inner = text.getBBox();
  const rect = text.closest("g").querySelector("rect");
  const outer = rect ? rect.getBBox() : text.ownerSVGElement.viewBox.baseVal;
  return inner.x < outer.x || inner.x + inner.width > outer.x + outer.width
      || inner.y < outer.y || inner.y + inner.height > outer.y + outer.height;
}).map((text) => text.textContent)"""
NEEDS = [
    Need("maps", 256, height=56, width=56),
    Need("maps", 64, height=33, width=20, batch=3, task="far", dtype="bfloat16"),
    Need("maps", 1024, height=14, width=14, task="gate", backward=True),
    Need("maps", 30, height=7, width=5),
    Need("maps", 128, height=128, width=96, memory=2**24),
    Need("tokens", 512, tokens=1024),
    Need("tokens", 512, tokens=16384, memory=2**26, backward=True),
    Need("tokens", 96, tokens=77, causal=True, batch=2),
    Need("tokens", 320, tokens=300, padding=True, task="linear"),
    Need("tokens", 768, tokens=197, task="pairs", dtype="float64"),
]


@pytest.fixture
def which(page, address):
    page.goto(f"{address}/book/selection.html", wait_until="load")
    page.wait_for_function("window.attentionSelection")
    return page


RANKINGS = [(need, "macs") for need in NEEDS]
RANKINGS += [(need, by) for need in (NEEDS[0], NEEDS[5]) for by in ORDERS[1:]]


@pytest.mark.parametrize(("need", "by"), RANKINGS, ids=str)
def test_the_script_ranks_as_the_library_does(which, need, by):
    asked = asdict(need) | {"by": by, "tokens": need.places, "memory": need.memory or 0}
    found = which.evaluate(
        """(need) => {
          const { choices, left } = attentionSelection.recommend(attentionSelection.data, need);
          return { left: left.map((l) => l.mechanism.name), choices: choices.map((c) =>
            [c.mechanism.name, c.params, c.macs, c.memory, c.bytes, c.measured?.seconds ?? null,
             c.path.slugs.join(" ")]) };
        }""",
        asked,
    )
    advice = recommend(need, by)
    assert found["choices"] == [
        [c.name, c.params, c.macs, c.memory, c.bytes, c.measured and c.measured.seconds,
         " ".join(c.path.slugs)]
        for c in advice.choices
    ]  # fmt: skip
    assert found["left"] == [str(card) for card, _ in advice.left_out]


def test_no_text_of_the_flow_chart_leaves_its_box(which):
    assert which.evaluate(OVERFLOW) == []
    which.evaluate("document.querySelector('svg.flowchart rect').setAttribute('width', 60)")
    assert which.evaluate(OVERFLOW) == [questions.TREE.text], "a box too small was not seen"


def test_a_choice_is_made_by_keyboard_told_and_shared(which, chromium):
    form = which.locator("#selection")
    form.get_by_label("What comes in").focus()
    which.keyboard.press("ArrowDown")
    form.get_by_label("Tokens", exact=True).focus()
    which.keyboard.press("Control+a")
    which.keyboard.type("4096")
    form.get_by_label("Causal").focus()
    which.keyboard.press("Space")
    causal = [card for card in catalog() if can_be_causal(card)]
    assert form.locator("tbody tr").count() == len(causal)
    assert form.get_by_role("status").inner_text().startswith(f"{len(causal)} of ")
    assert form.get_by_label("Task").is_disabled(), "where an order is kept nothing else is asked"
    assert not form.get_by_label("Height").is_visible()
    assert "tokens=4096" in which.url and "causal=1" in which.url and "height" not in which.url
    shared = chromium.new_page(viewport=WIDE)
    shared.goto(which.url, wait_until="load")
    assert shared.get_by_label("Tokens", exact=True).input_value() == "4096"
    wanted = form.locator("tbody").inner_text()
    assert shared.locator("#selection tbody").inner_text() == wanted
    shared.close()


def test_nonsense_in_the_form_is_told(which):
    form = which.locator("#selection")
    told = form.get_by_role("status")
    height = form.get_by_label("Height")
    for value in ("0", "", "3.5", "99999"):
        height.fill(value)
        assert told.inner_text().startswith(f"Please correct: height={value or 'nothing'} must be")
        assert form.locator("table").count() == 0
        assert height.get_attribute("aria-invalid") == "true"
    height.fill("8")
    assert form.locator("table").count() == 1
    form.get_by_label("Memory").fill("-1")
    assert told.inner_text().startswith("Please correct: the memory must be")
    form.get_by_label("Task").select_option("scores")
    form.get_by_label("Memory").fill("0.0001")
    assert told.inner_text().startswith("None of ")
    assert "its largest tensor alone takes" in form.text_content()


def test_a_forged_address_does_no_harm(which, address):
    query = "layout=<b>&height=x&task=nothing&by=nothing&nobody=1&dtype=int8&features=64"
    which.goto(f"{address}/book/intro.html")
    which.goto(f"{address}/book/selection.html#{query}", wait_until="load")
    form = which.locator("#selection")
    assert form.get_by_label("What comes in").input_value() == "maps"
    assert form.get_by_label("Channels").input_value() == "64"
    assert form.get_by_label("Numbers").input_value() == "float32"
    assert form.get_by_role("status").inner_text().startswith("Please correct: height=nothing")


def test_axe_finds_nothing_in_an_opened_ranking(which):
    which.evaluate(AXE_SCRIPT)
    for layout in ("tokens", "maps"):
        which.locator("#selection").get_by_label("What comes in").select_option(layout)
        which.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        for theme in ("light", "dark"):
            dress(which, theme)
            assert axe(which) == []


def test_the_page_is_complete_without_scripts(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/selection.html")
    assert "The form needs JavaScript" in page.locator("#selection").inner_text()
    rankings = page.locator("table.ranking").all()
    assert len(rankings) == len(STATIC)
    for ranking, need in zip(rankings, STATIC, strict=True):
        names = ranking.locator("tbody tr td:first-child").all_text_contents()
        choices = recommend(need).choices
        assert [name.strip() for name in names] == [choice.card.title for choice in choices]
    uses = page.locator("table.uses tbody tr").all_text_contents()
    assert all(card.title in text for card, text in zip(catalog(), uses, strict=True))
    assert page.locator("svg.flowchart").is_visible()
    context.close()


# ---- buttons ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_chapter_can_be_launched_and_downloaded(site, chapter):
    notebook = notebook_of(chapter)
    assert notebook.exists()
    found = anchors(site / f"notebooks/{chapter.stem}.html").links
    owner = repository().removeprefix("https://github.com/")
    colab = "https://colab.research.google.com/github"
    assert f"{colab}/{owner}/blob/main/notebooks/{notebook.name}" in found
    assert f"../_sources/notebooks/{notebook.name}" in found
    download = site / "_sources/notebooks" / notebook.name
    assert json.loads(download.read_text()) == json.loads(notebook.read_text())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_links_to_the_repository(site, name):
    assert repository() in anchors(site / name).links


def test_a_fork_links_to_itself(tmp_path):
    """A book of one page, built as the whole is, with the address of a fork."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["sphinx"]["local_extensions"] = {"tools.site": str(ROOT)}
    for name in ("templates_path", "html_static_path", "html_css_files", "html_js_files"):
        del config["sphinx"]["config"][name]
    del config["html"]["favicon"]
    (tmp_path / "references.bib").write_text("")
    config["bibtex_bibfiles"] = ["references.bib"]
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: one\n")
    cells = [{"cell_type": "markdown", "id": "one", "metadata": {},
              "source": "# One\n\n{{ repository }}\n\n{{ clone }}"}]  # fmt: skip
    kernel = {"kernelspec": {"display_name": "Python 3", "name": "python3"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "one.ipynb").write_text(json.dumps(notebook))
    fork = "https://github.com/somebody/their-fork"
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", tmp_path, "-n", "-W", "-q"],
        env=os.environ | {"BOOK_REPOSITORY": fork},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = tmp_path / "_build/html/one.html"
    found = anchors(built).links
    colab = "https://colab.research.google.com/github"
    assert f"{colab}/somebody/their-fork/blob/main/one.ipynb" in found
    assert found.count(fork) >= 2
    assert f"git clone {fork}" in html.unescape(re.sub("<.*?>", "", built.read_text()))
    assert "attention-book/attention-book" not in built.read_text()
