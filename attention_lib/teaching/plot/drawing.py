"""How a figure gets onto a page: as SVG, sharp on every screen, with small bitmaps inside.

This is the one file of the folder that needs matplotlib at once; the others import it when they
draw.
"""

import re
from base64 import b64decode, b64encode
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

FONTS = "DejaVu Sans, Verdana, sans-serif"  # equally wide: the first is matplotlib's
AS_TEXT: "dict[RcKeyType, Any]" = {  # words stay words, and no id varies
    "svg.fonttype": "none",
    "svg.hashsalt": "attention",
}
PHOTOGRAPH = 128 * 128  # pixels: a larger picture of many colours is kept as JPEG
# What matplotlib writes that a page has no use for, and what takes its place.
NEEDLESS = (
    (r"(?s)^.*?(?=<svg)", ""),  # the declaration: the figure stands inside a page
    (r"(?s)<metadata>.*?</metadata>", ""),
    (r"(?s)<style.*?</style>", ""),  # it would be a style of the whole page; see ROOT
    (r"(?s)<!--.*?-->", ""),
    (r' (?:xmlns:xlink|version)="[^"]*"', ""),
    (r"xlink:href", "href"),
    (r'(?<=[;"]) *font-family: [^;"]*(?:; )?', ""),
    (r' (?:style|transform)="(?:rotate\(-?0 [^)]*\))?"', ""),
    (
        r' fill="(#\w+)"',
        r' style="fill: \1"',
    ),  # where a page can set it
    (r"(\d\.\d{3})\d+", r"\1"),
    (r"\s+(?=[<>\"])|(?<=[<>\"])\s{2,}|(?<=>)\s+", ""),
    (r"\s+", " "),
)
ROOT = f'<svg font-family="{FONTS}" stroke-linejoin="round" '


class Drawing(Figure):
    """A matplotlib Figure that a notebook shows as SVG.

    It is shown in an `<img>`: a picture of the kind SVG is left out by JupyterLab until it trusts
    the notebook, and by GitHub, and has no place for a text alternative.
    """

    def svg(self) -> str:
        """The figure as one element, `<svg>`; drawn again, it is the same text."""
        written = StringIO()
        with rc_context(AS_TEXT):
            self.savefig(written, format="svg", metadata={"Date": None})
        return lightened(written.getvalue())

    def html(self) -> str:
        """The figure as an `<img>`, whose text alternative is still to be written."""
        return f'<img alt="" src="data:image/svg+xml,{quote(self.svg(), safe=SAFE)}">'

    def _ipython_display_(self) -> None:
        from builtins import display  # type: ignore[attr-defined]  # IPython puts it there

        display({"text/html": self.html(), "text/plain": repr(self)}, raw=True)


SAFE = " !$'()*+,-./:;=?@^_|~"  # what an address in an attribute may hold as it is


def lightened(svg: str) -> str:
    """An SVG of matplotlib's without what a page has no use for."""
    svg = re.sub(r"<image [^>]*>", _small_bitmap, svg)
    for pattern, replacement in NEEDLESS:
        svg = re.sub(pattern, replacement, svg)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
    return svg.replace("<svg ", ROOT, 1)


def _small_bitmap(element: re.Match[str]) -> str:
    """An <image> of few bytes: a photograph as JPEG, and what has few colours with a palette."""
    href = re.compile(r'data:image/png;base64,([^"]*)')
    with Image.open(BytesIO(b64decode(href.search(element[0])[1]))) as picture:  # type: ignore[index]
        plain = picture.convert("RGB")
    written, kind = BytesIO(), "png"
    if plain.getcolors(256):
        plain.quantize(256, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    elif plain.width * plain.height <= PHOTOGRAPH:
        plain.save(written, "PNG", optimize=True)
    else:
        kind = "jpeg"
        plain.save(written, "JPEG", quality=88, optimize=True)
    text = href.sub(
        f"data:image/{kind};base64,{b64encode(written.getvalue()).decode()}", element[0]
    )
    return text if kind == "png" else re.sub(r' style="image-rendering[^"]*"', "", text)
