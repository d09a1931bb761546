"""What references and oracles share: the cases, and how two answers are compared.

Nothing here needs pytest, so that `make gpu` proves the same on another device.
"""

from copy import deepcopy
from importlib import import_module

import torch
from torch import is_tensor
from torch.testing import assert_close

from attention_lib.cards.card import Card
from attention_lib.catalog import catalog, find
from attention_lib.checks import ready
from attention_lib.measure.cost import measure
from attention_lib.measure.sizes import realistic

LOW = (torch.float16, torch.bfloat16, torch.float32)
CASES = [(card, change) for card in catalog() for change in ({}, *card.variants)]


def of_family(card):
    """The mark by which one process takes a family's oracles: it alone imports their packages."""
    import pytest  # only here, see above

    return pytest.mark.xdist_group(card.family)


def case_id(value):
    if isinstance(value, Card):
        return str(value)
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "example"
    return value


def answer_and_gradients(function, mechanism, inputs):
    """The answer, and the gradient of a random projection of it in every input and parameter."""
    inputs = [x.detach().clone() if is_tensor(x) else x for x in inputs]
    floats = [(i, x) for i, x in enumerate(inputs) if is_tensor(x) and x.is_floating_point()]
    leaves = {f"x{i}": x.requires_grad_() for i, x in floats}
    leaves |= dict(mechanism.named_parameters())
    answer = function(*inputs)
    direction = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1)).to(answer)
    gradients = torch.autograd.grad(answer, [*leaves.values()], direction)
    return {"answer": answer.detach()} | dict(zip(leaves, gradients, strict=True))


def reference(card):
    """The paper's function of a mechanism: it has the name of the mechanism's file."""
    name = card.mechanism.__module__.rpartition(".")[2]
    try:
        return getattr(import_module(f"tests.references.{card.family}"), name)
    except (ImportError, AttributeError) as error:
        where = f"tests/references/{card.family}.py"
        raise LookupError(
            f"{card} has no reference: write `def {name}(m, x)` in {where}"
        ) from error


def equals_reference(card, arguments):
    """Outputs and gradients are the paper's; its loops run on a CPU, whatever ours runs on."""
    mechanism, inputs = ready(card, **arguments)
    ours = answer_and_gradients(mechanism, mechanism, inputs)
    same, inputs = _on_cpu(mechanism, inputs)
    papers = answer_and_gradients(lambda *x: reference(card)(same, *x), same, inputs)
    assert_close(ours, papers, check_device=False)


def holds_in_low_precision(card, dtype):
    """The error is at most twice that of the plain formula in the same precision."""
    exact, inputs = ready(card, torch.float64)
    low = deepcopy(exact).to(dtype)
    low_inputs = [x.to(dtype) if is_tensor(x) and x.is_floating_point() else x for x in inputs]
    with torch.no_grad():
        truth = exact(*inputs).cpu()
        ours = (low(*low_inputs).double().cpu() - truth).norm()
        low, low_inputs = _on_cpu(low, low_inputs)
        plain = (reference(card)(low, *low_inputs).double() - truth).norm()
    assert ours <= 2 * plain, f"{card}: error {ours:.2e}, the plain formula's {plain:.2e}"


def _on_cpu(mechanism, inputs):
    return deepcopy(mechanism).cpu(), [x.cpu() if is_tensor(x) else x for x in inputs]


def largest_tensor(name, batch=1, **sizes):
    """Numbers in the largest tensor at these sizes: as counted, and as the card declares."""
    card = realistic(find(name), **sizes)
    with torch.device("meta"):
        counted = measure(card.build(), *card.inputs(batch=batch))
    return counted.memory, card.cost("memory", batch=batch)
