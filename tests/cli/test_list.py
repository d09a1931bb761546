"""`list` shows the mechanisms that were asked for, each on a line."""

import pytest

from attention_lib.catalog import catalog


@pytest.mark.whole_catalog
def test_list_shows_each_mechanism_on_a_line_of_its_own(say):
    lines = say("list")[1].splitlines()[1:]
    assert [line.split()[0] for line in lines] == [str(card) for card in catalog()]
    for line, card in zip(lines, catalog(), strict=True):
        assert line.endswith(card.summary) and all(alias in line for alias in card.aliases)


def test_list_filters(say):
    def listed(*options):
        return [line.split()[0] for line in say("list", *options)[1].splitlines()[1:]]

    assert listed("--family", "channel") == [str(card) for card in catalog("channel")]
    assert listed("--layout", "tokens") == [str(c) for c in catalog() if c.layout == "tokens"]
    assert listed("--family", "channel", "--layout", "tokens") == []
