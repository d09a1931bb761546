"""A small book with questions: they stand in the page, open by keyboard, and are printed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from tests.support.looking import SUBJECTS, WIDE, look
from tools.browser import served
from tools.chapters import QUESTIONS, ROOT, chapters
from tools.chapters import site as home

pytestmark = pytest.mark.alone

LINE = QUESTIONS.replace("](SITE/notebooks/NAME", f"]({home()}/notebooks/small")
TEXT = f"# Small\n\n## Exercises\n\nNone.\n\n{LINE}\n\n## Summary\n\nShort.\n"
ASKED = [
    {
        "question": f"What is $x_{number}^2$?",
        "choices": [
            {"text": f"$x_{number}$", "because": "A *square* is $x x$.", "right": number % 2 == 1},
            {"text": "`x * x`", "because": "As $x^2 = x x$.", "right": number % 2 == 0},
            {"text": "nothing", "because": "It is something."},
        ],
    }
    for number in range(1, 6)
]


def build(folder, asked=ASKED, name="small"):
    """A book of one chapter and its questions, built as the whole is."""
    for part in ("book/questions", "book/chapters", "notebooks"):
        (folder / part).mkdir(parents=True)
    (folder / f"book/questions/{name}.yml").write_text(yaml.safe_dump(asked))
    (folder / "book/chapters/small.md").write_text(TEXT)
    cells = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": TEXT}]
    kernel = {"kernelspec": {"display_name": "Python 3", "name": "python3"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "notebooks/small.ipynb").write_text(json.dumps(notebook))
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["sphinx"]["local_extensions"] = {"tools.site": str(ROOT)}
    for word in ("html_css_files", "html_js_files"):
        del config["sphinx"]["config"][word]
    config["sphinx"]["config"]["html_static_path"] = [str(ROOT / "book/_static")]
    config["sphinx"]["config"]["templates_path"] = [str(ROOT / "book/_templates")]
    del config["html"]["favicon"]
    config["bibtex_bibfiles"] = ["references.bib"]
    (folder / "references.bib").write_text("")
    (folder / "_config.yml").write_text(yaml.safe_dump(config))
    (folder / "_toc.yml").write_text("format: jb-book\nroot: notebooks/small\n")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder, "-n", "-W", "-q"]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    html = folder / "_build/html"
    with served(html) as address:
        yield address, html


@pytest.fixture
def asked(small, page):
    """The page, its formulas set."""
    page.goto(f"{small[0]}/notebooks/small.html", wait_until="load")
    page.wait_for_function("document.querySelectorAll('.question mjx-container').length")
    return page


def test_they_stand_between_exercises_and_summary(asked):
    heads = asked.locator("article h2").all_inner_texts()
    assert [head.rstrip("#").strip() for head in heads] == ["Exercises", "Questions", "Summary"]
    assert asked.locator(".question").count() == 5
    assert asked.locator("details.choice").count() == 15


def test_the_line_above_them_leads_to_them(asked):
    asked.get_by_role("link", name="Five questions on this chapter").click()
    assert asked.url.endswith("/small.html#questions")
    assert abs(asked.locator("#questions h2").bounding_box()["y"]) < 200


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_every_chapter_leads_to_its_questions(site, chapter):
    article = BeautifulSoup(
        (site / f"notebooks/{chapter.stem}.html").read_text("utf-8"), "html.parser"
    )
    [link] = [a for a in article.select("article p a") if a.text.startswith("Five questions on")]
    assert link["href"] == "#questions"
    assert link.find_parent("p").find_next("h2") is article.select_one("section#questions h2")


def test_a_choice_opens_by_keyboard_and_says_why(asked):
    choice = asked.locator("details.choice").nth(1)
    choice.locator("summary").focus()
    assert not choice.locator("p").is_visible()
    asked.keyboard.press("Enter")
    assert choice.locator("p").inner_text().startswith("Not right. As")
    first = asked.locator("details.choice").first
    first.locator("summary").press("Enter")
    assert first.locator("p").inner_text().startswith("Right. A square is")


def test_formulas_are_set_in_questions_choices_and_reasons(asked):
    for place in (".question > p", "details.choice summary", "details.choice > p"):
        assert asked.locator(f"{place} mjx-container").count() >= 5, place


def test_print_has_the_answers(asked):
    answers = asked.locator(".print-only")
    assert not answers.is_visible()
    asked.emulate_media(media="print")
    assert answers.is_visible()
    assert answers.inner_text() == "Right are 1 a, 2 b, 3 a, 4 b, 5 a."


def test_nothing_is_wrong_with_the_page(small, chromium):
    address, html = small
    page = chromium.new_page(viewport=WIDE)
    wanted = [subject for subject in SUBJECTS if subject != "weight"]  # the theme's, untrimmed
    found = look(page, address, "notebooks/small.html", html, wanted)
    found.pop("weight")
    page.close()
    assert not {subject: wrong for subject, wrong in found.items() if wrong}


def test_questions_of_no_chapter_stop_the_build(tmp_path):
    done = build(tmp_path, name="large")
    assert done.returncode, "it was built"
    assert "large.yml: there is no chapter 'large'" in done.stdout + done.stderr
