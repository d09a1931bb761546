"""Published weights under our names: tables of names and shapes, one file a family, no mathematics.

load_official(create("seresnet50"), torch.load("seresnet50.pth"))
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from torch import Tensor, nn

from attention_lib.catalog import find
from attention_lib.official.tables import Table, renamed

__all__ = ["load_official"]


def load_official(module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Load a state dict under the names of its authors or of a package, and return the module.

    Every number must find its place: nothing is loaded if a name is left over on either side.
    What counts the batches of a BatchNorm may be missing, as it is in old files.

    Args:
        module: a mechanism or a network of this library.
        state: name to tensor, as `torch.load` reads it.

    Raises:
        ValueError: if no table of this module's fits the state, with the names that are left over.
        TypeError: if they are no module and no mapping of tensors.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"a module to load the weights into is wanted, got {module!r}")
    if not isinstance(state, Mapping):
        raise TypeError(f"a state, name to tensor, is wanted, got {type(state).__name__}")
    others = [k for k, v in state.items() if {type(k), isinstance(v, Tensor)} != {str, True}]
    if others:
        got = f"{others[0]!r} with {type(state[others[0]]).__name__}"
        raise TypeError(f"a state, name to tensor, is wanted, got {got}")
    card = find(module)
    ours = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    problems = []
    for source, table in {"ours": (), **_tables(card.family, str(card))}.items():
        given = renamed(state, table)
        shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
        missing = {
            name for name in ours.keys() - shapes.keys() if "num_batches_tracked" not in name
        }
        if not missing and all(shape == ours.get(name) for name, shape in shapes.items()):
            module.load_state_dict(given, strict=False)
            return module
        unknown = shapes.keys() - ours.keys()
        other = {name for name in shapes.keys() & ours.keys() if shapes[name] != ours[name]}
        problems.append(
            f"by the names of {source}, {_some('nothing fills', missing)}, "
            f"{_some('no place for', unknown)}, {_some('other shapes for', other)}"
        )
    raise ValueError(f"{card}: these weights do not fit; " + "; ".join(problems))


def _tables(family: str, name: str) -> Mapping[str, Table]:
    """Whose names are known for a module: source to table."""
    room = f"{__name__}.{family}"
    return import_module(room).TABLES.get(name, {}) if find_spec(room) else {}


def _some(what: str, names: set[str]) -> str:
    shown = sorted(names)[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(shown) or 'none'}{more}"
