"""The parts of the page *Which one?* hold what the library knows."""

import json
import re
from html import unescape

import pytest

from attention_lib.advice.need import Need
from attention_lib.advice.questions import members, paths
from attention_lib.advice.ranking import recommend
from attention_lib.cards.notation import COUNTED
from attention_lib.catalog import catalog, find
from attention_lib.measure.order import big_o
from attention_lib.teaching.display import _bibliography
from tests.support.tree import nodes
from tools import selection as parts
from tools.pages import markdown, mechanisms


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_networks_known_for_a_mechanism_are_cited(card):
    assert {key for _, key in card.networks} <= _bibliography().keys()


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_the_page_finds_the_rules_of_every_mechanism(card):
    rules = parts.rules(card, False)
    assert {*COUNTED} < rules.keys()
    assert rules["at"].keys() == {*parts.WIDTHS}
    assert any("words" in found for found in rules["at"].values())


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


def test_a_width_has_its_words_or_a_reason():
    at = parts.rules(find("mha"), False)["at"]
    assert "changed" not in at[512] and at[500]["changed"] == "heads = 10"
    refused = parts.rules(find("epsa"), False)["at"][100]["refused"]
    assert refused.startswith("channels / branches=25 must be a multiple of groups=")


def test_the_widest_map_is_found():
    assert parts.widest(find("MultiResolutionOverlappedAttention")) == 4 * 14
    assert parts.widest(find("HaloAttention")) is None


@pytest.fixture(scope="module")
def made():
    return parts.parts(markdown.table, markdown.growth)


def test_the_data_is_whole(made):
    text = re.search(r'id="selection-data">(.*?)</script>', made["selection-costs.md"])[1]
    data = json.loads(text)
    wanted = {str(c) + ", causal" * ("causal" in p.slugs) for p in paths() for c in members(p)}
    assert data["mechanisms"].keys() == wanted
    assert data["question"]["text"] in made["selection-chart.md"]


def test_the_table_cites_or_says_that_nothing_was_found(made):
    rows = made["selection-uses.md"].split("\n* - ")[2:]
    keys = _bibliography().keys()
    for card, row in zip(catalog(), rows, strict=True):
        cited = re.findall(r"\{cite:t\}`(\w+)`", row)
        assert cited == [key for _, key in card.networks]
        assert set(cited) <= keys and (cited or "none found" in row)
        assert all(markdown.growth(card, kind) in row for kind in ("macs", "params"))
        assert big_o(card, "macs") or f"none; touches {markdown.growth(card, 'touched')}" in row


def test_the_counts_of_the_first_size_stand_in_the_page(made):
    bodies = made["selection-costs.md"].split("<tbody ")[1:]
    for path, body in zip(paths(), bodies, strict=True):
        assert body.startswith(f'data-path="{" ".join(path.slugs)}"')
        assert parts.sentence(path.leaf.use) in unescape(body)
        first = parts.FIRST[path.slugs[0]]
        need = Need(**vars(first) | {"causal": "causal" in path.slugs})
        choices = {c.name: c for c in recommend(need).choices}
        for card in members(path):
            [row] = [line for line in body.splitlines() if f">{card.title}</a>" in line]
            if parts.asks_for_rows(card):
                assert parts.ROWS in row
                continue
            choice = choices[str(card)]
            counts = [getattr(choice, kind) for kind in COUNTED]
            assert [int(n) for n in re.findall(r'data-value="(\d+)"', row)] == counts


def test_what_was_never_measured_says_so(monkeypatch):
    """A new mechanism is in this state."""
    found = {"SqueezeExcitation": [["size", "2", "1"]]}
    monkeypatch.setattr(mechanisms, "exponents", lambda root: found)
    assert mechanisms.measured_table().count("not measured") == 3 * (len(catalog()) - 1)


def test_no_cost_of_the_table_of_all_reads_zero():
    text = mechanisms.costs_table()
    assert text.count("<tbody ") == len({card.family for card in catalog()})
    assert "O(0)" not in text and '<td data-value="0">none</td>' in text
    for card in catalog():
        [row] = [line for line in text.splitlines() if f">{card.title}</a>" in line]
        parts_of = (part for kind in COUNTED for part in markdown.breakable(big_o(card, kind)))
        assert all(part in row for part in parts_of)
        assert f'data-layout="{card.layout}"' in row
