"""What a chapter that runs again keeps of its notebook, and what it rewrites.

Cells run in this process: a clock tells how many times the chapter has run, and so does a picture.
"""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from tests.test_execute import root, text  # noqa: F401 (root is a fixture)
from tools import execute as runner
from tools.chapters import (
    PARAMETERS,
    addresses,
    as_notebook,
    chapters,
    code_cells,
    is_stale,
    key,
    notebook_of,
)
from tools.keep import keep, shown

CLOCK = ":tags: [nbval-ignore-output]\n\nclock()"


class Book:
    """A book of one chapter, to be run again and again."""

    def __init__(self, folder: Path):
        self.root, self.chapter = folder, chapters(folder)[0]
        self.runs, self.machine, self.value = 0, "this one", 0

    def run(self, *cells: str, arguments: tuple[str, ...] = ("--force",)) -> list[str]:
        """Make these cells the chapter and run it: what each then shows."""
        self.chapter.write_text(text(*cells))
        runner.main(list(arguments), self.root)
        assert not is_stale(self.chapter, self.root) or "--seed" in arguments
        notebook = self.notebook()
        nbformat.validate(notebook)
        code = code_cells(notebook)
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        said = [cell.outputs[0].get("text") or cell.outputs[0].data["text/html"] if cell.outputs
                else "" for cell in code[2:]]  # fmt: skip
        return [re.sub(r".*xml,(.*)\">", r"\1", text).strip() for text in said]

    def execute(self, chapter: Path, root: Path, **parameters: str | int) -> nbformat.NotebookNode:  # noqa: F811
        """In place of `tools.execute.execute`."""
        self.runs += 1
        notebook = as_notebook(chapter.read_text(), addresses(root), **parameters)
        outputs: list[nbformat.NotebookNode] = []
        address = f"data:image/svg+xml,{str(self.runs) * 4}"
        drawn = {"text/html": f'<img alt="" src="{address}">', "text/plain": "<Figure>"}
        names = {
            "clock": lambda: print("seconds", self.runs),
            "picture": lambda: outputs.append(new_output("display_data", drawn)),
            "stored": lambda name: (root / name).read_text(),
            "library": lambda: self.value,
        }
        code = code_cells(notebook)
        for count, cell in enumerate(code, start=1):
            outputs.clear()
            with redirect_stdout(StringIO()) as said:
                exec(cell.source, names)
            if said.getvalue():
                outputs.append(new_output("stream", text=said.getvalue()))
            cell.outputs, cell.execution_count = list(outputs), count
        notebook.metadata.attention_book = nbformat.NotebookNode(
            key=key(chapter, root, **PARAMETERS | parameters),
            preset=parameters["preset"],
            seconds=self.runs,
            machine=self.machine,
        )
        return notebook

    def notebook(self) -> nbformat.NotebookNode:
        return nbformat.read(notebook_of(self.chapter), as_version=4)

    @property
    def stamp(self) -> dict:
        return {k: v for k, v in self.notebook().metadata.attention_book.items() if k != "key"}


@pytest.fixture
def book(root: Path, monkeypatch: pytest.MonkeyPatch) -> Book:  # noqa: F811
    book = Book(root)
    monkeypatch.setattr(runner, "execute", book.execute)
    return book


def test_a_second_run_changes_no_byte(book):
    cells = ("print(1)", CLOCK, "picture()")
    assert book.run(*cells) == ["1", "seconds 1", "1111"]
    before = notebook_of(book.chapter).read_bytes()
    assert book.run(*cells) == ["1", "seconds 1", "1111"]
    assert notebook_of(book.chapter).read_bytes() == before
    assert book.runs == 2


def test_times_and_pictures_are_written_anew_when_asked_for(book):
    cells = ("print(1)", CLOCK, "picture()")
    book.run(*cells)
    before = book.stamp
    assert book.run(*cells, arguments=("--force", "--timings")) == ["1", "seconds 2", "2222"]
    assert book.stamp != before


def test_prose_and_a_new_cell_below_change_nothing_above(book):
    book.run("print(1)", CLOCK)
    before = book.stamp
    assert book.run("print(1)", CLOCK, "picture()", CLOCK) == [
        "1", "seconds 1", "2222", "seconds 2",
    ]  # fmt: skip
    assert book.stamp != before


def test_below_a_changed_cell_times_and_pictures_are_of_the_new_run(book):
    book.run("x = 1", CLOCK, "picture()", "print(7)")
    before = book.stamp
    assert book.run("x = 2", CLOCK, "picture()", "print(7)") == ["", "seconds 2", "2222", "7"]
    assert book.stamp != before


def test_below_a_changed_output_too(book):
    """The cells are the same, but what they call has changed: so did what is drawn and timed."""
    cells = ("print(library())", CLOCK, "picture()")
    assert book.run(*cells) == ["0", "seconds 1", "1111"]
    book.value = 1
    assert book.run(*cells) == ["1", "seconds 2", "2222"]


def test_where_measurements_changed_what_reads_them_is_of_the_new_run(book):
    stored = book.root / "book/results/cpu/tiny-times.json"
    reads = ":tags: [nbval-ignore-output]\n\nprint(stored('book/results/cpu/tiny-times.json'))"
    stored.write_text("3")
    assert book.run(CLOCK, reads, "picture()") == ["seconds 1", "3", "1111"]
    stored.write_text("4")
    assert book.run(CLOCK, reads, "picture()", arguments=()) == ["seconds 1", "4", "2222"]


def test_a_figure_that_is_kept_gets_the_words_its_chapter_has_now(book):
    told = ':mystnb: {{"image": {{"alt": "{}"}}}}\n\npicture()'
    for words, written in (("four bars", "four bars"), ("5 > 4", "5 &gt; 4")):
        assert book.run(told.format(words)) == ["1111"]
        assert f'alt="{written}"' in book.notebook().cells[-1].outputs[0].data["text/html"]


def test_a_changed_text_of_equal_outputs_keeps_the_stamp(book):
    book.run("print(1 + 1)", "print( 3)")
    before = book.stamp
    assert book.run("print(2)  # two", "print('3 ')") == ["2", "3"]
    assert book.stamp == before


def test_another_parameter_is_another_run(book):
    book.run(CLOCK, "print(1)")
    before = book.stamp
    assert book.run(CLOCK, "print(1)", arguments=("--seed", "1")) == ["seconds 2", "1"]
    assert book.stamp != before


def test_times_of_two_machines_never_stand_in_one_notebook(book):
    book.run(CLOCK, "x = 1", CLOCK)
    book.machine = "another"
    assert book.run(CLOCK, "x = 1", CLOCK) == ["seconds 1", "", "seconds 1"]
    assert book.run(CLOCK, "x = 2", CLOCK) == ["seconds 3", "", "seconds 3"]
    assert book.stamp["machine"] == "another"


def test_a_new_address_rewrites_nothing(book, monkeypatch):
    book.run(CLOCK)
    monkeypatch.setenv("BOOK_REPOSITORY", "https://example.org/fork")
    assert book.run(CLOCK) == ["seconds 1"]


def cell(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_code_cell("x", outputs=list(outputs))


def test_a_stream_may_be_cut_anywhere():
    whole = cell(new_output("stream", text="one\ntwo\n"))
    assert shown(whole) == shown(
        cell(new_output("stream", text="one\nt"), new_output("stream", text="wo\n"))
    )
    other = new_output("display_data", {"text/plain": "one two"})
    assert shown(whole) != shown(cell(other)), "not printed but displayed"


def test_what_was_never_run_keeps_nothing():
    notebook = nbformat.v4.new_notebook(cells=[cell(new_output("stream", text="1"))])
    notebook.metadata.attention_book = {"key": "a-b", "preset": "ci"}
    assert keep(notebook, nbformat.v4.new_notebook()) == 1


def test_a_notebook_that_was_written_and_not_run_has_no_output_to_keep(book):
    empty = as_notebook(text(CLOCK), addresses(book.root))
    runner.write(empty, notebook_of(book.chapter))
    assert book.run(CLOCK) == ["seconds 1"]


def test_a_kept_result_carries_the_number_of_its_cell():
    def ran(count: int, told: str) -> nbformat.NotebookNode:
        result = new_output("execute_result", {"text/plain": told}, execution_count=count)
        one = new_code_cell("x", id="x-1", outputs=[result], execution_count=count)
        stamp = dict(key="a-b", preset="ci")
        return nbformat.v4.new_notebook(cells=[one], metadata=dict(attention_book=stamp))

    notebook = ran(2, "7  8")
    assert keep(notebook, ran(1, "7 8")) == 0
    assert notebook.cells[0].outputs == ran(2, "7 8").cells[0].outputs
