"""Every mechanism keeps every promise of the contract."""

import inspect

import pytest
import torch

from attention_lib.catalog import catalog
from attention_lib.checks import CONTRACT, SLOW, ready, verdict
from attention_lib.shape import SignatureError, signature

# One process takes all checks of a card, one after the other: two of them share a program.
CARDS = [pytest.param(card, marks=pytest.mark.xdist_group(str(card))) for card in catalog()]
CHECKS = [*CONTRACT, *(pytest.param(check, marks=pytest.mark.slow) for check in SLOW)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("card", CARDS, ids=str)
def test_contract(card, check):
    status, why = verdict(check, card)
    if status == "broken" and check.__name__ not in card.cannot:
        check(card)  # fails again, with its traceback
    assert status in ("kept", "excused"), f"{card}: {check.__name__}: {status} {why}"


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_what_a_card_cannot_keep_is_a_promise(card):
    assert set(card.cannot) <= {check.__name__ for check in (*CONTRACT, *SLOW)}


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_a_look_inside_keeps_its_signature(card):
    """What `gate` or `weights` returns has the declared axes, and a wrong shape is refused."""
    mechanism, _ = ready(card)
    x, *rest = card.inputs(torch.float64, batch=11)
    words = {**card.words(), "batch": 11}
    for name, method in inspect.getmembers(card.mechanism, inspect.isfunction):
        own = method.__module__ == card.mechanism.__module__ and name[0] != "_"
        if name == "forward" or not own or not signature(method):
            continue
        shape, axes = method(mechanism, x, *rest).shape, signature(method)["return"]
        assert len(shape) == len(axes), f"{name} is declared as {axes}"
        known = {axis: words.get(axis, size) for axis, size in zip(axes, shape, strict=True)}
        assert shape == tuple(known.values()), f"{name} is declared as {known}"
        for wrong in (x[0], x[..., None], x[..., :0]):
            with pytest.raises(SignatureError, match="x must be"):
                method(mechanism, wrong, *rest)
