"""What a module's constructor was told, as its `print` shows it."""

import inspect

from torch import nn


def constructor_arguments(module: nn.Module) -> str:
    """The constructor's arguments, of which the module keeps each under its name.

    class Gate(nn.Module):
        extra_repr = constructor_arguments
    """
    names = inspect.signature(type(module)).parameters
    return ", ".join(f"{name}={getattr(module, name)!r}" for name in names)
