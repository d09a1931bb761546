"""What the site needs beyond Jupyter Book, one file a concern; Sphinx loads it, see _config.yml."""

from importlib import import_module
from pkgutil import iter_modules

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Set up every file of this folder."""
    for module in sorted(module.name for module in iter_modules(__path__)):
        import_module(f"{__name__}.{module}").setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
