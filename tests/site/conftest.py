"""The built site, served to a real browser that reaches no other host."""

from pathlib import Path

import pytest

from tests.support.looking import PAGES, WIDE, look, subjects
from tools.browser import HTML, browser, served
from tools.chapters import ROOT

# What a page is made from, apart from what tools.pages writes.
SOURCES = ("_config.yml", "_toc.yml", "book/*.md", "book/references.bib", "book/_static/*",
           "book/_templates/**/*", "book/elsewhere/*.yml", "book/questions/*.yml",
           "tools/questions.py", "book/results/**/*.json", "notebooks/*.ipynb",
           "attention_lib/**/*.py", "tools/pages/*.py", "tools/site/*.py", "tools/selection.py",
           "tools/flowchart.py")  # fmt: skip
WRITTEN = {"changes.md", "cite.md", "library.md", "mechanisms.md", "status.md"}


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
