"""Every page leads to the repository, a chapter also to its notebook, and a fork to itself."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.looking import PAGES, anchors
from tools.chapters import ROOT, chapters, notebook_of, repository

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_chapter_can_be_launched_and_downloaded(site, chapter):
    notebook = notebook_of(chapter)
    assert notebook.exists()
    found = anchors(site / f"notebooks/{chapter.stem}.html").links
    owner = repository().removeprefix("https://github.com/")
    colab = "https://colab.research.google.com/github"
    assert f"{colab}/{owner}/blob/main/notebooks/{notebook.name}" in found
    assert f"../_sources/notebooks/{notebook.name}" in found
    download = site / "_sources/notebooks" / notebook.name
    assert json.loads(download.read_text()) == json.loads(notebook.read_text())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_links_to_the_repository(site, name):
    assert repository() in anchors(site / name).links


def test_a_fork_links_to_itself(tmp_path):
    """A book of one page, built as the whole is, with the address of a fork."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["sphinx"]["local_extensions"] = {"tools.site": str(ROOT)}
    for name in ("templates_path", "html_static_path", "html_css_files", "html_js_files",
                 "html_additional_pages"):  # fmt: skip
        del config["sphinx"]["config"][name]
    del config["html"]["favicon"]
    (tmp_path / "references.bib").write_text("")
    config["bibtex_bibfiles"] = ["references.bib"]
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: one\n")
    cells = [{"cell_type": "markdown", "id": "one", "metadata": {},
              "source": "# One\n\n{{ repository }}\n\n{{ clone }}"}]  # fmt: skip
    kernel = {"kernelspec": {"display_name": "Python 3", "name": "python3"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "one.ipynb").write_text(json.dumps(notebook))
    fork = "https://github.com/somebody/their-fork"
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", tmp_path, "-n", "-W", "-q"],
        env=os.environ | {"BOOK_REPOSITORY": fork, "BOOK_SITE": "https://somebody.github.io/fork"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = tmp_path / "_build/html/one.html"
    found = anchors(built).links
    colab = "https://colab.research.google.com/github"
    assert f"{colab}/somebody/their-fork/blob/main/one.ipynb" in found
    assert found.count(fork) >= 2
    assert f"git clone {fork}" in html.unescape(re.sub("<.*?>", "", built.read_text()))
    assert (
        '<link rel="canonical" href="https://somebody.github.io/fork/one.html"' in built.read_text()
    )
    assert "attention-book/attention-book" not in built.read_text()
