"""What the site needs beyond Jupyter Book; Sphinx loads it as an extension, see _config.yml.

- The repository's address comes from `tools.chapters.repository`, so a fork's pages link to it.
- MathJax is served by the site itself.
- Below a cell that reads a measurement made with older code stands that it is so. It is said here
  and not by the cell, whose output would change whenever the library does.
- A picture without a text alternative is a warning, and with it an error.
- What the theme writes is mended where a screen reader would stumble.
"""

import re
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from shutil import copytree

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

from tools.chapters import ROOT, repository
from tools.stale import told

# MathJax in one file, the fonts it draws with, and what a formula may ask for by name
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2/*", "input/tex/extensions/*.js")


def set_address(app: Sphinx, config: Config, address: str | None = None) -> None:
    """Let buttons and text name the repository this is built for."""
    address = address or repository(ROOT)
    config.html_theme_options["repository_url"] = address
    folder = address.rstrip("/").rpartition("/")[2]
    config.myst_substitutions = {
        "repository": f"[{address}]({address})",
        "clone": f"```bash\ngit clone {address}\ncd {folder}\nmake book\nmake serve\n```",
    }


def set_mathjax(app: Sphinx, config: Config) -> None:
    config.mathjax_path = "mathjax/tex-chtml.js"


def set_older(app: Sphinx, config: Config) -> None:
    """As a value of the configuration: when it changes, Sphinx writes the pages again."""
    config.measured_on_older_code = told(ROOT)


def say_what_is_older(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put a note below each cell that reads a measurement of older code."""
    for cell in list(doctree.findall(nodes.container)):
        if "cell" in cell["classes"]:
            read = re.findall(r'\bstored\("([a-z0-9-]+)"\)', cell.astext())
            older = app.config.measured_on_older_code
            said = [older[name] for name in dict.fromkeys(read) if name in older]
            if said:
                note = nodes.note("", *(nodes.paragraph(text=sentence) for sentence in said))
                cell.parent.insert(cell.parent.index(cell) + 1, note)


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put the parts of MathJax that pages use beside them."""
    if error or app.builder.format != "html":
        return
    package = find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise SystemExit("MathJax is missing; type: pip install sphinx-mathjax-offline")
    source = Path(package.origin).parent / "static/mathjax"
    wanted = {path for pattern in MATHJAX for path in source.glob(pattern)}
    folders = {parent for path in wanted for parent in path.parents}

    def unwanted(folder: str, names: list[str]) -> list[str]:
        return [n for n in names if Path(folder, n) not in wanted | folders]

    target = Path(app.outdir, "_static/mathjax")
    copytree(source, target, ignore=unwanted, dirs_exist_ok=True)


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


def mend(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Correct what screen readers stumble over in what the theme and docutils write."""
    if "body" in context:  # a list whose children are no list items
        body = context["body"].replace('role="list" class="citation-list"', 'class="citation-list"')
        context["body"] = body.replace(' role="doc-biblioentry"', "")
    sidebar = context.get("generate_toctree_html")
    if sidebar:  # the buttons that unfold its sections have no name

        def named(*arguments: object, **options: object) -> str:
            name = "Show or hide the pages of this section"
            made = str(sidebar(*arguments, **options))
            return made.replace("<summary>", f'<summary aria-label="{name}">')

        context["generate_toctree_html"] = named


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", set_address, priority=1)
    app.connect("config-inited", set_mathjax, priority=1)
    app.add_config_value("measured_on_older_code", {}, "html", [dict])
    app.connect("config-inited", set_older, priority=1)
    app.connect("doctree-resolved", say_what_is_older)
    app.connect("doctree-resolved", demand_text_alternatives)
    app.connect("html-page-context", mend, priority=900)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", lighten_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
