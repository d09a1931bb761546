"""The pages that follow from the chapters: who reads what, and for how long."""

import re

import pytest

from attention_lib.catalog import catalog, every_card
from attention_lib.official import published, without
from tools.chapters import chapters
from tools.pages import reading
from tools.pages.mechanism import mechanism_page

SAYS = "# {title}: of what\n\n**You need** time. Reading takes\nabout {minutes} minutes; more.\n"


@pytest.fixture
def root(tmp_path):
    """A book of three chapters, one of which was never executed."""
    (tmp_path / "book/chapters").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    for name, minutes in (("start", 40), ("channel", 60), ("dense", 50)):
        text = SAYS.format(title=name.title(), minutes=minutes)
        (tmp_path / f"book/chapters/{name}.md").write_text(text)
        if name != "dense":
            (tmp_path / f"notebooks/{name}.ipynb").touch()
    toc = "- file: notebooks/start\n- file: notebooks/dense\n- file: notebooks/channel\n"
    (tmp_path / "_toc.yml").write_text(toc)
    return tmp_path


def rows(text):
    """Reader -> (the chapters it links to, the minutes)."""
    found = re.findall(r"^\* - (.*)\n  - (.*)\n  - (.*)$", text, flags=re.M)
    return {who: (re.findall(r"notebooks/(\w+)\.ipynb", what), long) for who, what, long in found}


def test_paths_sum_the_minutes_of_the_chapters_that_there_are(root):
    found = rows(reading.paths_table(root))
    assert list(found) == ["Reader", *reading.PATHS]
    assert found["Vision engineer"] == (["start", "channel"], "100")
    assert found["Language-model engineer"] == (["start"], "40")
    assert "[Start](../notebooks/start.ipynb), [Channel]" in reading.paths_table(root)


def test_a_chapter_that_does_not_say_its_minutes_is_named(root):
    (root / "book/chapters/start.md").write_text("# Start\n\nReading takes a while.\n")
    with pytest.raises(ValueError, match=r"start\.md does not say"):
        reading.paths_table(root)


def test_students_read_all_in_the_order_of_the_contents(root):
    assert rows(reading.paths_table(root))["Student"] == (["start", "channel"], "100")
    (root / "notebooks/dense.ipynb").touch()
    assert rows(reading.paths_table(root))["Student"] == (["start", "dense", "channel"], "150")


@pytest.mark.whole_catalog
def test_every_chapter_is_in_the_contents():
    """And so on the path of students; `tools.new chapter` enters it."""
    assert sorted(reading.in_order()) == [path.stem for path in chapters()], "edit _toc.yml"


def test_nobody_reads_a_chapter_twice():
    for names in filter(None, reading.PATHS.values()):
        assert len(set(names.split())) == len(names.split())
        assert names.startswith("start ")


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_every_chapter_says_its_minutes(chapter):
    assert 10 <= reading.minutes(chapter) <= 120


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_the_page_says_from_where_weights_load(card):
    _, _, told = mechanism_page(card).partition("## Published weights")
    told, _, _ = told.partition("\n## ")
    for source in published(card):
        repository, commit, path = re.split("[@:]", source.source)
        assert f"(https://github.com/{repository}/blob/{commit}/{path})" in told
        assert source.needs in told
    assert ("There is no table" in told) == (not published(card))
    assert without(card) in told


def test_what_a_network_loads_is_its_evidence():
    for card in {*every_card()} - {*catalog()}:
        text = mechanism_page(card)
        assert "## Published weights" not in text and "**Published weights**" in text
