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


def test_a_network_shows_its_presets_and_no_empty_fact(say):
    out = say("show", "resnet50")[1]
    assert "presets         resnet50, resnet101" in out
    assert "give the same logits and gradients" in out and "largest tensor" not in out
    state = [line for line in say("show", "linear_attention")[1].splitlines() if "state " in line]
    assert any("heads * head_dim * (head_dim + 1) numbers" in line for line in state)
