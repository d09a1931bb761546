"""What references and oracles share: the cases, and how two answers are compared."""

import pytest
import torch
from torch import is_tensor

from attention_lib.bench import realistic
from attention_lib.card import Card
from attention_lib.catalog import catalog, find
from attention_lib.cost import measure

CASES = [(card, change) for card in catalog() for change in ({}, *card.variants)]


def of_family(card):
    """The mark by which one process takes a family's oracles: it alone imports their packages."""
    return pytest.mark.xdist_group(card.family)


def case_id(value):
    if isinstance(value, Card):
        return str(value)
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "example"
    return value


def answer_and_gradients(function, mechanism, inputs):
    """The answer, and the gradient of a random projection of it in every input and parameter."""
    inputs = [x.detach().clone().requires_grad_() if is_tensor(x) else x for x in inputs]
    answer = function(*inputs)
    direction = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1)).to(answer)
    leaves = {f"x{i}": x for i, x in enumerate(inputs) if is_tensor(x)}
    leaves |= dict(mechanism.named_parameters())
    gradients = torch.autograd.grad(answer, [*leaves.values()], direction)
    return {"answer": answer.detach()} | dict(zip(leaves, gradients, strict=True))


def largest_tensor(name, batch=1, **sizes):
    """Numbers in the largest tensor at these sizes: as counted, and as the card declares."""
    card = realistic(find(name), **sizes)
    with torch.device("meta"):
        counted = measure(card.build(), *card.inputs(batch=batch))
    return counted.memory, card.cost("memory", batch=batch)
