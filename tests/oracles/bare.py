"""Import one module of an installed package without running its parents' `__init__`.

naive = bare("fla.ops.gla.naive")     # no triton needed
"""

import importlib
import sys
import types
from pathlib import Path


def bare(dotted: str, stubs: dict[str, dict] | None = None) -> types.ModuleType:
    """The module `dotted`; `stubs` maps what it imports but does not need to a few attributes."""
    parts = dotted.split(".")
    roots = [Path(p or ".") / parts[0] for p in sys.path if (Path(p or ".") / parts[0]).is_dir()]
    if not roots:
        raise ModuleNotFoundError(f"No module named {parts[0]!r}", name=parts[0])
    root = roots[0]
    before = dict(sys.modules)
    try:
        for depth in range(1, len(parts)):
            name = ".".join(parts[:depth])
            sys.modules[name] = shell = types.ModuleType(name)
            shell.__path__ = [str(root.joinpath(*parts[1:depth]))]
        for name, attributes in (stubs or {}).items():
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(attributes)
        sys.modules.pop(dotted, None)
        return importlib.import_module(dotted)
    finally:
        for name in [
            n for n in sys.modules if n.partition(".")[0] == parts[0] or n in (stubs or {})
        ]:
            sys.modules.pop(name) if name not in before else sys.modules.__setitem__(
                name, before[name]
            )
