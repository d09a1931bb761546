"""What counts when two printed outputs are compared: words, brackets, lines and every digit.

The rules are `notebooks/sanitize.cfg`, which nbval reads by itself.
"""

import re
from functools import cache
from pathlib import Path

from tools.chapters import ROOT

RULES = ROOT / "notebooks/sanitize.cfg"


@cache
def rules() -> list[tuple[str, str]]:
    """Pairs of a pattern and what takes its place, in order, as nbval reads them."""
    text = RULES.read_text(encoding="utf-8")
    return re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, flags=re.M)


def drawings_only(folder: Path) -> Path:
    """A file for nbval with the first rule alone: all but drawings is compared to the letter."""
    (pattern, replacement), *_ = rules()
    path = folder / "drawings.cfg"
    path.write_text(f"regex: {pattern}\nreplace: {replacement}\n", encoding="utf-8")
    return path


def canonical(text: str) -> str:
    """A printed text without what does not count; two outputs are equal where these are."""
    for pattern, replacement in rules():
        text = re.sub(pattern, replacement, text)
    return text
