"""What a table is made of: rules that rename a tensor, and change its shape where needed."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


def as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def squeezed(tensor: Tensor) -> Tensor:
    """The weight of a 1×1 convolution as that of a linear layer; a bias as it is."""
    return tensor.flatten(1) if tensor.ndim > 2 else tensor


def unsqueezed(tensor: Tensor) -> Tensor:
    """The weight of a linear layer as that of a 1×1 convolution; a bias as it is."""
    return tensor.unflatten(1, (-1, 1, 1)) if tensor.ndim == 2 else tensor


def transposed(tensor: Tensor) -> Tensor:
    """The weight of a layer that multiplies from the left as that of one that does so from the
    right, as in TensorFlow; a bias as it is."""
    return tensor.mT if tensor.ndim == 2 else tensor


def flat(tensor: Tensor) -> Tensor:
    return tensor.flatten()


def stacked(*tensors: Tensor) -> Tensor:
    """Layers that read the same, as one."""
    return torch.cat(tensors)


def stacked_across(*tensors: Tensor) -> Tensor:
    """Matrices that multiply the same from the right, as one that multiplies it from the left."""
    return stacked(*(transposed(tensor) for tensor in tensors))


def stacked_squeezed(*tensors: Tensor) -> Tensor:
    """1×1 convolutions that read the same, as one linear layer."""
    return stacked(*(squeezed(tensor) for tensor in tensors))


def taken_off(mean: Tensor, bias: Tensor) -> Tensor:
    """The running mean of a BatchNorm in front of which there is no bias, where theirs has one."""
    return mean - bias


def added(bias: Tensor, other: Tensor) -> Tensor:
    """One bias in place of two."""
    return bias + other


def first_half(tensor: Tensor) -> Tensor:
    """Of what a layer reads."""
    return tensor.chunk(2, dim=1)[0]


def second_half(tensor: Tensor) -> Tensor:
    """Of what a layer reads."""
    return tensor.chunk(2, dim=1)[1]


class Rule(NamedTuple):
    """Their name, as a regular expression, and ours, as what takes its place.

    No name in place of ours leaves out what cannot change an answer, such as a bias in a softmax,
    and what their class has around it, such as a norm.
    """

    theirs: str
    ours: str
    change: Callable[[Tensor], Tensor] = as_it_is


class Joined(NamedTuple):
    """One of ours, made of several of theirs or of a part of one, by their whole names."""

    ours: str
    theirs: tuple[str, ...]
    change: Callable[..., Tensor] = stacked


Table = Sequence[Rule | Joined]


class Published(NamedTuple):
    """Whose weights, under which names.

    Args:
        source: a repository at a commit and a file in it, `owner/name@commit:path`; or a package.
        table: what renames them; a function of our module, where it depends on its arguments.
        needs: how our module must be made beside its defaults, for a reader.
    """

    source: str
    table: Table | Callable[[Any], Table] = ()
    needs: str = ""

    def rules(self, module: nn.Module) -> Table:
        return self.table(module) if callable(self.table) else self.table


def renamed(state: Mapping[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Every tensor under our name: of the rules, the first that fits it is applied."""
    joined = [rule for rule in table if isinstance(rule, Joined) and {*rule.theirs} <= {*state}]
    used = {name for rule in joined for name in rule.theirs}
    found = {}
    for name, tensor in state.items():
        for rule in table:
            if isinstance(rule, Rule) and re.search(rule.theirs, name):
                if rule.ours:
                    found[re.sub(rule.theirs, rule.ours, name)] = rule.change(tensor)
                break
        else:
            if name not in used:
                found[name] = tensor
    return found | {
        ours: change(*(state[name] for name in names)) for ours, names, change in joined
    }
