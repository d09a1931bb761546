"""What is listed as older than its source, in a small book of its own."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from attention_lib.measure import source
from tests.test_execute import chapter, done, root  # noqa: F401 (fixtures)
from tools import stale
from tools.chapters import is_stale
from tools.site.older import say_what_is_older

GATE = "class Gate:\n    def forward(self, x):\n        return x\n"
FOLDER = "cpu-here"


@pytest.fixture
def library(root: Path, done: Path) -> Path:  # noqa: F811
    """A book whose notebook is fresh, with two mechanisms and their stored measurement."""
    for name in ("Gate", "Other"):
        path = root / f"attention_lib/tiny/{name.lower()}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(GATE.replace("Gate", name))
    store(root, "other-bench", "make bench FAMILY=tiny")
    return root


def store(root: Path, name: str, command: str) -> None:  # noqa: F811
    origin = dict(command=command, source=source.digests(["Gate", "Other"], root))
    path = root / f"book/results/{FOLDER}/{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dict(provenance=origin, rows=[])))


def change(root: Path) -> None:  # noqa: F811
    path = root / "attention_lib/tiny/gate.py"
    path.write_text(GATE.replace("return x", "return -x"))


def test_nothing_is_listed_while_all_is_fresh(library, capsys):
    assert not [*stale.lines(library)]
    stale.main(library)
    assert "of the present source" in capsys.readouterr().out


def test_a_changed_mechanism_is_listed_with_the_command(library):
    change(library)
    assert [*stale.lines(library)] == [f"{FOLDER}/other-bench.json: Gate: make bench FAMILY=tiny"]
    assert stale.told(library) == {"other-bench": f"Measured on older code: Gate ({FOLDER})."}


def test_of_peers_only_the_old_rows_are_measured_again(library):
    store(library, "peers-eager", "make peers ARGS='--seconds 1 --processes 3'")
    change(library)
    assert [*stale.lines(library)][1].endswith(
        ": Gate: make peers ARGS='Gate --replace --seconds 1 --processes 3'"
    )


def test_a_changed_chapter_is_listed(library, chapter):  # noqa: F811
    chapter.write_text(chapter.read_text().replace("print(", "print(1, "))
    assert is_stale(chapter, library)
    assert [*stale.lines(library)] == ["notebook tiny: make execute CHAPTER=tiny"]


@pytest.mark.parametrize(("noise", "listed"), [("same", False), ("older", True)])
def test_a_proof_under_noise_of_an_older_notebook_is_listed(library, done, noise, listed):  # noqa: F811
    notebook = json.loads(done.read_text())
    stamp = notebook["metadata"]["attention_book"]
    stamp["noise"] = stamp["key"] if noise == "same" else noise
    done.write_text(json.dumps(notebook))
    assert bool([*stale.lines(library)]) == listed


def cell(text: str) -> nodes.container:
    block = nodes.container("", nodes.literal_block(text, text), classes=["cell_input"])
    return nodes.container("", block, classes=["cell"])


def test_the_site_says_so_below_the_cell_that_reads_it():
    page = new_document("page")
    page += cell('rows = newest(store.load("tiny-bench"))["rows"]')
    page += cell('rows = newest(store.load("tiny-other"))["rows"]')
    page += nodes.literal_block("", 'newest(store.load("tiny-bench"))')  # text, not a cell
    older = {"tiny-bench": "Measured on older code: Gate (cpu)."}
    app = SimpleNamespace(config=SimpleNamespace(measured_on_older_code=older))
    say_what_is_older(app, page, "notebooks/tiny")
    assert [type(child).__name__ for child in page.children] == [
        "container", "admonition", "container", "literal_block",
    ]  # fmt: skip
    assert page.children[1].astext().endswith("Measured on older code: Gate (cpu).")
