"""The pages on the book follow from the files that say it, and the library's from its rooms."""

import pytest
import yaml

from tools.chapters import ROOT, repository
from tools.pages.about import changes_page, cite_page
from tools.pages.library import ELSEWHERE, PACKAGE, library_pages


def test_how_to_cite_says_what_the_citation_file_says(tmp_path):
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    page = cite_page()
    for fact in (told["title"], told["version"], told["message"], told["date-released"][:4]):
        assert fact in page
    assert page.count(told["authors"][0]["name"]) == 2 and repository() in page
    (tmp_path / "_config.yml").write_text("repository: {url: https://example.org/a/b}\n")
    other = told | {"version": "9.8.7", "authors": [{"name": "Ada"}, {"name": "Grace"}]}
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(other))
    page = cite_page(tmp_path)
    assert "version = {9.8.7}" in page and "author  = {{Ada} and {Grace}}" in page


def test_changes_are_the_changelog_and_errors_have_an_address():
    page, told = changes_page(), (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert page.startswith("# Changes and errata\n") and page.count("\n# ") == 0
    assert f"({repository()}/issues)" in page
    without_brackets = told.replace("## [Unreleased]", "## Unreleased").replace("[0.1.0]", "0.1.0")
    assert page.endswith(without_brackets[told.index("\n## ") :])


@pytest.mark.whole_catalog
def test_every_public_module_is_told_of_once():
    pages = library_pages()
    told = "\n".join(pages.values())
    for path in (ROOT / PACKAGE).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        private = any(part.startswith("_") for part in name.split("."))
        wanted = not private and (len(parts) < 2 or parts[1] not in ELSEWHERE)
        assert told.count(f".. automodule:: {name}\n") == wanted, name
