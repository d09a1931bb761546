"""What a chapter's tags become: the same folds on the site, in JupyterLab and in Colab."""

import nbformat
import pytest

from attention_lib.teaching.train import PRESETS
from tests.test_rules import EXERCISE, code
from tools import folds
from tools.chapters import (
    INSTALL_CELL,
    ON_A_GPU,
    OPENING,
    PARAMETERS,
    PARAMETERS_CELL,
    addresses,
    as_notebook,
    cells,
    code_cells,
)


def made(*blocks: str) -> list[nbformat.NotebookNode]:
    """The code cells of a chapter below its set-up."""
    notebook = as_notebook(OPENING + "".join(blocks), addresses())
    nbformat.validate(notebook)
    return code_cells(notebook)[3:]


@pytest.mark.parametrize(
    ("tag", "source", "title", "site", "outputs"),
    [
        ("solution", "x = 1", "Solution 1", "hide-cell", True),
        ("check", "assert x", "Check", "remove-cell", False),
        ("figure", "plot.lines(x)", "Code of this figure", "hide-input", False),
        ("figure", "display.table(x)", "Code of this table", "hide-input", False),
        ("figure", "display.source(x)", "Code of this listing", "hide-input", False),
    ],
)
def test_a_cell_is_folded_everywhere(tag, source, title, site, outputs):
    cell = made(EXERCISE, code(source, f"{tag}, nbval-ignore-output"))[-1]
    assert cell.source == f"#@title {title}\n{source}"
    assert cell.metadata.tags == [tag, "nbval-ignore-output", site]
    assert cell.metadata.mystnb == {"code_prompt_show": title, "code_prompt_hide": title}
    assert cell.metadata.cellView == "form"
    assert cell.metadata.jupyter.source_hidden
    assert cell.metadata.jupyter.get("outputs_hidden", False) == outputs
    assert cell.metadata.get("collapsed", False) == outputs


def test_the_set_up_is_folded_and_an_error_in_it_is_seen():
    """Its output is folded where there always is some; of the others only an error would be."""
    first = code_cells(as_notebook(OPENING, addresses()))
    hidden = [cell.metadata.jupyter.get("outputs_hidden", False) for cell in first]
    assert hidden == [False, False, True]
    assert [cell.source.partition("\n")[0] for cell in first] == [
        "#@title Set-up: how much to compute",
        "#@title Set-up: installation",
        "#@title Set-up: imports, and the machine",
    ]


def test_what_is_not_tagged_is_left_open():
    (cell,) = made(code("x = 1", "nbval-ignore-output"))
    assert cell.source == "x = 1" and cell.metadata == {"tags": ["nbval-ignore-output"]}


def test_alt_text_and_a_fold_stand_side_by_side():
    drawn = code("plot.lines(x)", "figure").replace(
        ":tags", ':mystnb: {"image": {"alt": "a"}}\n:tags'
    )
    (cell,) = made(drawn)
    assert cell.metadata.mystnb.image == {"alt": "a"}
    assert cell.metadata.mystnb.code_prompt_show == "Code of this figure"


def test_a_cell_keeps_its_name_when_its_exercise_gets_another_number():
    before = made(EXERCISE)
    after = made("\n**Exercise 1** ★ Another.\n", EXERCISE.replace("Exercise 1*", "Exercise 2*"))
    assert before[-1].id == after[-1].id and before[-1].source != after[-1].source


def test_unfolding_changes_metadata_alone():
    folded, opened = (as_notebook(OPENING + EXERCISE, addresses()) for _ in range(2))
    folds.unfold(opened)
    assert [cell[:3] for cell in cells(folded)] == [cell[:3] for cell in cells(opened)]
    kept = [set(cell.metadata) - {"mystnb"} for cell in code_cells(opened)]
    assert kept == [{"tags"}] * 3 + [set(), {"tags"}]
    assert not any("hide" in tag for c in opened.cells for tag in c.metadata.get("tags", []))


def run(source: str, **given: str) -> dict:
    for name, value in given.items():
        source = source.replace(f'{name} = "', f'{name} = {value!r}  # "')
    names: dict = {}
    exec(source, names)
    return names


def test_the_first_cell_knows_the_presets_and_refuses_others():
    assert {name: run(PARAMETERS_CELL)[name] for name in PARAMETERS} == PARAMETERS
    for preset in PRESETS:
        run(PARAMETERS_CELL, preset=preset)
    with pytest.raises(ValueError, match="'nonsense' is none of ci, laptop, t4, big"):
        run(PARAMETERS_CELL, preset="nonsense")
    with pytest.raises(ValueError, match="'gpu' is none of auto, cpu, cuda"):
        run(PARAMETERS_CELL, device="gpu")


@pytest.mark.parametrize("preset", PRESETS)
def test_colab_opens_it_on_a_gpu_where_the_preset_wants_one(preset):
    notebook = as_notebook(OPENING, {}, preset=preset)
    assert notebook.metadata.get("accelerator") == ("GPU" if preset in ON_A_GPU else None)


def test_addresses_are_filled_in_where_they_stand():
    text = OPENING + "\n[a](SITE/book/intro.html) `SITE`\n"
    named = {"REPOSITORY": "https://here.org/book", "SITE": "https://read.org", "WHEEL": "w.whl"}
    notebook = as_notebook(text, named)
    assert "[a](https://read.org/book/intro.html) `SITE`" in notebook.cells[-1].source
    install = notebook.cells[2].source
    assert '"https://read.org/_static/wheels/w.whl", "git+https://here.org/book"' in install
    assert not {*named} & {*install.replace('"', " ").replace("/", " ").split()}
    assert {*named} & {*INSTALL_CELL.replace('"', " ").replace("/", " ").split()}
