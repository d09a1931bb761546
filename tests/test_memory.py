"""On maps of some size, no mechanism needs more memory than the best of its oracles."""

import gc
import inspect
from importlib import import_module

import pytest
import torch

from attention_lib.catalog import catalog
from attention_lib.measure.sizes import realistic
from attention_lib.measure.timing import peak_memory
from tests.support.proof import of_family

ROOM = 1.01  # a vector or two beside the maps
# so large that maps outweigh vectors a hundred times, and no larger
SIZES = dict(batch=2, height=24, width=24, dim=128, tokens=576)


@pytest.fixture(autouse=True)
def only_new_garbage():
    """Before it measures, `peak_memory` collects garbage: let it search what this test made."""
    gc.freeze()
    yield
    gc.unfreeze()


def of_some_size(card):
    """The card at SIZES; an axis that is a product follows from its factors."""
    known = {*card.sizes, *inspect.signature(card.mechanism).parameters}
    products = {axis for axis, size in card.sizes.items() if isinstance(size, tuple)}
    return realistic(card, **{axis: SIZES[axis] for axis in SIZES.keys() & known - products})


def peak(module, inputs, gradients):
    """Bytes at the highest point of a call, with or without the gradients of all there is."""
    leaves = [*(x.requires_grad_() for x in inputs if torch.is_tensor(x)), *module.parameters()]

    def forward():
        with torch.no_grad():
            return module(*inputs)

    direction = torch.ones_like(forward())

    def both():
        return torch.autograd.grad(module(*inputs), leaves, direction)

    return peak_memory(both if gradients else forward)


@pytest.mark.parametrize("gradients", [False, True], ids=["forward", "forward and backward"])
@pytest.mark.parametrize(
    "card",
    [pytest.param(card, marks=of_family(card)) for card in catalog() if card.oracles],
    ids=str,
)
def test_peak_memory(card, gradients):
    large = of_some_size(card)
    ours, inputs = large.build().eval(), large.inputs()
    peaks = {}
    for name, oracle in import_module(f"tests.oracles.{card.family}").ORACLES[str(card)].items():
        theirs, state = oracle(ours)
        theirs.load_state_dict({key: value.detach() for key, value in state.items()})
        peaks[name] = peak(theirs.eval(), inputs, gradients)
    best = min(peaks, key=peaks.get)
    needed = peak(ours, inputs, gradients)
    assert needed <= ROOM * peaks[best], f"{card} {needed:,} bytes, {best} {peaks[best]:,}"
