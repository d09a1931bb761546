"""The parts of the page *Which one?* hold what the library knows."""

import json
import re

import pytest

from attention_lib.advice import evidence
from attention_lib.advice.need import Need
from attention_lib.advice.questions import members, paths
from attention_lib.advice.ranking import recommend
from attention_lib.catalog import catalog
from attention_lib.teaching.display import _bibliography
from tests.support.tree import nodes
from tools import selection as parts
from tools.pages import markdown, tables


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_networks_known_for_a_mechanism_are_cited(card):
    assert {key for _, key in card.networks} <= _bibliography().keys()


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_the_page_finds_the_rules_of_every_mechanism(card):
    assert parts.rules(str(card))


@pytest.mark.whole_catalog
def test_the_list_says_what_the_drawing_says():
    text = parts.as_list()
    for name, words in nodes():
        assert isinstance(name, tuple) or words in text
    for path in paths():
        assert all(parts.link(card) in text for card in members(path))
        assert all(sentence in text for sentence in path.leaf.finding())
    questions = re.findall(r"^(\d+)\. ", text, flags=re.MULTILINE)
    assert questions == [str(number) for number in range(1, len(questions) + 1)]
    gone_to = re.findall(r"go to question (\d+)\.", text)
    assert sorted(gone_to, key=int) == questions[1:], "each question but the first is led to once"


def test_rules_are_found_or_refused():
    assert parts.divisor("x", {w for w in parts.WIDTHS if w % 8 == 0 and w > 8}) == (8, 16)
    with pytest.raises(ValueError, match="are not the multiples of"):
        parts.divisor("x", {8, 16, 4096})
    at = {c: max(c // 16, 3) for c in parts.WIDTHS}
    assert str(parts.as_formula(at, at.get)) == "Max(3, floor(features/16))"
    stepped = parts.as_formula({1: 3, 64: 3, 128: 5, 256: 5}, lambda c: 3 if c < 77 else 5)
    assert [stepped.subs("features", c) for c in (1, 76, 77, 256)] == [3, 3, 5, 5]
    far = parts.as_formula({1: 3, 4096: 5}, lambda c: 3 if c < 3000 else 5)
    assert [far.subs("features", c) for c in (2999, 3000)] == [3, 5]
    assert parts.as_formula({1: 7, 9: 7}, None) == 7
    with pytest.raises(ValueError, match="no rule for a word"):
        parts.as_formula({c: c * c % 97 for c in range(1, 40)}, lambda c: c * c % 97)


def test_the_widest_map_is_found():
    assert parts.rules("MultiResolutionOverlappedAttention")["side"] == 4 * 14
    assert parts.rules("HaloAttention")["side"] is None


@pytest.fixture(scope="module")
def made():
    return parts.parts(markdown.table, markdown.growth)


def test_the_data_is_whole(made):
    text = re.search(r'id="selection-data">(.*?)</script>', made["selection-form.md"])[1]
    data = json.loads(text)
    assert [m["name"] for m in data["mechanisms"]] == [str(card) for card in catalog()]
    measured = {m.mechanism for m in evidence.measurements()}
    assert {m["name"] for m in data["mechanisms"] if m["measured"]} == measured
    assert [p["slugs"] for p in data["paths"]] == [list(path.slugs) for path in paths()]


def test_the_table_cites_or_says_that_nothing_was_found(made):
    rows = made["selection-table.md"].split("\n* - ")[2:]
    keys = _bibliography().keys()
    for card, row in zip(catalog(), rows, strict=True):
        cited = re.findall(r"\{cite:t\}`(\w+)`", row)
        assert cited == [key for _, key in card.networks]
        assert set(cited) <= keys and (cited or "none found" in row)
        assert card.summary in row and card.order("macs") in row and card.order("params") in row


def test_the_rankings_stand_in_the_page(made):
    text = made["selection-sizes.md"]
    tables = text.split("\n### ")
    for need, table in zip(parts.STATIC, tables, strict=True):
        choices = recommend(need).choices
        places = [table.index(f"* - {parts.link(choice.card)}\n") for choice in choices]
        assert places == sorted(places)
        for choice in choices:
            macs = f"{choice.macs:,}" if choice.macs else "0: none counted"
            assert f"  - {macs}\n  - {choice.params:,}\n" in table
    assert all(parts.escape(m.machine) in text for m in evidence.measurements())


def test_what_was_never_measured_says_so(monkeypatch):
    """On every page, and by the command: a new mechanism is in this state."""
    rows = tuple(m for m in evidence.measurements() if m.mechanism != "SimAM")
    monkeypatch.setattr(evidence, "measurements", lambda: rows)
    need = Need("maps", 64, height=14, width=14)
    choices = recommend(need, "time").choices
    [place] = [place for place, choice in enumerate(choices) if choice.name == "SimAM"]
    simam = choices[place]
    assert all(choice.measured is None for choice in choices[place:]), "they come last"
    assert parts.clock(simam) == "not measured"
    made = parts.parts(markdown.table, markdown.growth)
    assert "not measured" in made["selection-sizes.md"]
    monkeypatch.setattr(tables, "exponents", lambda root: {"SqueezeExcitation": ["time 2"]})
    assert "not measured" in tables.mechanisms_page()
