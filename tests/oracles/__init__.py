"""The same weights in somebody else's package.

`ORACLES` of a family's file maps a mechanism to its oracles: dotted name -> function.  The function
takes our module and returns theirs with a dictionary: for each of their parameters and buffers,
the tensor of ours that it must be, reshaped as they keep it.  Gradients then flow to our own.
"""

from importlib import import_module
from importlib.util import find_spec

from tests.oracles import torchvision_ops  # noqa: F401  (before timm and torchvision)


def of(mechanism: str, family: str) -> dict:
    """The oracles of a mechanism: name -> function; a family without any needs no file."""
    name = f"tests.oracles.{family}"
    return import_module(name).ORACLES.get(mechanism, {}) if find_spec(name) else {}
