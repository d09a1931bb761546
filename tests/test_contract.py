"""Every mechanism and every network passes every check of the contract that applies to it."""

import inspect
from functools import cache

import pytest
import torch
from torch.utils._pytree import tree_leaves

from attention_lib.cards.shape import SignatureError, signature, tensors_of, wanted
from attention_lib.catalog import catalog, every_card
from attention_lib.checks import SLOW, checks_for, ready, verdict

# One process takes all checks of a card, one after the other: two of them share a program.
CASES = [
    pytest.param(
        *(card, check),
        id=f"{card}-{check.__name__}",
        marks=[pytest.mark.xdist_group(str(card)), *([pytest.mark.slow] * (check in SLOW))],
    )
    for card in every_card()
    for check in checks_for(card, slow=True)
]


@pytest.fixture(scope="module")
def one_registry():
    """The exporter lists all operators of ONNX in each call; here one list serves all."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        once = staticmethod(cache(ONNXRegistry.from_torchlib))
        patch.setattr(ONNXRegistry, "from_torchlib", once)
        yield


@pytest.mark.parametrize(("card", "check"), CASES)
def test_contract(card, check, request):
    if check in SLOW:
        request.getfixturevalue("one_registry")
    status, why = verdict(check, card)
    if status == "failed" and check.__name__ not in card.cannot:
        check(card)  # fails again, with its traceback
    assert status in ("passed", "xfail"), f"{card}: {check.__name__}: {status} {why}"


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_what_a_card_cannot_do_is_a_check_that_applies_to_it(card):
    assert set(card.cannot) <= {check.__name__ for check in checks_for(card, slow=True)}


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_a_look_inside_keeps_its_signature(card):
    """What `gate` or `weights` returns has the declared axes, and a wrong shape is refused."""
    mechanism, _ = ready(card)
    _, *rest = card.inputs(torch.float64, batch=11)
    words = {**card.words(), "batch": 11}
    for name, method in inspect.getmembers(card.mechanism, inspect.isfunction):
        own = method.__module__ == card.mechanism.__module__ and name[0] != "_"
        if name == "forward" or not own or not signature(method):
            continue
        notes = wanted(method)
        x = torch.randn(card.measure(notes["x"], batch=11), dtype=torch.float64)
        answers = tree_leaves(method(mechanism, x, *rest))
        for answer, note in zip(answers, tensors_of(notes["return"]), strict=True):
            shape, axes = answer.shape, note.axes
            assert len(shape) == len(axes), f"{name} is declared as {axes}"
            known = {axis: words.get(axis, size) for axis, size in zip(axes, shape, strict=True)}
            declared = [known[axis] for axis in axes]  # an axis met twice measures the same
            assert list(shape) == declared, f"{name} is declared as {known}"
        for wrong in (x[0], x[..., None], x[..., :0]):
            with pytest.raises(SignatureError, match="x must be"):
                method(mechanism, wrong, *rest)
