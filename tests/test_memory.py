"""At sizes one meets, no mechanism needs more memory than the best of its oracles."""

from importlib import import_module

import pytest
import torch

from attention_lib.bench import peak_memory, realistic
from attention_lib.catalog import catalog

ROOM = 1.01  # a vector or two beside the maps


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
@pytest.mark.parametrize("card", [card for card in catalog() if card.oracles], ids=str)
def test_peak_memory(card, gradients):
    large = realistic(card)
    ours, inputs = large.build().eval(), large.inputs()
    peaks = {}
    for name, oracle in import_module(f"tests.oracles.{card.family}").ORACLES[str(card)].items():
        theirs, state = oracle(ours)
        theirs.load_state_dict({key: value.detach() for key, value in state.items()})
        peaks[name] = peak(theirs.eval(), inputs, gradients)
    best = min(peaks, key=peaks.get)
    needed = peak(ours, inputs, gradients)
    assert needed <= ROOM * peaks[best], f"{card} {needed:,} bytes, {best} {peaks[best]:,}"
