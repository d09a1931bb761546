"""Attention mechanisms, each on a page of its own.

    from attention_lib import create
    gate = create("se", channels=64)          # by alias ...
    from attention_lib.channel import SqueezeExcitation
    gate = SqueezeExcitation(channels=64)     # ... or by class

`catalog()` lists what there is; `find(name)` gives the card of one mechanism.
"""

from attention_lib.catalog import catalog, create, find

__all__ = ["catalog", "create", "find"]
__version__ = "0.1.0"
