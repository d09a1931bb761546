"""The rules of a chapter: what its text must be for a notebook, a page and four editions.

complaints(text, name) == ["line 214: …"]
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import jupytext

from tools.chapters import HEADINGS, INSTALL_CELL, PARAMETERS_CELL, QUESTIONS, SETUP_CELL
from tools.folds import FOLDS, TAGS
from tools.used import defined, needed, statements

WIDEST = 79  # letters in a line of code
STUB = "Your code here"  # what stands in a function that the reader is to write
ASSERTING = {"check", "solution"}
Found = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Cell:
    """A cell, and the line of the chapter on which its source begins."""

    is_code: bool
    source: str
    tags: tuple[str, ...]
    line: int

    @property
    def kind(self) -> str:
        return next((tag for tag in self.tags if tag in FOLDS), "")

    def at(self, place: int) -> int:
        """The line of the chapter at a place of the source."""
        return self.line + self.source[:place].count("\n")


def placed(text: str) -> list[Cell]:
    """The cells of a chapter."""
    found, place = [], 0
    for cell in jupytext.reads(text, fmt="md:myst").cells:
        place = text.index(cell.source, place)
        tags = tuple(cell.metadata.get("tags", []))
        line = text.count("\n", 0, place) + 1
        found.append(Cell(cell.cell_type == "code", cell.source, tags, line))
        place += len(cell.source)
    return found


def complaints(text: str, name: str, wanted: tuple[str, ...] = HEADINGS) -> list[str]:
    """Which rules the text of a chapter breaks, and where; `wanted` are its parts, in order."""
    cells = placed(text)
    found = [*_build(cells, wanted), *_exercises(cells)]
    line = QUESTIONS.replace("NAME", name)
    if f"\n{line}\n\n## Summary" not in text:
        found.append((1, f"the last line above its summary is not {line!r}"))
    for cell in cells:
        found += _code(cell) if cell.is_code else _prose(cell)
    if not any("no Python" in what for _, what in found):
        found += _names(cells)
    return [f"line {line}: {what}" for line, what in sorted(found)]


def _plain(source: str) -> str:
    """Prose without what is quoted or mathematics; its lines stay."""
    quoted = r"(?s)^```.*?^```$|`[^`\n{}]*`|\$\$.*?\$\$|\$[^$]*\$"
    return re.sub(quoted, lambda found: re.sub(".", "", found[0]), source, flags=re.M)


def _build(cells: list[Cell], wanted: tuple[str, ...]) -> Found:
    code = [cell for cell in cells if cell.is_code]
    prose = [(cell, _plain(cell.source)) for cell in cells if not cell.is_code]
    opening = [(cell.tags, cell.source) for cell in code[:2]]
    if opening != [(("parameters",), PARAMETERS_CELL), (("install",), INSTALL_CELL)]:
        yield 1, "its first two code cells are not those of `python -m tools.new chapter`"
    for third in code[2:3]:
        as_begun = third.tags == ("setup", "nbval-ignore-output")
        if not as_begun or not third.source.endswith(SETUP_CELL):
            yield third.line, "the third code cell is no set-up as `tools.new chapter` begins it"
    titles = [cell.line for cell, text in prose for _ in re.finditer(r"^# ", text, flags=re.M)]
    if len(titles) != 1 or not cells[0].source.startswith("# "):
        yield (titles or [1])[-1], "it does not begin with its title, or has two"
    parts = [part for _, text in prose for part in re.findall(r"^## (.*)", text, flags=re.M)]
    present = [h for part in parts for h in wanted if part.startswith(h)]
    if present != list(wanted):
        yield 1, f"its headings are {present}, wanted are {list(wanted)} in this order"


def _prose(cell: Cell) -> Found:
    directive = r"^ *(```+|:::+)\{\S+\}|(?<!`)\{[a-z][\w:-]*\}`|^\([\w-]+\)=$"
    for used in re.finditer(directive, cell.source, flags=re.M):
        yield cell.at(used.start()), f"it uses a directive, a role or a label: {used[0]!r}"
    for used in re.finditer(r"data:image", cell.source):
        yield cell.at(used.start()), "it holds a picture: draw it in a cell, or link to a file"
    for used in re.finditer(r"(?s)\$\$.*?\$\$", cell.source):
        if "\\\\" in used[0] and r"\tag" in used[0]:  # Sphinx splits it, and a part has no tag
            yield cell.at(used.start()), r"a formula with \tag is one line: leave out its \\"
    links = (
        r"\]\(((?!https?://|SITE/)[^)\s]*)",
        r"""<(?:a|img)\b[^>]*(?:href|src)=["']?((?!https?://)[^"'\s>]*)""",
        r"^\[[^\]]+\]: *((?!https?://)\S+)",
    )
    plain = _plain(cell.source)
    for shape in links:
        for used in re.finditer(shape, plain, flags=re.M):
            what = "leads nowhere in Colab: link to a page of the book as (SITE/book/glossary.html)"
            yield cell.at(0) + plain[: used.start()].count("\n"), f"the link {used[1]!r} {what}"


def _code(cell: Cell) -> Found:
    first = cell.source.partition("\n")[0]
    for tag in cell.tags:
        if tag not in TAGS:
            yield cell.line, f"the tag {tag!r} is none of {', '.join(TAGS)}"
    if len({*cell.tags} & {*FOLDS}) > 1:
        yield cell.line, f"a cell is of one kind, not of {' and '.join(cell.tags)}"
    for number, line in enumerate(cell.source.splitlines()):
        if len(line) > WIDEST:
            yield cell.line + number, f"{len(line)} letters of code, at most {WIDEST} can be read"
    if cell.source.rstrip().endswith(";"):
        yield cell.line, f"({first}) ends in ';', which nbval does not obey: end it in plt.show()"
    if "nbval-ignore-output" not in cell.tags and re.search(
        r"\bcatalog\(|display\.family\(", cell.source
    ):
        yield cell.line, f"({first}) lists what there is, which a new mechanism changes: tag it"
    try:
        asserts = [
            node.lineno
            for statement in statements(cell.source)
            for node in ast.walk(statement)
            if isinstance(node, ast.Assert)
        ]
    except SyntaxError as error:
        yield cell.line + (error.lineno or 1) - 1, f"it is no Python: {error.msg}"
        return
    if cell.kind not in ASSERTING:
        for number in asserts:
            what = "assert stands in cells tagged check or solution alone"
            yield cell.line + number - 1, what


def _exercises(cells: list[Cell]) -> Found:
    """Numbers count up, and each hint and solution says of which exercise it is."""
    number = 0
    for cell in cells:
        if cell.is_code:
            if cell.kind == "solution" and not number:
                yield cell.line, "a solution stands above the first exercise"
            continue
        told = r"\*\*Exercise (\d+)\*\*|<summary>(Hint|Solution)\b(.*?)</summary>"
        for found in re.finditer(told, cell.source):
            if found[1]:
                number += 1
                if int(found[1]) != number:
                    yield cell.at(found.start()), f"exercise {found[1]} is the {number}th"
            elif found[3] != f" {number}":
                title = f"{found[2]}{found[3]}"
                what = f"the fold {title!r} belongs to exercise {number}: <summary>{found[2]}"
                yield cell.at(found.start()), f"{what} {number}</summary>"


def _names(cells: list[Cell]) -> Found:
    """What the reader is asked to define is the reader's: no other cell defines or uses it."""
    asked: dict[str, Cell] = {}
    for cell in cells:
        if not cell.is_code:
            continue
        if cell.kind not in ASSERTING:
            for found in statements(cell.source):
                named = isinstance(found, ast.FunctionDef | ast.ClassDef)
                if named and STUB in ast.unparse(found):
                    asked[found.name] = cell
        for name, stub in asked.items():
            if stub is not cell and name in defined(cell.source):
                new = f"{name}{'Solution' if name[0].isupper() else '_solution'}"
                yield cell.line, f"{name} is for the reader to define, line {stub.line}: say {new}"
            elif stub is not cell and name in needed(cell.source):
                yield (
                    cell.line,
                    f"{name} is the reader's, line {stub.line}: use the book's",
                )
