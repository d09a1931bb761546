"""A case of `tests/official`, and the layers of which the authors' answers are made there."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


class Case(NamedTuple):
    """One set of weights: for our module, and what their authors make of it and an input."""

    source: str  # how that of the table begins
    module: nn.Module
    shapes: Mapping[str, tuple[int, ...]]
    answer: Callable[..., Tensor]  # (weights, x, …)
    inputs: tuple  # the shape of x; what else is passed stands as it is
    dispensable: str = ""  # a regular expression of names that an answer does not depend on


def layer(name: str, out: int, into: int, *kernel: int, bias: bool = True) -> dict:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": (out, into, *kernel)}
    return shapes | ({f"{name}.bias": (out,)} if bias else {})


def norm(name: str, size: int) -> dict:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def batch_norm(name: str, size: int) -> dict:
    statistics = {f"{name}.running_mean": (size,), f"{name}.running_var": (size,)}
    return norm(name, size) | statistics | {f"{name}.num_batches_tracked": ()}


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights of these names and shapes."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, dtype=torch.float64, generator=generator) / 2
        value = value.exp() if name.endswith("running_var") else value
        weights[name] = value.long() if name.endswith("num_batches_tracked") else value
    return weights


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A layer on the last axis; the weight may be that of a 1×1 convolution."""
    return F.linear(x, weights[f"{name}.weight"].flatten(1), weights.get(f"{name}.bias"))


def conv(weights: Weights, name: str, x: Tensor, **how: int) -> Tensor:
    weight = weights[f"{name}.weight"]
    size = weight.shape[-1] // 2 * how.get("dilation", 1)
    return F.conv2d(x, weight, weights.get(f"{name}.bias"), padding=size, **how)


def normed(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A BatchNorm in eval mode."""
    kinds = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(weights[f"{name}.{kind}"] for kind in kinds))


def layer_normed(weights: Weights, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return F.layer_norm(x, weight.shape, weight, bias, eps)


def means(x: Tensor) -> Tensor:
    return x.mean(dim=(2, 3))
