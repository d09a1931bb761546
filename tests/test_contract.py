"""Every mechanism keeps every promise of the contract."""

import pytest

from attention_lib.catalog import catalog
from attention_lib.checks import CONTRACT, verdict


@pytest.mark.parametrize("card", catalog(), ids=str)
@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(card, check):
    status, why = verdict(check, card)
    if status == "broken" and check.__name__ not in card.cannot:
        check(card)  # fails again, with its traceback
    assert status in ("kept", "excused"), f"{card}: {check.__name__}: {status} {why}"


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_what_a_card_cannot_keep_is_a_promise(card):
    assert set(card.cannot) <= {check.__name__ for check in CONTRACT}
