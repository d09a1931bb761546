"""Four notebooks from one source: what each leaves out, and that each still runs."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.test_rules import EXERCISE, code
from tools import alone, editions
from tools.chapters import OPENING, addresses, as_notebook, chapters, code_cells
from tools.folds import SETUP, kind
from tools.used import defined, needed

EVERY_CHAPTER = pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
PAGE = "https://read.org/notebooks/tiny.html"
PROOF = """
**Exercise 2** ★★ *Proof.* Show it.

<details><summary>Hint 2</summary>

Think.

</details>

<details><summary>Solution 2</summary>

Thought.

</details>
"""
TINY = (
    OPENING
    + code("a = 1")
    + code("unused = a")
    + code("def twice(x):\n    return 2 * x + numbers[0]")
    + code("numbers = [a]")
    + code("numbers[0] = 3")
    + code("print(numbers)")
    + code("assert a", "check")
    + "\nSome words.\n\n## Exercises\n"
    + EXERCISE.replace("return a + b", "return twice(a) + b")
    + code("assert added_solution(1, 2) == 7", "check")
    + PROOF
    + "\n## Summary\n\nThat was it.\n"
)


def notebook(text: str = TINY) -> nbformat.NotebookNode:
    """A chapter as published, though nothing ran: each cell shows something."""
    made = as_notebook(text, addresses())
    for number, cell in enumerate(code_cells(made), start=1):
        cell.execution_count = number
        cell.outputs = [nbformat.v4.new_output("stream", text="shown\n")]
    made.metadata.attention_book = {"key": "k"}
    return made


def sources(made: nbformat.NotebookNode, below_set_up: bool = True) -> list[str]:
    nbformat.validate(made)
    return [cell.source for cell in made.cells if not (below_set_up and kind(cell) in SETUP)]


def test_the_teachers_differs_from_the_published_by_metadata_alone():
    published = notebook()
    opened = editions.teacher(published, PAGE)
    nbformat.validate(opened)
    same = [{**cell, "metadata": None} for cell in opened.cells]
    assert same == [{**cell, "metadata": None} for cell in published.cells]
    assert not any({"jupyter", "cellView"} & cell.metadata.keys() for cell in opened.cells)
    assert published == notebook(), "the published one is left as it was"


def test_the_students_has_no_solution_and_all_else():
    whole = sources(notebook())
    asked = sources(editions.student(notebook(), PAGE))
    gone = [source for source in whole if source not in asked]
    solved, checked, proof = gone
    assert "#@title Solution 1\n" in solved and "added_solution" in checked and "Thought" in proof
    assert any("Show it." in s and "Think." in s and "Thought." not in s for s in asked)
    assert any("assert a" in source for source in asked), "a check of what is the book's stays"


def test_an_assignment_is_the_exercises_and_what_they_need():
    made = editions.assignment(notebook(), PAGE)
    title, heading, *rest = sources(made)
    assert title.startswith("# Title\n") and PAGE in title and heading.startswith("## From the")
    a, twice, numbers, changed, *rest = rest
    assert (a, numbers, changed) == ("a = 1", "numbers = [a]", "numbers[0] = 3")
    assert twice.startswith("def twice") and "Some words" not in rest[0]
    assert rest[0].startswith("## Exercises\n")
    assert not any("unused" in s or "print(" in s or "Summary" in s for s in rest)
    code = code_cells(made)
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert "attention_book" not in made.metadata


def test_a_chapter_without_exercises_has_no_assignment():
    with pytest.raises(ValueError, match="no heading '## Exercises'"):
        editions.assignment(notebook(OPENING), PAGE)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("y = x\nx = 1", {"x"}),
        ("x = 1\ny = x", set()),
        ("x = x + 1", {"x"}),
        ("x += 1", {"x"}),
        ("for i in range(n):\n    print(i)", {"n"}),
        ("def f(a):\n    return a + b + f(a)", {"b"}),
        ("class A(B):\n    def f(self):\n        return [c for d in e if d]", {"B", "c", "e"}),
        ("with o as p:\n    p.q", {"o"}),
        ("if True:\n    %pip install x\nprint(get_ipython())", set()),
        ("import a.b as c\nc.d", set()),
    ],
)
def test_what_a_cell_needs(source, names):
    assert needed(source) == names


def test_what_a_cell_needs_at_once():
    source = "def f(a=b):\n    return c\n\n\ng = lambda: d\nh = [e for _ in range(2)]"
    assert needed(source) == {"b", "c", "d", "e"}
    assert needed(source, at_once=True) == {"b", "e"}


def undefined(made: nbformat.NotebookNode) -> dict[str, set[str]]:
    """The names that a cell uses before any cell defines them, by its first line."""
    code = [cell.source for cell in code_cells(made)]
    ever = {name for source in code for name in defined(source)}
    known: set[str] = set()
    found = {}
    for source in code:
        if missing := (needed(source, at_once=True) - known) | (needed(source) - ever):
            found[source.partition("\n")[0]] = missing
        known |= defined(source)
    return found


@EVERY_CHAPTER
@pytest.mark.parametrize("edition", editions.EDITIONS)
def test_every_name_is_defined_before_it_is_used(chapter, edition):
    text = chapter.read_text("utf-8")
    made = editions.EDITIONS[edition](notebook(text), PAGE)
    nbformat.validate(made)
    assert not undefined(made)
    tells = any(re.search(r"\bSolution \d", cell.source) for cell in made.cells)
    assert tells == (edition in ("published", "teacher"))


@EVERY_CHAPTER
def test_what_a_solution_needs_is_in_the_assignment(chapter):
    whole = notebook(chapter.read_text("utf-8"))
    asked = editions.assignment(whole, PAGE)
    asked.cells += [cell for cell in whole.cells if kind(cell) == "solution"]
    assert not undefined(asked)


@pytest.mark.parametrize("edition", ["student", "assignment"])
def test_an_edition_runs_with_its_stubs(edition, tmp_path, monkeypatch):
    """One chapter that computes little; the others are tried name by name above."""
    (start,) = [path for path in chapters() if path.stem == "start"]
    whole = as_notebook(start.read_text("utf-8"), addresses())
    here = Path(__file__).parents[1]
    for name, value in alone.kernel(Path(sys.executable), tmp_path, here).items():
        monkeypatch.setenv(name, value)
    how = dict(kernel_name=alone.KERNEL, timeout=600)
    made = editions.EDITIONS[edition](whole, PAGE)
    NotebookClient(made, resources={"metadata": {"path": str(tmp_path)}}, **how).execute()


def test_the_command_writes_all_editions(tmp_path, capsys):
    (tmp_path / "book/chapters").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book/chapters/tiny.md").write_text(TINY)
    (tmp_path / "_config.yml").write_text("html:\n  baseurl: https://read.org\n")
    nbformat.write(notebook(), tmp_path / "notebooks/tiny.ipynb")
    editions.main([], tmp_path)
    assert "4 notebooks in dist/editions" in capsys.readouterr().out
    for edition, make in editions.EDITIONS.items():
        written = nbformat.read(tmp_path / f"dist/editions/{edition}/tiny.ipynb", as_version=4)
        assert written == make(notebook(), PAGE)
    with pytest.raises(SystemExit):
        editions.main(["tinny"], tmp_path)
    assert "no chapter tinny; there are: tiny" in capsys.readouterr().err
