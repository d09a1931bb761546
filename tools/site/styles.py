"""The styles of the pages that tools.pages writes."""

from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    app.add_css_file("pages.css")
