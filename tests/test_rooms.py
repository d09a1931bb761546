"""Each line knows its room: who may import whom, and which file holds what."""

import ast
import tokenize
from io import StringIO
from pathlib import Path

import pytest

from attention_lib.catalog import FAMILIES, catalog, find

TESTS = Path(__file__).parent
HOME = TESTS.parent / "attention_lib"
PAGES = [p for family in FAMILIES for p in (HOME / family).glob("*.py") if p.stem != "__init__"]
LIBRARY = {"torch", "einops", "jaxtyping"}
PYTHON = {"math", "collections", "dataclasses", "inspect", "typing", "functools", "difflib", "re"}
PYTHON |= {"sys", "importlib", "copy", "pickle", "warnings", "contextlib", "fnmatch", "weakref"}
PYTHON |= {"ast", "numbers", "operator", "pathlib", "types"}
OWN = {
    "shape": set(),
    "notation": set(),
    "card": {"shape", "notation"},
    "catalog": {"card"},
    "properties": {"card"},
    "cost": set(),
    "plug": {"card", "catalog", "cost", "shape"},
    "checks": {"properties", "card", "cost", "shape"},
}


def lines_of_code(text):
    """How many lines remain without docstrings, comments, the card and blank lines."""
    tree, counted = ast.parse(text), set()
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.string.strip() and token.type != tokenize.COMMENT:
            counted |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            counted -= set(range(node.lineno, node.end_lineno + 1))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CARD":
            counted -= set(range(node.lineno, node.end_lineno + 1))
    return len(counted)


def imports(path):
    """(module, names) of every import of a file, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)


pytestmark = pytest.mark.whole_catalog


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_mechanism_stands_on_its_own(page):
    for module, names in imports(page):
        first = module.partition(".")[0]
        if first == "attention_lib":
            room = module.removeprefix("attention_lib").removeprefix(".").partition(".")[0]
            rooms = {room} if room else set(names)
            assert rooms <= {"core", "shape", "card", "properties"}, f"{page.name}: {module}"
        else:
            assert first in LIBRARY | {"math"}, f"{page.name} imports {module}"
    assert "from __future__" not in page.read_text(), "cards read the annotations"
    assert lines_of_code(page.read_text()) <= 110, "a page, not a chapter"


def test_docstrings_comments_and_cards_are_not_code():
    text = '"""A page."""\n\nx = (  # why\n    1,\n)\n# more\n\nCARD = Card(\n    A,\n)\n'
    assert lines_of_code(text) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_one_mechanism_and_one_card_a_file(page):
    classes = [n.name for n in ast.parse(page.read_text()).body if isinstance(n, ast.ClassDef)]
    module = f"attention_lib.{page.parent.name}.{page.stem}"
    cards = [c for c in catalog() if c.mechanism.__module__ == module]
    assert cards, f"{classes} of {page.stem}.py is not in __all__ of {page.parent.name}/__init__.py"
    [card] = cards
    assert [name for name in classes if not name.startswith("_")] == [str(card)]


@pytest.mark.parametrize("room", OWN)
def test_a_room_imports_only_what_it_may(room):
    for module, _ in imports(HOME / f"{room}.py"):
        first, _, rest = module.partition(".")
        if first == "attention_lib":
            assert rest in OWN[room] or (room, rest) == ("checks", ""), f"{room} imports {module}"
        else:
            assert first in LIBRARY | PYTHON | {"sympy", "onnxruntime"}, f"{room} imports {module}"


@pytest.mark.parametrize("page", sorted((HOME / "core").glob("*.py")), ids=lambda p: p.stem)
def test_core_knows_no_mechanism(page):
    types = {"collections", "inspect", "numbers", "typing"}
    assert all(module.partition(".")[0] in LIBRARY | types for module, _ in imports(page))


@pytest.mark.parametrize("page", sorted((TESTS / "references").glob("*.py")), ids=lambda p: p.stem)
def test_references_are_independent(page):
    """They know torch and each other, and call no layer and no functional."""
    allowed = {"torch", "math", "tests.references.shared"}
    assert all(module in allowed for module, _ in imports(page)), page.name
    tree = ast.walk(ast.parse(page.read_text()))
    used = {node.attr for node in tree if isinstance(node, ast.Attribute)}
    assert not used & {"functional", "nn"}, page.name


def test_a_name_means_one_mechanism():
    """Its class, its file and its first short name; others may be shared, and then raise."""
    for card in catalog():
        for name in (str(card), card.stem, card.aliases[0]):
            assert find(name) is card
