"""The site carries the library's wheel, so that a notebook can install it without git."""

from pathlib import Path
from shutil import copy

from sphinx.application import Sphinx

from tools.wheel import built_wheel


def copy_wheel(app: Sphinx, error: Exception | None) -> None:
    """Put the wheel where the install cell looks for it."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static/wheels")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    copy(built_wheel(), folder)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", copy_wheel)
