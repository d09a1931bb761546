"""A notebook finds its library: the addresses in it are right, and its install cell uses them.

What Colab has is an environment with nothing of this repository, see tools/alone.py.
"""

import re
import subprocess
from pathlib import Path
from shutil import copy
from subprocess import PIPE

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from tools import alone
from tools.browser import served
from tools.chapters import OPENING, ROOT, addresses, as_notebook, chapters, repository, site
from tools.wheel import built_wheel

NOWHERE = "https://127.0.0.1:9/nobody/nothing"  # nothing listens there
WHEEL = addresses()["WHEEL"]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, text=True, stdout=PIPE).stdout


@pytest.mark.parametrize(("word", "asked"), [("repository", "url"), ("html", "baseurl")])
def test_an_address_stands_in_one_place(word, asked):
    """Everything else asks `tools.chapters`; what tools wrote from it does not count."""
    stated = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))[word][asked]
    made = {".git", ".venv", "_build", "dist", "notebooks", "api", "__pycache__"}
    made |= {"cite.md", "changes.md", "library", "library.md"}
    places = [place for place in ROOT.iterdir() if place.name not in made]
    files = [path for place in places for path in (place, *place.rglob("*")) if path.is_file()]
    address = stated.partition("://")[2].encode()
    found = [
        path
        for path in files
        if not made & set(path.relative_to(ROOT).parts) and address in path.read_bytes()
    ]
    assert found == [ROOT / "_config.yml"]


def web_address(remote: str) -> str:
    """A remote of git as a browser asks for it; '' where it is no place on the web."""
    found = re.fullmatch(
        r"(?:https?://|ssh://git@|git@)([\w.-]+\.\w+)[:/](.+?)(?:\.git)?/?", remote
    )
    return f"https://{found[1]}/{found[2]}" if found else ""


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("git@github.com:a/b.git", "https://github.com/a/b"),
        ("ssh://git@github.com/a/b", "https://github.com/a/b"),
        ("/home/a/b", ""),
        ("", ""),
    ],
)
def test_a_remote_has_an_address(remote, address):
    assert web_address(remote) == address


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_committed_notebook_names_the_repository_it_is_in(chapter):
    """The remote's, so that a fork commits its own notebooks; without one, _config.yml's."""
    text = git("show", f"HEAD:notebooks/{chapter.stem}.ipynb")
    (named,) = {*re.findall(r"git\+(https://[^\s\"\\]+)", text)}
    remote = web_address(git("remote", "get-url", "origin").strip())
    where = "of git's remote" if remote else "of _config.yml: git has no remote on the web here"
    stated = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"]
    wanted = remote or stated
    assert named == wanted, (
        f"{chapter.stem} installs from {named}, not from {wanted}, the address {where}; type: "
        f"BOOK_REPOSITORY={wanted} BOOK_SITE=... make execute, and commit it"
    )


def test_a_fork_has_its_own_addresses(monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", "https://github.com/somebody/fork")
    monkeypatch.setenv("BOOK_SITE", "https://somebody.github.io/fork/")
    assert repository() == "https://github.com/somebody/fork"
    assert site() == "https://somebody.github.io/fork"


def test_the_wheel_has_the_name_that_the_cell_asks_for():
    assert built_wheel().name == WHEEL


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> list[nbformat.NotebookNode]:
    """Run a chapter's first cells in an environment without the library; their outputs.

    What pip installs goes into a folder of its own, so that the environment stays as it is.
    """
    library = folder / "library"
    settings = dict(PIP_TARGET=str(library), PIP_NO_DEPS="1")
    settings |= alone.kernel(alone.environment(), folder / "home", library)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    named = addresses() | {"REPOSITORY": NOWHERE, "SITE": address}
    notebook = as_notebook(OPENING, named)
    how = dict(kernel_name=alone.KERNEL, allow_errors=True, timeout=600)
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **how).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.timeout(900)  # the first run installs torch
def test_without_library_and_network_the_cell_says_what_it_tried(tmp_path, monkeypatch):
    outputs = run(tmp_path, monkeypatch, NOWHERE)
    first, *_ = [output for output in outputs if output.output_type == "error"]
    assert first.ename == "SystemExit"
    said = first.evalue.splitlines()
    assert said[1::2][:2] == [f"{NOWHERE}/_static/wheels/{WHEEL}", f"git+{NOWHERE}"]
    assert said[2].startswith("ERROR: ") and said[4].startswith("fatal: "), said
    assert said[5].startswith("Check the network")
    printed = [line for o in outputs for line in str(o.get("text", "")).splitlines()]
    assert len(printed) < 5, printed  # no wall of text around it


@pytest.mark.timeout(900)
def test_the_wheel_that_the_site_carries_is_installed(tmp_path, monkeypatch):
    wheels = tmp_path / "site/_static/wheels"
    wheels.mkdir(parents=True)
    copy(built_wheel(), wheels)
    with served(tmp_path / "site") as address:
        outputs = run(tmp_path, monkeypatch, address)
    assert (tmp_path / "library/attention_lib/__init__.py").is_file()
    (stamp,) = outputs  # no error, and nothing else is said
    assert "preset `ci`" in stamp.data["text/plain"]
