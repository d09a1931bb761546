"""A drawing fits a phone, tells all its steps in words, and follows the colours of its page."""

import re
import xml.etree.ElementTree as xml
from dataclasses import replace

import pytest

from attention_lib.catalog import catalog, every_card, find
from attention_lib.teaching import display
from attention_lib.teaching.diagrams import Diagram, Overview
from attention_lib.teaching.diagrams.words import letters, plain

SVG = "{http://www.w3.org/2000/svg}"
SE = Diagram(find("se"))


def boxes(element):
    """Of each step its title, and whether its box is that of a learned one."""
    found = {}
    for group in element.iter(f"{SVG}g"):
        hint, outline = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        if hint is not None:
            corner = None if outline is None else outline.get("rx")
            found[hint.text] = corner == "0"
    return found


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_a_drawing_fits_a_phone_and_is_told_in_words(card):
    diagram = Diagram(card)
    drawn = xml.fromstring(diagram.svg())
    assert float(drawn.get("width")) <= 400
    told = drawn.get("aria-label")
    for sentence in diagram.sentences():
        assert sentence in told
    assert diagram.sentences() == repr(diagram).splitlines()[1:]
    assert len(boxes(drawn)) == len(diagram.flow.steps), "each step is drawn once, with its words"


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_learned_steps_are_told_by_their_shape(card):
    diagram = Diagram(card)
    for step, learned in boxes(xml.fromstring(diagram.svg())).items():
        assert learned == ("(learned)" in step)


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_nothing_is_drawn_over_another(card):
    drawn = xml.fromstring(Diagram(card).svg())
    outer = []
    for group in drawn.iter(f"{SVG}g"):
        shape = group.find(f"{SVG}rect")
        if shape is not None:
            x, y, width, height = (float(shape.get(k)) for k in ("x", "y", "width", "height"))
            outer.append((x, y, x + width, y + height))
    for n, (left, top, right, bottom) in enumerate(outer):
        for other in outer[:n]:
            apart = right < other[0] or other[2] < left or bottom < other[1] or other[3] < top
            assert apart, f"{other} and {outer[n]}"


def test_a_drawing_follows_its_page_and_may_stand_twice():
    text = SE._repr_html_()
    assert "id=" not in text
    colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', text))
    assert colours == {"none", "currentColor", "var(--pst-color-primary, #3b82c4)"}
    assert text == Diagram(find("se"))._repr_html_()


def test_the_table_says_what_the_drawing_shows():
    assert [tuple(row) for row in SE.rows()] == [
        ("z = mean over places", "x", "C", False),
        ("squash", "z", "m", True),
        ("ReLU", "step 2", "m", False),
        ("excite", "step 3", "C", True),
        ("g = sigmoid", "step 4", "C", False),
        ("y = times", "g, x", "C × H × W", False),
    ]
    assert SE.sentences()[-1] == "6. y = g × x: C × H × W."
    cells = re.findall("<td>(.*?)</td>", SE._repr_html_())
    assert cells[:4] == ["1. z = mean over places", "x", "C", ""]
    assert cells[4:8] == ["2. squash", "z", "m", "yes"]


def test_shapes_are_in_the_letters_of_the_notation_page():
    told = letters(("3*channels", "block_size**2", "ceiling(height/patch_size)*patch_size"))
    assert told == "3C × β^{2} × ⌈H/p⌉p"
    assert plain(told) == "3C × β² × ⌈H/p⌉p"
    assert plain(letters(("heads", "head_dim", "row_layers"))) == "h × dₕ × L_W"
    assert letters(("unknown_word*channels", "channels*height")) == "unknown_word·C × CH"
    assert letters(()) == "1"


def test_an_input_may_be_a_parameter_and_several_operations_have_a_double_line():
    flow = "y = [scaled] x scale -> channels height width # scaled twice"
    drawn = xml.fromstring(Diagram(replace(find("se"), flow=flow)).svg())
    [group] = [g for g in drawn.iter(f"{SVG}g") if g.find(f"{SVG}title") is not None]
    assert len(group.findall(f"{SVG}rect")) == 2
    assert "(learned)" in group.find(f"{SVG}title").text


def test_an_overview_marks_what_the_others_lack():
    cards = [find("se"), find("eca")]
    shown = Overview(cards)._repr_html_()
    drawn = re.findall(r"<svg.*?</svg>", shown, flags=re.S)
    assert len(drawn) == 2
    for card, other, text in zip(cards, cards[::-1], drawn, strict=True):
        theirs = {step.label for step in other.steps.steps}
        own = [step.label not in theirs for step in card.steps.steps]
        bars = len(re.findall('stroke-width="4"', text))
        assert 0 < bars == sum(own) < len(own)
    assert 'opacity="0.8"' not in shown, "shapes would make it too wide"
    assert repr(SE) in repr(Overview(cards))


def test_a_card_in_a_notebook_shows_its_diagram_first(monkeypatch):
    shown = []
    monkeypatch.setattr("builtins.display", shown.append, raising=False)
    display.card("se")._ipython_display_()
    diagram, facts = shown
    assert diagram.svg() == SE.svg() and facts == display.card("se")
    assert facts._repr_markdown_() and not hasattr(facts, "_ipython_display_")
    shown.clear()
    display.family("channel")._ipython_display_()
    overview, listed = shown
    assert overview.cards == catalog("channel") and listed == display.family("channel")
