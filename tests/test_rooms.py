"""Each line knows its room: who may import whom, and which file holds what."""

import ast
import subprocess
import sys
import tokenize
from io import StringIO
from pathlib import Path

import pytest

from attention_lib.catalog import FAMILIES, catalog, find

TESTS = Path(__file__).parent
HOME = TESTS.parent / "attention_lib"
PAGES = [p for family in FAMILIES for p in (HOME / family).glob("*.py") if p.stem != "__init__"]
LIBRARY = {"torch", "einops", "jaxtyping"}
FAMILY = {"core", "cards"}
KNOWING = {"cards", "catalog", "measure"}
# A room, and the rooms whose files it may import: this table is the design. What is imported as
# `attention_lib` itself is the version. The families and the networks are loaded by the catalog,
# by name.
MAY_IMPORT = {
    "core": {"core"},
    "cards": {"cards"},
    **{family: FAMILY for family in FAMILIES},
    "networks": {*FAMILIES, *FAMILY},
    "catalog": {"cards"},
    "measure": {"core", *KNOWING},
    "official": {"cards", "catalog", "official"},
    "checks": {"checks", *KNOWING},
    "adapt": {"adapt", "core", *KNOWING},
    "advice": {"advice", "checks", *KNOWING},
    "teaching": {*FAMILIES, *FAMILY, *KNOWING, "adapt", "checks", "networks", "teaching"},
    "cli": {*KNOWING, "advice", "checks", "cli", "teaching"},
    "__init__": {"adapt", "catalog", "checks", "measure", "official"},
    "__main__": {"cli"},
}
# What a room may take from outside the library and Python's own, all of it where it is used.
LAZILY = {
    "cards": {"sympy"},
    "checks": {"onnxruntime"},
    "measure": {"scipy", "sympy"},
    "teaching": {"PIL", "matplotlib", "numpy", "sympy"},
    "cli": {"rich", "typer", "click"},
}
FILES = [p for p in sorted(HOME.rglob("*.py")) if "__pycache__" not in p.parts]
BESIDE = [p for name in ("tools", "tests") for p in sorted((HOME.parent / name).rglob("*.py"))]
LONGEST = 400  # lines of a file


def room(path):
    """The room that a file of the library is in."""
    return path.relative_to(HOME).parts[0].removesuffix(".py")


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
    for module, _ in imports(page):
        first = module.partition(".")[0]
        if first == "attention_lib":
            found = module.removeprefix("attention_lib").removeprefix(".").partition(".")[0]
            assert {found} <= FAMILY, f"{page.name}: {module}"
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


def ours(path):
    """The rooms that a file imports from, and what else it imports."""
    for module, names in imports(path):
        first, _, rest = module.partition(".")
        if first == "attention_lib":
            yield from ((found, True) for found in ([rest.partition(".")[0]] if rest else names))
        elif first:  # not one that is relative to its own folder
            yield first, False


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.relative_to(HOME).as_posix())
def test_a_room_imports_only_what_it_may(file):
    here = room(file)
    known = {path.stem for path in HOME.iterdir()}
    for found, is_room in ours(file):
        if is_room and found in known:
            assert found in MAY_IMPORT[here], f"{here} imports {found}"
        elif not is_room:
            lazily = LAZILY.get(here, set())
            assert found in LIBRARY | sys.stdlib_module_names | lazily, f"{here} imports {found}"


def test_nothing_large_is_imported_before_it_is_used():
    """The library needs no more than torch; a family no more than a few files."""
    code = "import sys, attention_lib.channel; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    heavy = {"matplotlib", "scipy", "onnxruntime", "typer", "rich"}
    assert not heavy & set(loaded.split())


def test_the_rooms_are_all_that_there_is():
    assert {room(file) for file in FILES} == MAY_IMPORT.keys()


@pytest.mark.parametrize(
    "file", [*FILES, *BESIDE], ids=lambda p: p.relative_to(HOME.parent).as_posix()
)
def test_a_long_file_says_why(file):
    text = file.read_text()
    if len(text.splitlines()) > LONGEST:
        assert "one file, as" in (ast.get_docstring(ast.parse(text)) or ""), f"split {file.name}"


def test_nothing_computes_in_a_table_of_weights():
    """Names and shapes alone: a tensor is renamed, permuted, reshaped; only a bias is moved on."""
    laid_out = {"flatten", "permute", "transpose", "mT", "unflatten", "chunk", "flip", "ndim"}
    laid_out |= {"torch", "cat", "stack", "movedim", "new_zeros", "module", "heads", "head_dim"}
    for file in (HOME / "official").glob("*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if not isinstance(function, ast.FunctionDef) or function.returns is None:
                continue
            taken = [each.arg for each in (*function.args.args, function.args.vararg) if each]
            if ast.unparse(function.returns) == "Tensor" and "bias" not in taken:
                inside = [*ast.walk(function)]
                used = {node.attr for node in inside if isinstance(node, ast.Attribute)}
                assert used <= laid_out, f"{file.name}: {function.name}"
                assert not any(isinstance(node, ast.BinOp) for node in inside), function.name


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
