"""What is imported is declared and pinned; nothing comes only because another package needs it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tools.chapters import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Which extras a folder may use. Readers install no onnxruntime: a test alone asks for that check.
EXTRAS = {"attention_lib": ("plot", "cli"), "tools": ("test",), "tests": ("test",)}
TESTS_ALONE = {"attention_lib": {"onnxruntime"}, "tools": set(), "tests": set()}


def normalized(name: str) -> str:
    """As package indices compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """The packages that pyproject.toml names for the library and its extras."""
    wanted = [*PROJECT["dependencies"]]
    for extra in extras:
        wanted += PROJECT["optional-dependencies"][extra]
    found = set()
    for requirement in wanted:
        name, inner = re.match(r"([\w.-]+)(?:\[(.*)\])?", requirement).groups()
        found |= declared(*inner.split(",")) if inner else {normalized(name)}
    return found


def imported(text: str) -> set[str]:
    """The packages that a source imports, anywhere in it; Python's own and ours left out."""
    modules = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module)
    return {m.partition(".")[0] for m in modules} - set(sys.stdlib_module_names) - EXTRAS.keys()


def undeclared(packages: set[str], names: set[str]) -> set[str]:
    """The imported packages that no declared distribution provides."""
    provided = packages_distributions()
    return {p for p in packages if not names & {normalized(d) for d in provided.get(p, ())}}


@pytest.mark.parametrize("folder", EXTRAS)
def test_what_is_imported_is_declared(folder):
    sources = [path.read_text("utf-8") for path in (ROOT / folder).rglob("*.py")]
    packages = set().union(*map(imported, sources))
    assert len(packages) > 3
    assert undeclared(packages, declared(*EXTRAS[folder])) == TESTS_ALONE[folder]


def test_an_undeclared_import_is_found():
    """Wherever it stands, under whatever name its distribution has."""
    text = "import json, torch\ndef late():\n    from yaml.nodes import Node\n    import PIL.Image"
    assert imported(text) == {"torch", "yaml", "PIL"}
    assert undeclared(imported(text), {"torch", "pyyaml"}) == {"PIL"}
    assert undeclared({"not_installed"}, declared("test")) == {"not_installed"}


def test_what_is_declared_is_pinned():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {normalized(line.partition("==")[0]) for line in lines if "==" in line}
    assert declared("test") <= pinned
