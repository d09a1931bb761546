"""Which code a number was measured with: a digest of a definition and of all that it names.

    digest("SqueezeExcitation")                           # a mechanism, by its class
    digest("tools.experiments.channel.gates_on_picture")  # anything else, by its dotted name

A definition is followed to the functions, classes and constants it names, in its own file and in
those it imports from this repository.  Comments, docstrings and annotations do not count, and a
card is named by nobody: none of them changes a number.  The same source has the same digest under
every version of Python.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What measures, stores, guards and describes: it is not what is measured.
APART = {
    *("attention_lib.catalog", "attention_lib.core.arguments", "attention_lib.core.guards"),
    *("attention_lib.cards.card", "attention_lib.cards.shape", "tools.experiments.running"),
    *(f"attention_lib.measure.{room}" for room in ("cost", "growth", "sizes", "store", "sweep")),
    "attention_lib.measure.timing",
}
NO_EFFECT = {"annotation", "returns", "type_comment", "kind"}  # fields of the syntax tree
GUARD = "typed"  # a decorator that refuses arguments, and changes no number


def digest(name: str, root: Path = ROOT) -> str | None:
    """Twelve hexadecimal digits that follow from the code; None if there is no such definition.

    Args:
        name: a mechanism's class, or the dotted name of a function, class or constant.
        root: the folder in which `attention_lib` lies.
    """
    met: set[tuple[str, str]] = set()
    parts, todo = set(), [_place(name, root)]
    while todo:
        place = module, wanted = todo.pop()
        if place in met or (met and module in APART):
            continue
        file = _file(module, root)
        defined, imported = _contents(file) if file else ({}, {})
        if not met and wanted not in defined:
            return None
        met.add(place)
        if not file:
            parts.add(f"{module} {wanted}")  # another package's
        if wanted in defined:
            parts |= {json.dumps(_plain(statement)) for statement in defined[wanted]}
            for statement in defined[wanted]:
                todo += _named(statement, module, defined, imported, root)
        elif wanted in imported:  # it only passes through, as in a family's __init__
            todo.append(imported[wanted])
    return sha256("\n".join(sorted(parts)).encode()).hexdigest()[:12]


def digests(names: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """The digest of each definition that there is; a custom module's is not known."""
    found = {name: digest(name, root) for name in dict.fromkeys(names)}
    return {name: code for name, code in found.items() if code}


def older(payload: Mapping, root: Path = ROOT) -> list[str]:
    """Whose numbers in a stored measurement come from code that has changed since, or is gone.

    Args:
        payload: a stored file; its provenance holds the digests.
    """
    then = payload["provenance"].get("source", {})
    return [name for name, code in then.items() if digest(name, root) != code]


def _place(name: str, root: Path) -> tuple[str, str]:
    """The module and the name in it."""
    if "." in name:
        module, _, last = name.rpartition(".")
        return module, last
    for path in sorted(root.glob("attention_lib/*/*.py")):
        if re.search(rf"^class {name}\b", path.read_text("utf-8"), flags=re.M):
            return f"attention_lib.{path.parent.name}.{path.stem}", name
    return "attention_lib", name


def _file(module: str, root: Path) -> Path | None:
    """Where a module of this repository lies; None for one of another package."""
    path = root.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


Contents = tuple[dict[str, list[ast.stmt]], dict[str, tuple[str, str]]]


def _contents(file: Path) -> Contents:
    return _parsed(file.read_text("utf-8"), file.parent.name)


@lru_cache(maxsize=256)
def _parsed(text: str, package: str) -> Contents:
    """What a file defines, and what it imports: local name to (module, name); "" is a module."""
    tree = ast.parse(text)
    imported: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            # a family's __init__ names its files relative to itself
            whole = f"attention_lib.{package}.{node.module}" if node.level else node.module or ""
            for alias in node.names:
                imported[alias.asname or alias.name] = (whole, alias.name)
        elif isinstance(node, ast.FunctionDef):
            decorators = node.decorator_list
            node.decorator_list = [d for d in decorators if getattr(d, "id", "") != GUARD]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                imported[alias.asname or whole] = (whole, "")
    defined: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _bound(statement):
            defined.setdefault(name, []).append(statement)
    return defined, imported


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module gives a value, or changes the value of."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    targets = getattr(statement, "targets", [getattr(statement, "target", statement)])
    names = [n for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    whole = isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
    return {n.id for n in names if whole or isinstance(n.ctx, ast.Store)}


def _named(
    node: ast.AST, module: str, defined: Mapping, imported: Mapping, root: Path
) -> Iterator[tuple[str, str]]:
    """What a definition names: (module, name) of each."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        package, name = imported.get(node.value.id, ("", ""))
        inside = f"{package}.{name}".rstrip(".")
        if package and (not name or _file(inside, root)):  # module.name
            yield inside, node.attr
            return
    if isinstance(node, ast.Name):
        if node.id in defined:
            yield module, node.id
        elif node.id in imported:
            yield imported[node.id]
    for field, value in ast.iter_fields(node):
        if field not in NO_EFFECT:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _named(child, module, defined, imported, root)


def _plain(value: object) -> object:
    """A syntax tree as JSON: without what has no effect, the same under every Python."""
    if isinstance(value, list):
        return [_plain(item) for item in value if not _is_text(item)]
    if not isinstance(value, ast.AST):
        return repr(value)
    if isinstance(value, ast.AnnAssign) and value.value:
        value = ast.Assign(targets=[value.target], value=value.value)
    fields = ((name, v) for name, v in ast.iter_fields(value) if name not in NO_EFFECT)
    return [type(value).__name__, {name: _plain(v) for name, v in fields if v not in (None, [])}]


def _is_text(statement: object) -> bool:
    """Whether it is a string that nobody uses: a docstring."""
    return isinstance(statement, ast.Expr) and (
        isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    )
