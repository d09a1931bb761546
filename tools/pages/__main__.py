"""Write the pages that follow from the cards: `python -m tools.pages`, before the site is built.

    book/api/<family>/<Class>.md   a page for each mechanism
    book/api/symbols.md            the table of the notation page
    book/api/chapters.md           the table of chapters of the first page
    book/api/paths.md              its table of reading paths, with their minutes
    book/api/selection-*.md        the parts of the page "Which one?", see tools.selection
    book/mechanisms.md             the table of all mechanisms
    book/status.md                 what was executed and measured, where and when

The same cards give the same files; a file that would not change is not written, so that the site
builds only what changed.
"""

from pathlib import Path

from attention_lib.catalog import catalog, every_card
from tools import selection
from tools.chapters import ROOT
from tools.pages.markdown import growth, table
from tools.pages.mechanism import mechanism_page
from tools.pages.mechanisms import mechanisms_page
from tools.pages.reading import chapters_table, paths_table
from tools.pages.status import status_page
from tools.pages.tables import symbols_table


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Every generated page and what it says."""
    book = root / "book"
    cards = {book / f"api/{card.family}/{card}.md": card for card in every_card()}
    which = {book / f"api/{name}": text for name, text in selection.parts(table, growth).items()}
    return {path: mechanism_page(card, root) for path, card in cards.items()} | {
        **which,
        book / "api/symbols.md": symbols_table(),
        book / "api/chapters.md": chapters_table(root),
        book / "api/paths.md": paths_table(root),
        book / "mechanisms.md": mechanisms_page(root),
        book / "status.md": status_page(root),
    }


def main() -> None:
    wanted = pages()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in (ROOT / "book/api").rglob("*.md"):
        if path not in wanted:  # a mechanism that was renamed or removed
            path.unlink()
    print(f"      {len(wanted)} pages follow from {len(catalog())} cards")


if __name__ == "__main__":
    main()
