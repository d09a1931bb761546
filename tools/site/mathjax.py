"""MathJax is served by the site itself, to the pages that have a formula."""

from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

from sphinx.application import Sphinx
from sphinx.config import Config

# MathJax in one file, the fonts it draws with, and what a formula may ask for by name
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2/*", "input/tex/extensions/*.js")


def set_mathjax(app: Sphinx, config: Config) -> None:
    config.mathjax_path = "mathjax/tex-chtml.js"


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


def spare_mathjax(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Take it from a page without formulas; Sphinx gives it also to the pages above one."""
    if 'class="math' not in context.get("body", ""):
        files = context["script_files"]
        files[:] = [each for each in files if "mathjax" not in str(each.filename)]


def setup(app: Sphinx) -> None:
    app.connect("config-inited", set_mathjax, priority=1)
    app.connect("html-page-context", spare_mathjax, priority=900)
    app.connect("build-finished", copy_mathjax)
