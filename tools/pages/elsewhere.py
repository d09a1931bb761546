"""Coming from another collection: its classes, what each is here, and what differs.

The facts stand in `book/elsewhere/<collection>.yml`, one entry a class of theirs.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from textwrap import wrap

import yaml

from attention_lib.cards.card import Card
from attention_lib.catalog import find
from tools.chapters import ROOT
from tools.pages.markdown import page, table
from tools.pages.typeset import mathematics


@dataclass(frozen=True)
class Class:
    """One class of another collection."""

    theirs: str  # the call that makes it, as its documentation has it
    file: str  # the module it is in
    x: list[int]  # the shape that this call is shown on
    ours: str  # the call that makes ours
    times: int = 1  # how often x is given to theirs: for queries, keys and values
    ours_x: list[int] = field(default_factory=list)  # where ours takes another shape
    before: str = "x"  # x as ours takes it
    call: str = "mechanism(x)"  # how ours is called on it
    network: bool = False  # theirs is a whole network around the mechanism
    listed: bool = True  # in their documentation
    also: list[str] = field(default_factory=list)  # classes of the same file that ours is too
    wrong: list[str] = field(default_factory=list)  # what went wrong there
    changes: list[str] = field(default_factory=list)  # what is another, and not wrong

    @property
    def name(self) -> str:
        return _called(self.theirs)

    @property
    def card(self) -> Card:
        return find(_called(self.ours))


@dataclass(frozen=True)
class Collection:
    """Another collection of mechanisms, at one commit or version."""

    slug: str
    name: str
    repository: str
    package: str  # what its files are imported from, where it is installed
    path: str
    classes: list[Class]
    commit: str = ""
    version: str = ""
    without: list[str] = field(default_factory=list)  # its classes that have no counterpart here

    @property
    def page(self) -> str:
        return f"from_{self.slug}.md"


@cache
def collections(root: Path = ROOT) -> tuple[Collection, ...]:
    """Those that there are facts of.

    Raises:
        TypeError: if an entry has a word that means nothing, or lacks one; it names the file.
    """
    found = []
    for file in sorted((root / "book/elsewhere").glob("*.yml")):
        told = yaml.safe_load(file.read_text("utf-8"))
        try:
            classes = [Class(**entry) for entry in told.pop("classes")]
            found.append(Collection(slug=file.stem, classes=classes, **told))
        except TypeError as error:
            raise TypeError(f"{file.name}: {error}") from None
    return tuple(found)


def elsewhere_blocks(card: Card, root: Path = ROOT) -> list[str]:
    """On a mechanism's page: what it is called elsewhere, and where that is compared."""
    items = [
        f"- {collection.name}: [`{entry.name}`](../../{collection.page}#{entry.name.lower()})"
        for collection in collections(root)
        for entry in collection.classes
        if entry.card is card
    ]
    if not items:
        return []
    return ["## Elsewhere", "What differs from the class of", "\n".join(items)]


def elsewhere_pages(root: Path = ROOT) -> dict[str, str]:
    """For each collection the part of its page that follows from the facts."""
    return {f"from_{c.slug}.md": page(*_overview(c), *_sections(c)) for c in collections(root)}


def _overview(collection: Collection) -> Iterator[str]:
    link = collection.repository
    at = f"version {collection.version}"
    if collection.commit:
        link, at = f"{link}/tree/{collection.commit}", f"commit {collection.commit}"
    yield f"What is said of its code was tried on [{at}]({link})."
    faulty = [entry for entry in collection.classes if entry.wrong]
    rows = []
    for entry in collection.classes:
        row = [f"[`{entry.name}`](#{entry.name.lower()})", _link(entry)]
        count = len(entry.wrong)
        told = f"{count} thing" + "s" * (count != 1) if count else "nothing found"
        rows.append([*row, told] if faulty else row)
    if faulty:
        unlisted = [f"`{entry.name}`" for entry in collection.classes if not entry.listed]
        rest = f"; {', '.join(unlisted)} is in its code alone" if unlisted else ""
        yield (
            f"Its README lists {len(collection.classes) - len(unlisted)} classes{rest}."
            f" Something went wrong in {len(faulty)} of these {len(collection.classes)}."
        )
    yield table(["Their class", "Here", *["Went wrong there"] * bool(faulty)], rows, "elsewhere")
    if collection.without:
        names = ", ".join(f"`{name}`" for name in collection.without)
        yield f"These have no counterpart here: {names}."


def _sections(collection: Collection) -> Iterator[str]:
    for entry in collection.classes:
        yield f"## {entry.name}"
        also = [f"`{name}`" for name in entry.also]
        both = f", as {', '.join(also)} is too" if also else ""
        part = "Its mechanism" if entry.network else "It"
        yield f"{part} is {_link(entry)} here{both}."
        yield _code(*_there(entry, collection))
        yield _code(*_here(entry))
        if entry.wrong:
            yield "What went wrong there:"
            yield _list(entry.wrong)
        yield "What changes:"
        yield _list(entry.changes)


def _there(entry: Class, collection: Collection) -> Iterator[str]:
    module = f"{collection.path or collection.package + '.'}{entry.file}"
    if collection.path:
        module = collection.path.removesuffix(".py").replace("/", ".").format(file=entry.file)
    yield f"# {collection.name}"
    yield f"from {module} import {entry.name}"
    yield f"x = torch.randn({', '.join(map(str, entry.x))})"
    yield f"y = {entry.theirs}({', '.join(['x'] * entry.times)})"


def _here(entry: Class) -> Iterator[str]:
    yield "# here"
    if "inf" in {node.id for node in ast.walk(ast.parse(entry.ours)) if isinstance(node, ast.Name)}:
        yield "from math import inf"
    yield f"from attention_lib.{entry.card.family} import {entry.card}"
    yield f"mechanism = {entry.ours}"
    if entry.ours_x:
        yield f"x = torch.randn({', '.join(map(str, entry.ours_x))})"
    elif entry.before != "x":
        yield f"x = {entry.before}"
    yield f"y = {entry.call}"


def _code(*lines: str) -> str:
    wrapped = [part for line in lines for part in wrap(line, 79, subsequent_indent="    ")]
    return "\n".join(["```python", *wrapped, "```"])


def _list(statements: list[str]) -> str:
    return "\n".join(f"- {mathematics(statement)}" for statement in statements)


def _link(entry: Class) -> str:
    return f"[{entry.card.title}](api/{entry.card.family}/{entry.card}.md)"


def _called(call: str) -> str:
    """The class that a call makes."""
    return call.partition("(")[0]
