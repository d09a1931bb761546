"""The table of letters."""

from attention_lib.cards import notation
from tools.pages.markdown import page, table


def symbols_table() -> str:
    known = notation.SYMBOLS.items()
    rows = [[f"${letter}$", f"`{word}`", meaning] for word, (letter, meaning) in known]
    return page(table(["Letter", "Word in code", "Meaning"], rows))
