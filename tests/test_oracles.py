"""Every mechanism equals what somebody else's package computes with the same weights."""

import pytest
import torch
from torch.func import functional_call
from torch.testing import assert_close

from attention_lib.catalog import catalog
from attention_lib.checks import ready
from tests.oracles import of
from tests.support.proof import CASES, answer_and_gradients, case_id, of_family


def oracles(card):
    return of(str(card), card.family)


@pytest.mark.parametrize(
    "card", [pytest.param(card, marks=of_family(card)) for card in catalog()], ids=str
)
def test_the_card_names_its_oracles(card):
    assert set(card.oracles) == set(oracles(card))


@pytest.mark.parametrize(
    ("card", "arguments", "name"),
    [
        pytest.param(card, arguments, name, marks=of_family(card))
        for card, arguments in CASES
        for name in card.oracles
    ],
    ids=case_id,
)
def test_oracle(card, arguments, name):
    mechanism, inputs = ready(card, **arguments)
    theirs, state = oracles(card)[name](mechanism)
    wanted = set(theirs.state_dict())
    assert set(state) == wanted, f"{name} lacks weights of ours: {wanted ^ set(state)}"
    theirs = theirs.to(torch.float64).eval()

    def answer(*inputs):
        return functional_call(theirs, state, inputs)

    ours = answer_and_gradients(mechanism, mechanism, inputs)
    assert_close(ours, answer_and_gradients(answer, mechanism, inputs))
