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

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 375, "height": 800}
MEGABYTES = 3
COLOURS = ("color-contrast", "link-in-text-block")
SUBJECTS = (
    "requests",
    "mathematics",
    "pictures",
    "icons",
    "search box",
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

# Each returns a list of complaints.
RAW_MATHEMATICS = r"""() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("pre, code, script, style, noscript, mjx-container")) continue;
    if (/\$|\\\(|\\\[|\\begin\{/.test(node.data)) found.push("not typeset: " + node.data.trim());
  }
  for (const box of document.querySelectorAll(".math"))
    if (!box.querySelector("mjx-container")) found.push("not typeset: " + box.innerText);
  for (const bad of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
    found.push("MathJax: " + (bad.getAttribute("data-mjx-error") || bad.innerText));
  return found;
}"""
PICTURES = """() => [...document.images].flatMap((image) => [
  ...(image.complete && image.naturalWidth ? [] : ["not loaded: " + image.src]),
  ...(image.alt.trim() ? [] : ["no text alternative: " + image.src]),
]).concat([...document.querySelectorAll("svg.drawn")]
  .filter((figure) => !figure.getAttribute("aria-label")?.trim())
  .map((figure) => "no text alternative: " + figure.textContent.slice(0, 60)))"""
SMALL_WORDS = """() => [...document.querySelectorAll("svg.drawn text")]
  .filter((words) => words.checkVisibility())
  .map((words) => {
    const { a, b } = words.getScreenCTM();
    return [words, parseFloat(getComputedStyle(words).fontSize) * Math.hypot(a, b)];
  })
  .filter(([words, size]) => size < 9)
  .map(([words, size]) => `${size.toFixed(1)} px are the words ${words.textContent}`)"""
ICONS = """() => [...document.querySelectorAll("i[class*='fa-']")]
  .filter((icon) => icon.checkVisibility())
  .filter((icon) => ["none", ""].includes(getComputedStyle(icon, "::before").content))
  .map((icon) => "not drawn: " + icon.className)"""
SEARCH_BOXES = """() => {
  const boxes = "input[type=search], .search-button, .search-button-field";
  const seen = [...document.querySelectorAll(boxes)].filter((box) => {
    const place = box.getBoundingClientRect();
    const shown = box.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return shown && place.width && place.right > 0 && place.left < innerWidth;
  });
  return seen.length === 1 ? [] : [`${seen.length} search boxes at width ${innerWidth}`];
}"""
SKIP_LINK = """() => {
  const link = document.activeElement;
  const target = link.hash && document.querySelector(link.hash);
  return target ? [] : ["the first Tab reaches " + link.outerHTML.slice(0, 80)];
}"""
TOO_WIDE = """() => {
  const width = document.documentElement.scrollWidth;
  if (width <= innerWidth) return [];
  const wide = [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => `${e.tagName}.${e.className}`);
  return [`${width} wide on a screen of ${innerWidth}: ${wide.slice(0, 5).join(", ")}`];
}"""
# A diagram may scroll in its box, but on a phone none should.
DRAWN_TOO_WIDE = """() => [...document.querySelectorAll("figure.flow > svg")]
  .filter((part) => part.getBoundingClientRect().right > innerWidth || part.clientWidth < 100)
  .filter((part) => part.checkVisibility() && !part.closest(".flows"))
  .map((part) => "a drawing leaves the screen: " + part.getAttribute("aria-label").slice(0, 40))"""
CUT_OFF = """() => [...document.querySelectorAll("div.math")].flatMap((box) =>
  [...box.querySelectorAll("mjx-container")]
    .filter((formula) => formula.getBoundingClientRect().left + box.scrollLeft
                         < box.getBoundingClientRect().left - 1)
    .map((formula) => "begins where nobody can scroll: " + formula.innerText.slice(0, 60)))"""

# A program's words are thousands of elements of a few classes. One of each class is enough, if axe
# sees it: not one in a folded cell, or scrolled out of its block.
THIN = """() => {
  const kept = new Set();
  const spare = [...document.querySelectorAll(".highlight pre span")].filter((token) => {
    const code = token.closest("pre");
    const block = code.parentElement.parentElement.className;
    const kind = [token.className, token.parentElement.className, block].join(" in ");
    const seen = token.textContent.trim() && token.checkVisibility()
      && token.getBoundingClientRect().right < code.getBoundingClientRect().right;
    return !seen || kept.size === kept.add(kind).size;
  });
  for (const token of spare) token.replaceWith(...token.childNodes);
  document.querySelectorAll(".highlight pre").forEach((code) => code.normalize());
  window.dispatchEvent(new Event("resize"));  // fewer bold letters: other boxes scroll
}"""


# Formulas and drawings are thousands of elements. One in each kind of place is enough.
FLAT = """() => {
  const kept = new Set();
  for (const part of document.querySelectorAll("mjx-container, svg[role=img][aria-label]")) {
    const place = part.parentElement.closest("p, li, td, th, h1, h2, h3, figure, div");
    const kind = `${part.tagName} in ${place?.tagName}.${place?.className}`;
    if (kept.size === kept.add(kind).size) part.replaceChildren(part.matches("svg") ? "" : "x");
  }
}"""
# What decides whether a text can be read: notes its colours, and what it is drawn on.
COLOURED = """() => {
  window.texts ??= new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (!text.data.trim()) continue;
    const { color, fontSize, fontWeight, textDecorationLine, textShadow } =
      getComputedStyle(text.parentElement);
    const kind = [color, fontSize, fontWeight, textDecorationLine, textShadow,
      text.parentElement.closest("a") ? "in a link" : "", texts.get(text) ?? ""];
    for (let around = text.parentElement; around; around = around.parentElement) {
      const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(around);
      kind.push(backgroundColor, backgroundImage, opacity, filter);
      if (/^rgb\\(/.test(backgroundColor)) break;  // nothing behind it is seen
    }
    texts.set(text, kind.join());
  }
}"""
# Three blocks for each kind of text keep their words; the others are like them.
FEW = """() => {
  const blocks = new Map(), counts = new Map();
  const block = "p, li, dt, dd, td, th, pre, h1, h2, h3, h4, label, button, summary, div";
  for (const text of window.texts.keys()) {
    const around = text.parentElement.closest(block) ?? document.body;
    blocks.set(around, [...(blocks.get(around) ?? []), text]);
  }
  for (const [around, inside] of blocks) {
    const kinds = around.checkVisibility() ? inside.map((text) => window.texts.get(text)) : [];
    if (kinds.some((kind) => (counts.get(kind) ?? 0) < 3))
      for (const kind of new Set(kinds)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    else for (const text of inside) text.data = "";
  }
  for (const part of document.querySelectorAll("body *"))
    if (!part.textContent.trim()) part.remove();
  delete window.texts;
}"""


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

    wrong["mathematics"] = page.evaluate(RAW_MATHEMATICS)
    wrong["pictures"] = page.evaluate(PICTURES)
    wrong["icons"] = page.evaluate(ICONS)
    wrong["search box"] = page.evaluate(SEARCH_BOXES)
    page.keyboard.press("Tab")
    wrong["skip link"] = page.evaluate(SKIP_LINK)
    page.evaluate("document.activeElement.blur()")
    page.set_viewport_size(NARROW)
    wrong["phone"] = [
        found
        for script in (TOO_WIDE, DRAWN_TOO_WIDE, CUT_OFF, SMALL_WORDS)
        for found in page.evaluate(script)
    ]
    wrong["search box"] += page.evaluate(SEARCH_BOXES)
    page.set_viewport_size(WIDE)
    wrong |= with_axe(page, wanted)

    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    abroad = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    wrong["requests"] += [f"another host: {url}" for url in abroad]
    weight = sum(file(folder, url).stat().st_size for url in asked if file(folder, url).is_file())
    heavy = weight > MEGABYTES * 1e6
    wrong["weight"] = [f"{weight / 1e6:.2f} MB with all that it loads"] if heavy else []
    wrong["links"] = broken_links(folder, name)
    return wrong


def with_axe(page: Page, wanted: Sequence[str]) -> dict[str, list[str]]:
    """What axe says of a page that is seen wide, which is thinned: load it anew for other looks.

    Most of axe's time goes into colours, so they are looked at last, on a few texts of each kind.
    """
    wrong: dict[str, list[str]] = {}
    themes = [theme for theme in ("light", "dark") if f"axe, {theme}" in wanted]
    if not (themes or "axe, phone" in wanted):
        return wrong
    page.evaluate(AXE_SCRIPT)
    page.evaluate(THIN)
    page.evaluate(FLAT)
    if "axe, phone" in wanted:
        page.set_viewport_size(NARROW)
        wrong["axe, phone"] = axe(page, only=("scrollable-region-focusable", "target-size"))
        page.set_viewport_size(WIDE)
    if "light" in themes:  # a theme changes colours alone
        wrong["axe, light"] = axe(page, but=COLOURS)
    for theme in themes:
        dress(page, theme)
        page.evaluate(COLOURED)
    page.evaluate(FEW)
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
