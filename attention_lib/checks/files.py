"""The class at "path/to/file.py:Class": the file is run as a module beside those that are there."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from types import ModuleType

import torch
from torch import nn


def load(place: str) -> type[nn.Module]:
    """The class at "path/to/file.py:Class".

    Raises:
        ValueError: if there is no such file or class, or the file does not run.
    """
    file, _, name = place.rpartition(":")
    path = Path(file if file.endswith(".py") else place)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    module = _run(path)
    found = getattr(module, name, None) if path == Path(file) else None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        there = ", ".join(_classes(module))
        known = f"it has {there}" if there else "it has none"
        raise ValueError(f"say which class of {path}, as in {path}:Class; {known}")
    return found


def _classes(module: ModuleType) -> list[str]:
    """The names of the classes of modules that it defines."""
    return [
        name
        for name, thing in vars(module).items()
        if isinstance(thing, type)
        and issubclass(thing, nn.Module)
        and thing.__module__ == module.__name__
    ]


def _run(path: Path) -> ModuleType:
    """The module that a file makes, under a name that no other has, where pickle looks for it."""
    folder = path.resolve().parent
    package = folder.name if (folder / "__init__.py").is_file() else ""
    while package and (folder.parent / "__init__.py").is_file():
        folder = folder.parent
        package = f"{folder.name}.{package}"
    stem = f"{package}.{path.stem.replace('.', '_')}".lstrip(".")
    names = (f"{stem}_{number}" if number else stem for number in count())
    name = next(name for name in names if name not in sys.modules)
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    module = sys.modules[name] = module_from_spec(spec)
    home = folder.parent if package else folder
    said = io.StringIO()  # argparse prints there before it ends the program
    try:
        with _as_if_run(path, home), redirect_stderr(said), torch.random.fork_rng(devices=[]):
            if package:
                _package(package, path.resolve().parent)
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever it raises is the answer
        sys.modules.pop(name, None)
        why = f"{type(error).__name__}: {error}"
        if isinstance(error, SystemExit) and (lines := said.getvalue().split("\n")[:-1]):
            why += f" ({lines[-1]})"
        raise ValueError(f"{path} does not run: {why}") from error
    print(said.getvalue(), end="", file=sys.stderr)
    return module


def _package(name: str, folder: Path) -> None:
    """Import the package that relative imports look into."""
    if str(folder) not in import_module(name).__path__:
        raise ImportError(f"there is another package {name} already")


@contextmanager
def _as_if_run(path: Path, home: Path) -> Iterator[None]:
    """It may have neighbours, and reads a command line without arguments."""
    words, sys.argv = sys.argv, [str(path)]
    sys.path.insert(0, str(home))
    try:
        yield
    finally:
        sys.argv = words
        if str(home) in sys.path:
            sys.path.remove(str(home))
