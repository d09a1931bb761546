"""A page for each room of the library, of which Sphinx's autodoc tells what can be called.

A mechanism has its own page; here stands what works with them.
"""

import ast
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from attention_lib.catalog import FAMILIES, NETWORKS
from tools.chapters import ROOT
from tools.pages.markdown import page

PACKAGE = "attention_lib"
# Mechanisms have pages of another kind, and the command line tells of itself.
ELSEWHERE = {*FAMILIES, NETWORKS, "cli"}


def rooms(root: Path = ROOT) -> list[str]:
    """The rooms and the modules that stand beside them."""
    found = (module.name for module in iter_modules([str(root / PACKAGE)]))
    return [name for name in found if name not in ELSEWHERE and not name.startswith("_")]


def modules(room: str) -> list[str]:
    """A room and the modules in it, by name."""
    found, name = [], f"{PACKAGE}.{room}"
    room_itself = import_module(name)
    for module in iter_modules(getattr(room_itself, "__path__", [])):
        if not module.name.startswith("_"):
            found += modules(f"{room}.{module.name}")
    return [name, *found]


def public(module: str) -> bool:
    """Whether a module defines what others may call."""
    path = import_module(module).__file__
    tree = ast.parse(Path(path or "").read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and not node.name.startswith("_") for node in tree.body)


def told(module: str, *options: str) -> str:
    lines = [f".. automodule:: {module}", *(f"   :{option}:" for option in options)]
    return "\n".join(["```{eval-rst}", *lines, "```"])


def room_page(room: str) -> str:
    """What a room is for, and of each of its modules what can be called."""
    first, *others = modules(room)
    blocks = [f"# {room}", told(first, *["members"] * public(first))]
    for module in others:
        blocks += [f"## {module.removeprefix(PACKAGE + '.')}",
                   told(module, *["members"] * public(module))]  # fmt: skip
    return page(*blocks)


def front_page(names: list[str]) -> str:
    """The front door, and where each room is told of."""
    return page(
        "# The library",
        told(PACKAGE),
        "Each of these stands in its room:",
        "\n".join(f"- [{name}](library/{name}.md)" for name in names),
        "Each mechanism has a page of its own: see [all mechanisms](mechanisms.md).",
    )


def library_pages(root: Path = ROOT) -> dict[Path, str]:
    names = rooms(root)
    found = {root / f"book/library/{name}.md": room_page(name) for name in names}
    return found | {root / "book/library.md": front_page(names)}
