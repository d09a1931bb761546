"""The drawing of the questions holds the whole tree, in lines that fit."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from attention_lib.advice import questions
from attention_lib.advice.questions import members, paths
from tests.support.tree import nodes
from tools import flowchart


def undrawn(svg: str) -> list:
    """What of the tree is not in a drawing."""
    drawing = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    texts = {
        group.get("data-node"): " ".join(t.text for t in group.iter(f"{space}text"))
        for group in drawing.iter(f"{space}g")
    }
    edges = {(e.get("data-from"), e.get("data-to")) for e in drawing.iter(f"{space}path")}
    missing = []
    for name, text in nodes():
        if isinstance(name, tuple):
            missing += [name] * (name not in edges)
        elif text.lower() not in texts.get(name, "").lower():
            missing.append(name)
    for path in paths():
        shown = texts.get("which-" + "-".join(path.slugs), "")
        missing += [card.title for card in members(path) if card.title not in shown]
    return missing


@pytest.mark.whole_catalog
def test_the_flow_chart_holds_the_whole_tree():
    svg = flowchart.flowchart(questions.TREE, "A title", "A description")
    assert undrawn(svg) == []
    drawing = ElementTree.fromstring(svg)
    assert drawing.get("role") == "img"
    told = [drawing.find(f".//*[@id='{name}']").text
            for name in drawing.get("aria-labelledby").split()]  # fmt: skip
    assert told == ["A title", "A description"]


@pytest.mark.parametrize("gone", ['data-to="which-maps"', "From how far?", "SimAM", "A map again"])
def test_what_a_flow_chart_lacks_is_found(gone):
    svg = flowchart.flowchart(questions.TREE, "A title", "A description")
    assert gone in svg and undrawn(svg.replace(gone, 'data-to="?"' if "=" in gone else "?"))


def test_lines_are_as_wide_as_they_may_be():
    lines = flowchart.wrap("as many words as fit on one line of a narrow box and no more", 120)
    assert " ".join(lines) == "as many words as fit on one line of a narrow box and no more"
    assert all(flowchart.letters(line) <= 120 for line in lines)
    for line, following in pairwise(lines):
        assert flowchart.letters(f"{line} {following.split()[0]}") > 120
    assert flowchart.letters("bold", "use") > flowchart.letters("bold")
    with pytest.raises(ValueError, match="'unbreakable' does not fit into 20 pixels"):
        flowchart.wrap("an unbreakable word", 20)
