"""Chapters keep the rules, and their notebooks are what they say.

That every cell runs alone and still prints what the notebook shows is proven by tools/alone.py.
"""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.rules import complaints
from tools import alone
from tools.chapters import (
    ROOT,
    addresses,
    as_notebook,
    cells,
    chapters,
    code_cells,
    is_stale,
    notebook_of,
    published,
)
from tools.new import headings
from tools.noise.__main__ import proven

EVERY_CHAPTER = pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)


def output_complaints(notebook: nbformat.NotebookNode) -> list[str]:
    """What is wrong with the outputs of an executed notebook."""
    code = code_cells(notebook)
    found = []
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("its cells were not run once each, from top to bottom")
    for number, cell in enumerate(code, start=1):
        where = f"code cell {number}"
        for output in cell.outputs:
            shown = output.get("data", {})
            html = "".join(shown.get("text/html", ""))
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"{where} failed or warned")
            if any(kind.startswith("image/") for kind in shown):
                found.append(f"{where} shows a picture: draw it by attention_lib.teaching.plot")
            if re.search(r'<img(?![^>]*\balt="[^"]+")', html):
                found.append(f"{where} shows an <img> without alt text")
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            found += [f"{where} shows {what}" for what in fragile(printed(cell))]
        places = rf"{ROOT}\b|{Path.home()}/|/home/\w+|site-packages"
        if path := re.search(places, json.dumps(cell.outputs)):
            found.append(f"{where} names a place on one machine: {path[0]}")
    return found


def printed(cell: nbformat.NotebookNode) -> str:
    """The text of a cell's outputs, without sources that it quotes."""
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return re.sub(r"(?ms)^```.*?^```$", "", "\n".join("".join(text) for text in texts))


def fragile(text: str) -> list[str]:
    """What in a text looks different on another processor: there the last digits differ."""
    shapes = {
        "a tensor of floats as torch lays it out": r"\b(?:tensor|array)\([^()]*\d\.[^()]*\)",
        "a tensor of nan or inf as torch lays it out": r"\b(?:tensor|array)\([^()]*\b(?:nan|inf)\b",
        "numbers that are whole but for a last digit": r"\[ *-?\d+\.(?:, +-?\d+\.)*\]",
        "a minus before zero": r"(?<![\w.])-0(?:\.0*)?(?:e[-+]?0+)?(?![\w.])",
        "all digits of a float": r"(?<![\w.])-?\d+\.\d{7,}",
    }
    advice = "show it by `numbers` of attention_lib.teaching.display"
    return [
        f"{what}, {found[0]!r}: {advice}"
        for what, shape in shapes.items()
        if (found := re.search(shape, text))
    ]


def others_results(text: str, chapter: str) -> list[str]:
    """Stored measurements that a chapter names and that its key does not hold."""
    names = sorted({path.stem for path in ROOT.glob("book/results/*/*.json")})
    return [n for n in names if f'"{n}"' in text and not n.startswith(f"{chapter}-")]


def test_a_chapter_reads_results_of_its_name_alone():
    text = 'rows = newest(store.load("linear-bench")) + anything("dense-heads")'
    assert others_results(text, "linear") == ["dense-heads"]
    assert others_results(text, "start") == ["dense-heads", "linear-bench"]


def test_there_are_chapters():
    assert chapters()


@EVERY_CHAPTER
def test_a_chapter_keeps_the_rules(chapter):
    name, text = chapter.stem, chapter.read_text(encoding="utf-8")
    found = [f"{chapter.name}, {told}" for told in complaints(text, name, headings(name))]
    assert not found, "\n".join(found)
    strange = others_results(text, name)
    assert not strange, f"no key of {name} covers the measurements {strange}"


@EVERY_CHAPTER
def test_a_notebook_is_its_chapter_executed(chapter):
    notebook = published(chapter)
    assert notebook, f"{notebook_of(chapter)} is missing; type: make execute"
    assert not is_stale(chapter), f"{chapter.stem} is stale; type: make execute"
    assert cells(notebook) == cells(as_notebook(chapter.read_text("utf-8"), addresses()))
    assert not output_complaints(notebook)


def test_a_notebook_has_a_chapter():
    assert sorted((ROOT / "notebooks").glob("*.ipynb")) == [notebook_of(c) for c in chapters()]


@EVERY_CHAPTER
def test_rounding_changes_nothing_that_is_compared(chapter):
    """Proven by tools/noise: a notebook carries the key that it was proven for."""
    assert proven(published(chapter)), f"{chapter.stem} is not proven; type: make noise"


# ---- the rules of outputs, tried


def executed(*outputs: nbformat.NotebookNode, count: int = 1, **metadata) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("x", execution_count=count, metadata=metadata)
    cell.outputs = list(outputs)
    return nbformat.v4.new_notebook(cells=[cell])


PNG = nbformat.v4.new_output("display_data", {"image/png": "AAAA"})


def drawn(alt: str) -> nbformat.NotebookNode:
    html = f'<img alt="{alt}" src="data:image/svg+xml,%3Csvg/%3E">'
    return nbformat.v4.new_output("display_data", {"text/html": html})


def shown(text: str, **metadata) -> nbformat.NotebookNode:
    return executed(nbformat.v4.new_output("stream", text=text), **metadata)


@pytest.mark.parametrize(
    ("notebook", "complaint"),
    [
        (executed(count=2), "from top to bottom"),
        (executed(count=None), "from top to bottom"),
        (executed(nbformat.v4.new_output("error", ename="E", evalue="")), "failed"),
        (executed(nbformat.v4.new_output("stream", name="stderr", text="careful")), "warned"),
        (executed(PNG), "draw it by"),
        (executed(drawn("")), "without alt text"),
        (executed(nbformat.v4.new_output("display_data", {"text/html": "<img src=x>"})), "<img>"),
        (shown(f"{ROOT}/book"), "one machine"),
        (shown("gates tensor([0.953, 0.047])"), "a tensor of floats"),
        (shown("mean tensor(5.000)"), "a tensor of floats"),
        (shown("tensor([[ 1.905],\n        [-0.047]])"), "a tensor of floats"),
        (shown("tensor([2., 5.], dtype=torch.float16)"), "a tensor of floats"),
        (shown("tensor([nan, nan])"), "a tensor of nan"),
        (shown("array([1.5])"), "a tensor of floats"),
        (shown("[1., 0.]"), "whole but for a last digit"),
        (shown("[ 1.000, -0.000]"), "minus before zero"),
        (shown("at -0.0"), "minus before zero"),
        (shown("0.30000001192092896"), "all digits"),
        (
            executed(nbformat.v4.new_output("execute_result", {"text/plain": "tensor(5.000)"})),
            "a tensor of floats",
        ),
    ],
)
def test_a_bad_output_is_named(notebook, complaint):
    assert any(complaint in found for found in output_complaints(notebook))


def test_a_good_output_is_left_in_peace():
    assert not output_complaints(executed(drawn("four gates, all near 1")))
    plain = "[[1.000, 0.000], [nan, -0.010]] tensor([1, 2]) 10-0.5 torch 2.13.0 1e-05 -0.05 0.3333"
    assert not output_complaints(shown(plain))
    assert not output_complaints(shown("tensor(5.000)", tags=["nbval-ignore-output"]))
    assert not output_complaints(shown("```python\nx = tensor(-0.0)\n```\n"))


# ---- as a reader runs it: with nothing of this repository, see tools/alone.py


def published_as(folder: Path, *cells: tuple[str, str | nbformat.NotebookNode]) -> Path:
    """A notebook of cells and what they are said to print, or to show."""
    notebook = nbformat.v4.new_notebook()
    for number, (source, text) in enumerate(cells, start=1):
        cell = nbformat.v4.new_code_cell(source, execution_count=number)
        if isinstance(text, str):
            cell.outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
        else:
            cell.outputs = [text]
        notebook.cells.append(cell)
    folder.mkdir()
    nbformat.write(notebook, folder / f"{folder.name}.ipynb")
    return folder / f"{folder.name}.ipynb"


DRAWS = """\
html = '<img alt="" src="data:image/svg+xml,another">'
display({"text/html": html + "beside it"}, raw=True)"""


def test_a_notebook_runs_alone_and_is_compared_by_value(tmp_path, capfd):
    """Two at a time; a failure names chapter and cell, and a file left behind is named too."""
    good = published_as(
        tmp_path / "good",
        ("import os\nprint(os.listdir())", "['good.ipynb']\n"),
        ("from importlib.util import find_spec", ""),
        ("print('/home/library/' in find_spec('attention_lib').origin)", "True\n"),
        ("print('[1., 0.] 1')", "[ 1.000, -0.000] 1\n"),
        (DRAWS.replace("beside it", ""), drawn("a figure, drawn elsewhere")),
    )
    bad = published_as(
        tmp_path / "bad",
        ("print(0.334)", "0.333\n"),
        (DRAWS, drawn("a figure without what is beside it")),
        ("open('left', 'w').close()", ""),
    )
    python = Path(sys.executable)  # quicker here than an environment of its own
    named, left = alone.run([good, bad], python, jobs=2)
    said = capfd.readouterr().out
    assert "FAILED bad/bad.ipynb::Cell 0" in said and "FAILED bad/bad.ipynb::Cell 1" in said
    assert "2 failed, 6 passed" in said
    assert "cells named above" in named and left == "bad leaves files behind: left"
