"""What a page says of itself to search engines and where its address is shared: a card.

Description and title stand in the head; the picture of the card is drawn from the title.
"""

from html import escape
from pathlib import Path
from textwrap import wrap

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx

from tools.site.search import texts

SIZE, MARGIN = (1200, 630), 80
PAPER, INK, FAINT, ACCENT = "#ffffff", "#14181e", "#48566b", "#0072b2"
LONGEST = 200  # letters of a description
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1" />'


def description(app: Sphinx, page: str) -> str:
    """The first paragraph of a page, as far as whole sentences, or else words, fit."""
    said = (section["text"] for section in texts(app.env).get(page, []))
    first = next(filter(None, said), "").partition("\n")[0]
    if len(first) <= LONGEST:
        return first
    sentences = first[:LONGEST].rpartition(". ")[0]
    return f"{sentences}." if sentences else f"{first[:LONGEST].rpartition(' ')[0]} …"


def draw_card(title: str, book: str, path: Path) -> None:
    """A picture of a title, as wide and high as such cards are shown."""
    fonts = Path(matplotlib.get_data_path(), "fonts/ttf")
    large = ImageFont.truetype(fonts / "DejaVuSans-Bold.ttf", 68)
    small = ImageFont.truetype(fonts / "DejaVuSans.ttf", 36)
    card = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, 24, SIZE[1]), fill=ACCENT)
    lines = "\n".join(wrap(title, 25, max_lines=5, placeholder=" …"))
    draw.multiline_text((MARGIN, MARGIN), lines, INK, large, spacing=20)
    draw.text((MARGIN, SIZE[1] - MARGIN), book, FAINT, small, anchor="ls")
    path.parent.mkdir(parents=True, exist_ok=True)
    card.quantize(16).save(path)


def introduce(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Write the tags, and the picture that they name."""
    tags = str(context.get("metatags", "")).replace(VIEWPORT, "")  # the theme has one, too
    if page in app.env.found_docs:
        book, title = str(app.config.html_title), app.env.titles[page].astext()
        home, name = app.config.html_baseurl.rstrip("/"), page.replace("/", "-")
        draw_card(title, book, Path(app.outdir, f"_static/cards/{name}.png"))
        told = {
            "og:title": title,
            "og:description": description(app, page),
            "og:type": "article",
            "og:site_name": book,
            "og:url": f"{home}/{page}.html",
            "og:image": f"{home}/_static/cards/{name}.png",
            "og:image:alt": f"The title: {title}",
        }
        told = {name: escape(value) for name, value in told.items() if value}
        tags += f'<meta name="description" content="{told.get("og:description", title)}" />'
        tags += '<meta name="twitter:card" content="summary_large_image" />'
        tags += "".join(f'<meta property="{k}" content="{v}" />' for k, v in told.items())
    context["metatags"] = tags


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", introduce)
