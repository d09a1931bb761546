"""Attention mechanisms, each on a page of its own.

    from attention_lib import create
    gate = create("se", 64)                   # by any of its names ...
    from attention_lib.channel import SqueezeExcitation
    gate = SqueezeExcitation(channels=64)     # ... or by class

`catalog()` lists what there is; `find` gives the card of one mechanism, by name, class or instance.
`measure` counts what a module costs, `check` holds one to the contract, `insert` puts a mechanism
into a network, `on_maps` and `on_tokens` give it the other layout, and `load_official` reads
weights that others have published.
"""

from importlib import import_module
from typing import TYPE_CHECKING

# not lazy: importing the modules of these names later would put them in place of the functions
from attention_lib.catalog import catalog, create, find
from attention_lib.measure import measure

if TYPE_CHECKING:
    from attention_lib.adapt import insert, on_maps, on_tokens
    from attention_lib.checks.adopt import check
    from attention_lib.official import load_official

__all__ = [
    "catalog",
    "check",
    "create",
    "find",
    "insert",
    "load_official",
    "measure",
    "on_maps",
    "on_tokens",
]
__version__ = "0.1.0"
_ROOMS = {
    "check": "checks.adopt",
    "insert": "adapt",
    "load_official": "official",
    "on_maps": "adapt",
    "on_tokens": "adapt",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
