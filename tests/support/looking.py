"""Look at a page as its readers do, and list what is wrong with it, by subject.

look(page, address, "book/intro.html", folder)["mathematics"] == []
"""

from collections.abc import Callable, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tools.browser import HTML, page_names
from tools.folds import FOLDS

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 375, "height": 800}
MEGABYTES = 3
FOLD_TITLES = "|".join(
    [fold.title.replace("N", r"\d+") for fold in FOLDS.values()]
    + ["Code of this table", "Code of this listing"]
)
LOOKS = Path(__file__).with_name("looks.js").read_text("utf-8")
COLOURS = ("color-contrast", "link-in-text-block")
SUBJECTS = (
    "requests",
    "mathematics",
    "pictures",
    "icons",
    "search box",
    "reading",
    "beginning",
    "skip link",
    "phone",
    "weight",
    "links",
    "axe, light",
    "axe, dark",
    "axe, phone",
)
# Of the site, if it is built; index.html only leads on to the first page.
PAGES = [name for name in page_names() if name != "index.html"] if HTML.is_dir() else []


def subjects(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """What is looked at on a page of a site, given the names of all its pages.

    Everything; but the pages of mechanisms follow one pattern. Axe tries the first of each family,
    and the dark colours on the first of all.
    """
    family = PurePosixPath(name).parent
    if family.parent.name != "api":
        return SUBJECTS
    alike = [other for other in names if PurePosixPath(other).parent.parent == family.parent]
    if name == min(alike):
        return SUBJECTS
    first = name == min(other for other in alike if PurePosixPath(other).parent == family)
    return tuple(s for s in SUBJECTS if not s.startswith("axe") or (first and s != "axe, dark"))


def look(
    page: Page, address: str, name: str, folder: Path, wanted: Sequence[str] = SUBJECTS
) -> dict[str, list[str]]:
    """Visit a page, wide and narrow, light and dark.

    Args:
        page: of a browser that reaches nothing but the loopback address.
        address: where `folder` is served.
        name: the page's path in it.
        wanted: the subjects; axe is run for those of its name alone.

    Returns:
        For each subject that was looked at, what is wrong.
    """
    wrong: dict[str, list[str]] = {"requests": []}
    asked: set[str] = set()
    listeners: dict[str, Callable] = {
        "request": lambda request: asked.add(request.url),
        "requestfailed": lambda r: wrong["requests"].append(f"failed: {r.url}"),
        "response": lambda r: r.status >= 400 and wrong["requests"].append(f"{r.status}: {r.url}"),
        "pageerror": lambda error: wrong["requests"].append(f"script: {error}"),
        "console": lambda m: m.type == "error" and wrong["requests"].append(f"console: {m.text}"),
    }
    page.set_viewport_size(WIDE)
    for event, listener in listeners.items():
        page.on(event, listener)
    page.goto(f"{address}/{name}", wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise.then(() => document.fonts.ready.then(() => 0))")

    page.evaluate(LOOKS)

    def complaints(*scripts: str) -> list[str]:
        return [told for script in scripts for told in page.evaluate(f"looks.{script}()")]

    wrong["mathematics"] = complaints("rawMathematics")
    wrong["pictures"] = complaints("pictures")
    wrong["icons"] = complaints("icons")
    wrong["search box"] = complaints("searchBoxes")
    wrong["reading"] = complaints("cut", "broken", "smallCode")
    wrong["beginning"] = page.evaluate("(titles) => looks.beginning(titles)", FOLD_TITLES)
    page.keyboard.press("Tab")
    wrong["skip link"] = complaints("skipLink")
    page.evaluate("document.activeElement.blur()")
    page.set_viewport_size(NARROW)
    wrong["phone"] = complaints("tooWide", "drawnTooWide", "cutOff", "smallWords")
    wrong["search box"] += complaints("searchBoxes")
    page.set_viewport_size(WIDE)
    for event, listener in listeners.items():  # before axe: a thinned page is no longer its own
        page.remove_listener(event, listener)
    wrong |= with_axe(page, wanted)

    abroad = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    wrong["requests"] += [f"another host: {url}" for url in abroad]
    weight = sum(file(folder, url).stat().st_size for url in asked if file(folder, url).is_file())
    heavy = weight > MEGABYTES * 1e6
    wrong["weight"] = [f"{weight / 1e6:.2f} MB with all that it loads"] if heavy else []
    wrong["links"] = broken_links(folder, name)
    return wrong


def with_axe(page: Page, wanted: Sequence[str]) -> dict[str, list[str]]:
    """What axe says of a page that is seen wide, which is thinned: load it again for other looks.

    Most of axe's time goes into colours, so they are looked at last, on a few texts of each kind.
    """
    wrong: dict[str, list[str]] = {}
    themes = [theme for theme in ("light", "dark") if f"axe, {theme}" in wanted]
    if not (themes or "axe, phone" in wanted):
        return wrong
    for script in (AXE_SCRIPT, LOOKS):
        page.evaluate(script)
    page.evaluate("looks.thin()")
    page.evaluate("looks.flat()")
    if "light" in themes:  # a theme changes colours alone
        wrong["axe, light"] = axe(page, but=COLOURS)
    if "axe, phone" in wanted:
        page.set_viewport_size(NARROW)
        wrong["axe, phone"] = axe(page, only=("scrollable-region-focusable", "target-size"))
        page.set_viewport_size(WIDE)
    for theme in themes:
        dress(page, theme)
        page.evaluate("looks.coloured()")
    page.evaluate("looks.few()")
    for theme in themes:
        dress(page, theme)
        wrong[f"axe, {theme}"] = wrong.get(f"axe, {theme}", []) + axe(page, only=COLOURS)
    return wrong


def dress(page: Page, theme: str) -> None:
    """Put a page in the light or the dark theme, at once."""
    page.evaluate(
        """(theme) => {
          const still = document.createElement("style");
          still.textContent = "* { transition: none !important }";
          document.head.append(still);
          Object.assign(document.documentElement.dataset, { theme, mode: theme });
        }""",
        theme,
    )


def axe(page: Page, only: Sequence[str] = (), but: Sequence[str] = ()) -> list[str]:
    """What axe finds serious or critical, or outside of all landmarks, by all its rules or by some.

    The page has been given AXE_SCRIPT.
    """
    options: dict[str, object] = {"resultTypes": ["violations"], "preload": False}
    if only:
        options["runOnly"] = {"type": "rule", "values": only}
    options["rules"] = {rule: {"enabled": False} for rule in but}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:120]}"
        for rule in found
        if rule["impact"] in ("serious", "critical") or rule["id"] == "region"
        for node in rule["nodes"]
    ]


def file(folder: Path, url: str) -> Path:
    """The file that a request of the served folder asks for."""
    return folder / unquote(urlsplit(url).path).lstrip("/")


class Anchors(HTMLParser):
    """Where the links of a page lead, and the places in it that a link can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str | None] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attrs)
        self.places |= {given.get("id"), given.get("name")}
        attribute = "href" if tag in ("a", "link") else "src" if tag in ("script", "img") else ""
        if attribute in given:
            (self.links if tag == "a" else self.loads).append(given[attribute] or "")


@cache
def anchors(path: Path) -> Anchors:
    """Those of a page, which is read once: other pages lead to it by the hundred."""
    return Anchors(path.read_text(encoding="utf-8"))


def broken_links(folder: Path, name: str) -> list[str]:
    """Links of a page that lead to no file of the site, or to no place in it."""
    wrong, here = [], anchors(folder / name)
    for link in (*here.links, *here.loads):
        parts = urlsplit(urljoin(f"http://this.site/{name}", link))
        if parts.hostname != "this.site":
            continue
        target = folder / unquote(parts.path).lstrip("/")
        if not target.is_file():
            wrong.append(f"no such file: {link}")
        elif not parts.fragment or target.suffix != ".html":
            continue
        elif unquote(parts.fragment) not in anchors(target).places:
            wrong.append(f"no such place: {link}")
    return wrong
