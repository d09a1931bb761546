"""What a table is made of: rules that rename a tensor, and change its shape where needed."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor


def as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def squeezed(tensor: Tensor) -> Tensor:
    """The weight of a 1×1 convolution as that of a linear layer."""
    return tensor.flatten(1)


class Rule(NamedTuple):
    """Their name, as a regular expression, and ours, as what takes its place."""

    theirs: str
    ours: str
    change: Callable[[Tensor], Tensor] = as_it_is


Table = Sequence[Rule]


def renamed(state: Mapping[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Every tensor under our name: of the rules, the first that fits it is applied."""
    found = {}
    for name, tensor in state.items():
        for rule in table:
            ours, fits = re.subn(rule.theirs, rule.ours, name)
            if fits:
                name, tensor = ours, rule.change(tensor)
                break
        found[name] = tensor
    return found
