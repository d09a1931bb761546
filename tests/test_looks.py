"""Every mechanism looks like itself, and no two variants of a figure look alike."""

import re
from dataclasses import dataclass
from itertools import combinations

import matplotlib
import pytest
from matplotlib.colors import to_rgb

from attention_lib.catalog import catalog
from attention_lib.teaching import plot
from attention_lib.teaching.plot import costs, style
from tools.chapters import ROOT

matplotlib.use("agg")


def brightness(colour):
    """Relative luminance, as the web's contrast rules have it."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.whole_catalog
def test_a_mechanism_looks_the_same_by_any_name():
    for card in catalog():
        assert all(
            plot.look(alias) == plot.look(str(card)) for alias in (card.stem, card.aliases[0])
        )


@dataclass(frozen=True)
class Fake:
    """As much of a card as a figure needs."""

    family: str
    place: int

    def __str__(self):
        return f"{self.family}-{self.place}"

    title = property(__str__)
    aliases = property(lambda self: (str(self),))


@pytest.fixture
def many(monkeypatch):
    """A catalog of twelve families, of twenty mechanisms each."""
    families = [f"family{number}" for number in range(12)]
    cards = {str(card): card for card in (Fake(f, p) for f in families for p in range(20))}

    def find(name):
        if name not in cards:
            raise ValueError(name)
        return cards[name]

    for room in (style, costs):
        monkeypatch.setattr(room, "FAMILIES", families)
        monkeypatch.setattr(room, "find", find)
    monkeypatch.setattr(style, "catalog", lambda f: [c for c in cards.values() if c.family == f])
    return list(cards)


def test_of_eight_in_a_family_colour_marker_and_stroke_each_tell_apart(many):
    looks = [plot.look(name) for name in many[:8]]
    for what in ("color", "marker", "linestyle"):
        assert len({look[what] for look in looks}) == len(looks), what


def test_a_family_may_have_any_number_of_mechanisms(many):
    looks = [plot.look(name) for name in many[:20]]
    assert all(a != b for a, b in combinations(looks, 2))


def test_in_a_figure_no_two_look_alike_and_the_first_look_as_ever(many):
    names = [name for name in many if name.endswith(("-0", "-8"))]
    looks = plot.looks(names)
    assert len(looks) == 24 and all(a != b for a, b in combinations(looks.values(), 2))
    assert looks[names[0]] == plot.look(names[0])
    assert looks[names[-1]] != plot.look(names[-1]), "twelve families, eight markers"


def test_what_is_no_mechanism_has_a_colour_and_a_marker_of_its_own():
    names = ["se", "delta rule", "linear", "softmax", "softmax, near first", "none"]
    looks = plot.looks(names)
    for what in ("color", "marker", "linestyle"):
        assert len({look[what] for look in looks.values()}) == len(names), what
    assert looks["se"] == plot.look("se")
    assert all(looks[name]["color"] in style.COLOURS for name in names[:-1])
    assert plot.looks(["softmax", "other"])["softmax"]["color"] == looks["softmax"]["color"]
    crowd = plot.looks([f"variant {n}" for n in range(64)])
    assert all(a != b for a, b in combinations(crowd.values(), 2))


def test_a_changed_mechanism_keeps_its_colour_and_is_hollow():
    looks = plot.looks(["none", "sk", "sk, equal weights", "sk, other weights"])
    whole, *changed = list(looks.values())[1:]
    assert {look["color"] for look in changed} == {whole["color"]}
    assert all(look["markerfacecolor"] == style.PAPER for look in changed)
    assert "markerfacecolor" not in whole
    assert len({look["marker"] for look in looks.values()}) == len(looks)
    assert style.title_of("sk, equal weights") == "Selective Kernel, equal weights"


def test_there_may_be_any_number_of_families(many):
    rows = [dict(mechanism=name, x=n + 1, y=n + 1) for n, name in enumerate(many[::20])]
    [axes] = plot.scatter(rows, "x", "y").axes
    drawn = {(line.get_color(), line.get_marker()) for line in axes.lines}
    assert len(drawn) == len(axes.lines) == 12
    shared = [dict(family=f"family{n}", name=f"family{n}-0", arithmetic=0.1, memory=0.9)
              for n in range(12)]  # fmt: skip
    assert [panel.get_title() for panel in plot.shares(shared).axes] == [
        row["family"] for row in shared
    ]


def test_colours_are_seen_on_white_and_told_apart_in_grey_by_marker():
    assert all(brightness(colour) < 0.5 for colour in (*style.COLOURS, *style.GREYS))
    assert len(set(style.MARKERS)) == len(style.MARKERS) == len(style.STROKES)


def test_on_a_dark_page_every_colour_is_another_and_is_seen():
    """Contrast of 3 to 1 with both backgrounds of the theme, as the web's rules want of figures."""
    css = (ROOT / "book/_static/figures.css").read_text()
    dark = {"#" + a.upper(): b for a, b in re.findall(r"--drawn-(\w{6}): (.*?);", css)}
    inks = (*style.COLOURS, *style.GREYS, style.INK, style.FRAME)
    assert dark.keys() == {*inks, style.PAPER, style.GRID}
    assert not {style.LIGHT, style.DARK} & dark.keys(), "they stand on maps, which stay as they are"
    assert len(set(dark.values())) == len(dark)
    for page in ("#14181e", "#222832"):
        contrasts = {
            ink: (brightness(dark[ink]) + 0.05) / (brightness(page) + 0.05) for ink in inks
        }
        assert min(contrasts.values()) >= 3, contrasts


def test_controls_are_grey_and_differ():
    looks = plot.looks(["none", "se", "dense attention"])
    greys = [looks[name]["color"] for name in ("none", "dense attention")]
    assert greys[0] != greys[1]
    assert all(len(set(to_rgb(grey))) == 1 for grey in greys)
