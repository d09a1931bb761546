"""A picture without a text alternative is a warning, and with it an error; pictures are light."""

from io import BytesIO
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging


def lighten_pictures(app: Sphinx, error: Exception | None) -> None:
    """Keep of each picture the 256 colours that show it best, and no alpha that says opaque."""
    if error or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_images").glob("*.png"):
        with Image.open(path) as picture:
            opaque = picture.mode == "RGB" or (
                picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255)
            )
            if not opaque:
                continue
            plain = picture.convert("RGB")
        drawn = plain.getcolors(4096)  # None of a photograph, whose shades are mixed of dots
        dither = Image.Dither.NONE if drawn else Image.Dither.FLOYDSTEINBERG
        packed = BytesIO()
        plain.quantize(256, dither=dither).save(packed, "PNG", optimize=True)
        if packed.tell() < path.stat().st_size:
            path.write_bytes(packed.getvalue())


def demand_text_alternatives(app: Sphinx, doctree: nodes.document, page: str) -> None:
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logging.getLogger(__name__).warning(
                "%s has no text alternative; say in it what is to be seen", image["uri"],
                location=image, type="book", subtype="alt",
            )  # fmt: skip


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", demand_text_alternatives)
    app.connect("build-finished", lighten_pictures)
