"""Photograph every page, wide and narrow, light and dark: `python -m tools.screenshots [page ...]`.

The pictures go to `_build/screenshots/`, to be looked at by a person.
"""

import sys
from itertools import product

from tools.browser import HTML, browser, page_names, served
from tools.chapters import ROOT

WIDTHS = {"wide": 1280, "narrow": 375}
THEMES = ("light", "dark")
TALLEST = 6000  # a longer page is cut


def main(wanted: list[str]) -> None:
    if not HTML.exists():
        raise SystemExit("there is no site to photograph; type: make book")
    target = ROOT / "_build/screenshots"
    target.mkdir(parents=True, exist_ok=True)
    names = [name for name in page_names() if not wanted or any(w in name for w in wanted)]
    with served() as address, browser() as opened:
        for theme, (label, width) in product(THEMES, WIDTHS.items()):
            page = opened.new_page(viewport={"width": width, "height": 800})
            page.add_init_script(f"localStorage.mode = localStorage.theme = '{theme}'")
            for name in names:
                page.set_viewport_size({"width": width, "height": 800})
                page.goto(f"{address}/{name}", wait_until="networkidle")
                height = page.evaluate("document.documentElement.scrollHeight")
                page.set_viewport_size({"width": width, "height": min(height, TALLEST)})
                stem = name.removesuffix(".html").replace("/", "-")
                page.screenshot(path=target / f"{stem}-{label}-{theme}.png")
            page.close()
    print(f"{len(names) * len(WIDTHS) * len(THEMES)} pictures in {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
