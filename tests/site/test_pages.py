"""Nothing is wrong with a page of the site, whatever is looked at."""

import re

import pytest

from tests.support.looking import PAGES, SUBJECTS, subjects

pytestmark = pytest.mark.alone

# One process visits a page once, for all its subjects.
LOOKS = [
    pytest.param(name, subject, marks=pytest.mark.xdist_group(name))
    for name in PAGES or ["index.html"]
    for subject in subjects(name, PAGES)
]


@pytest.mark.parametrize(("name", "subject"), LOOKS)
def test_page(visit, name, subject):
    assert visit(name)[subject] == []


def test_a_page_is_looked_at_by_its_name():
    names = [f"book/api/{page}.html" for page in ("b/B", "a/A", "b/A", "a/B")]
    names += ["book/intro.html", "notebooks/a.html"]
    axe = {name: [s for s in subjects(name, names) if s.startswith("axe")] for name in names}
    every = ["axe, light", "axe, dark", "axe, phone"]
    assert list(axe.values()) == [[], every, ["axe, light", "axe, phone"], [], every, every]
    rest = [{*SUBJECTS} - {*every} - {*subjects(name, names)} for name in names]
    assert not any(rest), "the other subjects are looked at on every page"


def test_no_colour_of_a_program_is_left_out(site):
    """Each class of word of a page where axe is not run is on a page where it is."""
    tried, untried = set(), set()
    for name in PAGES:
        words = set(re.findall(r'<span class="(\w{1,3})">', (site / name).read_text("utf-8")))
        if "axe, light" in subjects(name, PAGES):
            tried |= words
        else:
            untried |= words
    assert untried and untried <= tried
