"""Write the pages that follow from the cards: `python -m tools.pages`, before the site is built.

    book/api/<family>/<Class>.md   a page for each mechanism
    book/api/symbols.md            the table of the notation page
    book/api/chapters.md           the table of chapters of the first page
    book/api/doors.md              the three ways in on the first page
    book/api/map.md                its map of all mechanisms
    book/api/paths.md              its table of reading paths, with their minutes
    book/api/from_*.md             the classes of other collections, and what they are here
    book/api/authors.md            the table of ratios to the authors' own code
    book/api/selection-*.md        the parts of the page "Which one?", see tools.selection
    book/api/experiments.md        what it shows of the stored experiments
    book/mechanisms.md             the table of all mechanisms
    book/status.md                 what was executed and measured, where and when
    book/cite.md                   how to cite the book
    book/changes.md                what has changed, and where to report a mistake
    book/library.md, library/*.md  what the library's rooms hold

The same cards give the same files; a file that would not change is not written, so that the site
builds only what changed.
"""

from pathlib import Path

from attention_lib.catalog import catalog, every_card
from tools import selection
from tools.chapters import ROOT
from tools.pages.about import changes_page, cite_page
from tools.pages.authors import authors_page
from tools.pages.elsewhere import elsewhere_pages
from tools.pages.experiments import experiments_page
from tools.pages.library import library_pages
from tools.pages.map import drawing
from tools.pages.markdown import growth, page, table
from tools.pages.mechanism import mechanism_page
from tools.pages.mechanisms import mechanisms_page
from tools.pages.reading import chapters_table, doors, paths_table
from tools.pages.status import status_page
from tools.pages.tables import symbols_table


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Every generated page and what it says."""
    book = root / "book"
    cards = {book / f"api/{card.family}/{card}.md": card for card in every_card()}
    which = {book / f"api/{name}": text for name, text in selection.parts(table, growth).items()}
    coming = {book / f"api/{name}": text for name, text in elsewhere_pages(root).items()}
    return {path: mechanism_page(card, root) for path, card in cards.items()} | {
        **which,
        **library_pages(root),
        **coming,
        book / "api/authors.md": authors_page(root),
        book / "api/experiments.md": experiments_page(root),
        book / "api/symbols.md": symbols_table(),
        book / "api/chapters.md": chapters_table(root),
        book / "api/doors.md": doors(root),
        book / "api/map.md": page("```{raw} html\n" + drawing(root) + "\n```"),
        book / "api/paths.md": paths_table(root),
        book / "mechanisms.md": mechanisms_page(root),
        book / "status.md": status_page(root),
        book / "cite.md": cite_page(root),
        book / "changes.md": changes_page(root),
    }


def main() -> None:
    wanted = pages()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for folder in ("book/api", "book/library"):
        for path in (ROOT / folder).rglob("*.md"):
            if path not in wanted:  # a mechanism or a room that was renamed or removed
                path.unlink()
    print(f"      {len(wanted)} pages follow from {len(catalog())} cards")


if __name__ == "__main__":
    main()
