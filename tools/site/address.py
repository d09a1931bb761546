"""The addresses come from `tools.chapters`, so a fork's pages link to the fork."""

from sphinx.application import Sphinx
from sphinx.config import Config

from tools.chapters import ROOT, repository, site


def set_address(app: Sphinx, config: Config, address: str | None = None) -> None:
    """Let buttons and text name the repository this is built for."""
    address = address or repository(ROOT)
    config.html_theme_options["repository_url"] = address
    config.html_baseurl = f"{site(ROOT)}/"
    folder = address.rstrip("/").rpartition("/")[2]
    config.myst_substitutions = {
        "repository": f"[{address}]({address})",
        "clone": f"```bash\ngit clone {address}\ncd {folder}\nmake book\nmake serve\n```",
    }


def setup(app: Sphinx) -> None:
    app.connect("config-inited", set_address, priority=1)
