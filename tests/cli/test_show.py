"""`show` says what the card says."""

import pytest

from attention_lib.catalog import catalog


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_show_says_what_the_card_says(say, card):
    code, out, _ = say("show", card.aliases[0])
    assert code == 0
    assert all(line in out for line in (card.title, card.summary, card.params, card.macs))
    assert all(line.strip() in out for line in card.formula.splitlines())
    assert all(oracle in out for oracle in card.oracles)
    assert card.mechanism.__module__.rpartition(".")[2] + ".py" in out
    assert "class " + str(card) not in out
    assert "class " + str(card) in say("show", str(card), "--source")[1]
