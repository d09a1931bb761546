"""The runner: what makes a notebook stale, and what a failing cell leaves behind.

The chapters here are three cells long and lie in a folder of their own.
"""

from pathlib import Path

import nbformat
import pytest

from tools import execute as runner
from tools.chapters import (
    OPENING,
    PARAMETERS_CELL,
    addresses,
    as_notebook,
    chapters,
    code_cells,
    is_stale,
    key,
    notebook_of,
)
from tools.execute import ChapterError, execute, main

HERE = "https://example.org/book"
SITE = "https://example.org/site"
FORK = "https://example.org/fork"


def text(*cells: str) -> str:
    """A chapter: parameters, an install cell that only names the address, and more cells."""
    head = [f":tags: [parameters]\n\n{PARAMETERS_CELL}", ':tags: [install]\n\nat = "REPOSITORY"']
    blocks = [f"```{{code-cell}} ipython3\n{cell}\n```\n" for cell in (*head, *cells)]
    return "\n".join([OPENING.partition("# Title")[0], "# Tiny\n", *blocks])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one chapter."""
    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    monkeypatch.delenv("BOOK_SITE", raising=False)
    for folder in ("book/chapters", "book/results/cpu", "attention_lib/teaching/samples"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "_config.yml").write_text(f"repository:\n  url: {HERE}\nhtml:\n  baseurl: {SITE}\n")
    (tmp_path / "constraints.txt").write_text("torch==2\n")
    (tmp_path / "book/chapters/tiny.md").write_text(text("print(preset, seed)"))
    return tmp_path


@pytest.fixture
def chapter(root: Path) -> Path:
    return chapters(root)[0]


@pytest.fixture
def done(root: Path, chapter: Path) -> Path:
    """Its notebook, as good as run: the key fits, the outputs are those of no cell."""
    notebook = as_notebook(chapter.read_text(), addresses(root))
    notebook.metadata.attention_book = {"key": key(chapter, root), "preset": "ci"}
    runner.write(notebook, notebook_of(chapter))
    return notebook_of(chapter)


def test_a_run_is_tidy_and_stamped(root, chapter):
    chapter.write_text(text(f'print(preset, seed, "{root}/book")', "import os\nos.listdir()"))
    notebook = execute(chapter, root, seed=3)
    _, _, told, listed = notebook.cells[1:]
    assert told.outputs[0].text == "ci 3 book\n"  # no path of this machine
    assert listed.outputs[0].data["text/plain"] == "[]"  # it runs in an empty folder
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3, 4]
    assert "papermill" not in nbformat.writes(notebook)
    assert notebook.cells[1].source.endswith(PARAMETERS_CELL.replace("seed = 0", "seed = 3"))
    stamp = notebook.metadata.attention_book
    assert stamp.preset == "ci" and stamp.seconds > 0 and stamp.machine and stamp.torch
    nbformat.validate(notebook)


def test_what_is_fresh_does_not_run(root, done, capsys):
    before = done.read_bytes()
    main([], root)
    assert "tiny: fresh" in capsys.readouterr().out
    assert done.read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [
        "book/chapters/tiny.md",
        "book/results/cpu/tiny-times.json",
        "book/weights.txt",
        "constraints.txt",
    ],
)
def test_what_shapes_the_outputs_makes_it_stale(root, chapter, done, changed):
    assert not is_stale(chapter, root)
    (root / changed).write_text("# something new\n")
    assert is_stale(chapter, root)


@pytest.mark.parametrize(
    "changed",
    [
        "book/results/cpu/other-times.json",  # another chapter's
        "book/references.bib",
        "attention_lib/core.py",
        "attention_lib/teaching/samples/digits.npz",
    ],
)
def test_what_nbval_judges_does_not(root, chapter, done, changed):
    (root / changed).write_text("{}")
    assert not is_stale(chapter, root)


def test_prose_is_carried_into_a_notebook_without_a_run(root, chapter, done, monkeypatch):
    notebook = nbformat.read(done, as_version=4)
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="ci 0\n")]
    notebook.cells[-1].execution_count = 3
    runner.write(notebook, done)
    monkeypatch.setattr(runner, "execute", lambda *_, **__: pytest.fail("it ran"))
    old = chapter.read_text()
    chapter.write_text(old.replace("# Tiny\n", "# Tiny\n\nFirst.\n") + "\nLast.\n")
    main([], root)
    carried = nbformat.read(done, as_version=4)
    assert [cell.source for cell in carried.cells if cell.cell_type == "markdown"] == [
        "# Tiny\n\nFirst.",
        "Last.",
    ]
    assert code_cells(carried) == code_cells(notebook)
    assert carried.metadata == notebook.metadata
    nbformat.validate(carried)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("print(preset, seed)", "print(preset)"),
        ("```{code-cell} ipython3\nprint", "```{code-cell} ipython3\n:tags: [figure]\n\nprint"),
    ],
)
def test_code_and_tags_are_not_carried(chapter, root, done, old, new):
    assert old in chapter.read_text()
    chapter.write_text(chapter.read_text().replace(old, new))
    assert is_stale(chapter, root)


@pytest.mark.parametrize("parameter", [{"preset": "t4"}, {"device": "cpu"}, {"seed": 1}])
def test_another_parameter_makes_it_stale(root, chapter, done, parameter):
    assert is_stale(chapter, root, **parameter)


def test_a_new_address_is_written_without_a_run(root, chapter, done, monkeypatch, capsys):
    monkeypatch.setenv("BOOK_REPOSITORY", FORK)
    monkeypatch.setattr(runner, "execute", lambda *_, **__: pytest.fail("it ran"))
    assert HERE in done.read_text()
    main([], root)
    assert FORK in done.read_text() and HERE not in done.read_text()
    assert "new prose or addresses" in capsys.readouterr().out
    assert not is_stale(chapter, root)


def test_new_folds_are_written_without_a_run(root, chapter, done, monkeypatch):
    before = done.read_text()
    monkeypatch.setattr(runner, "execute", lambda *_, **__: pytest.fail("it ran"))
    done.write_text(before.replace('"cellView": "form"', '"cellView": "code"'))
    main([], root)
    assert done.read_text() == before and '"cellView": "form"' in before


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("x = 1\nx / 0", "tiny.md, code cell 4 (x = 1): ZeroDivisionError: division by zero"),
        ("import os\nos._exit(1)", "tiny.md, code cell 4 (import os): Kernel died"),
        (
            "import sys\nprint('careful', file=sys.stderr)",
            "tiny.md, code cell 4 (import sys): wrote to stderr: careful",
        ),
    ],
)
def test_a_failing_cell_is_named_and_the_last_good_notebook_stays(root, chapter, done, cell, error):
    before = done.read_bytes()
    chapter.write_text(text("print(1)", cell, "print(2)"))
    with pytest.raises(SystemExit, match="error") as stopped:
        main([], root)
    assert error in str(stopped.value)  # a message, so the exit status is 1
    assert done.read_bytes() == before
    assert [path.name for path in done.parent.iterdir()] == [done.name]


def test_a_cell_that_hangs_is_stopped(root, chapter, monkeypatch):
    monkeypatch.setattr(runner, "CELL_SECONDS", 1)
    chapter.write_text(text("import time\ntime.sleep(60)"))
    with pytest.raises(ChapterError, match=r"code cell 3 \(import time\): .*[Tt]ime"):
        execute(chapter, root)


def test_an_unknown_chapter_is_refused_with_the_known_ones(root, capsys):
    with pytest.raises(SystemExit):
        main(["tinny"], root)
    assert "no chapter tinny; there are: tiny" in capsys.readouterr().err


def test_an_edit_keeps_the_ids_of_the_other_cells():
    before = [cell.id for cell in as_notebook(text("a = 1", "b = 2", "b = 2"), {}).cells]
    after = [cell.id for cell in as_notebook(text("new", "a = 1", "b = 2", "b = 2"), {}).cells]
    assert len(set(before)) == len(before)
    assert [name for name in after if name in before] == before
