"""A chapter links to the site by its address; on the site such a link leads from page to page.

So it works from a file, without the network and in a fork, and a page that is missing is a warning.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from tools.chapters import ROOT, site


def lead_home(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Make links to the site's own address relative."""
    home = site(ROOT)
    for link in doctree.findall(nodes.reference):
        address = link.get("refuri", "")
        if address == home or address.startswith(f"{home}/"):
            path, mark, anchor = address.removeprefix(home).strip("/").partition("#")
            name = path.removesuffix(".html") or app.config.root_doc
            if name not in app.env.found_docs:
                logging.getLogger(__name__).warning(
                    "there is no page %r on the site", name,
                    location=link, type="book", subtype="link",
                )  # fmt: skip
            link["refuri"] = app.builder.get_relative_uri(page, name) + mark + anchor
            link["internal"] = True


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", lead_home)
