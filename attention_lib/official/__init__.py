"""Published weights under our names: tables of names and shapes, one file a family.

    load_official(create("seresnet50"), torch.load("seresnet50.pth"))
    load_official(create("cbam", 256), torch.load("..."), prefix="module.layer1.0.cbam.")

No mathematics: at most a bias is moved to where it makes the same difference.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.catalog import find
from attention_lib.official.tables import Published, renamed

__all__ = ["load_official", "published", "without"]


def load_official(module: nn.Module, state: Mapping[str, Tensor], prefix: str = "") -> nn.Module:
    """Load a state dict under the names of its authors or of a package, and return the module.

    Every number must find its place: nothing is loaded if a name is left over on either side.
    What counts the batches of a BatchNorm may be missing, as it is in old files.

    Args:
        module: a mechanism or a network of this library.
        state: name to tensor, as `torch.load` reads it.
        prefix: what the names of a part of a network begin with; only that part is read.

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
    state = {
        name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)
    }
    ours = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    problems = []
    for source in (Published("ours"), *published(card)):
        given = renamed(state, source.rules(module))
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
            f"by the names of {source.source}, {_some('nothing fills', missing)}, "
            f"{_some('no place for', unknown)}, {_some('other shapes for', other)}"
        )
    raise ValueError(f"{card}: these weights do not fit; " + "; ".join(problems))


def published(card: Card) -> Sequence[Published]:
    """Whose weights `load_official` takes."""
    return _of_family(card, "TABLES").get(str(card), ())


def without(card: Card) -> str:
    """Why there are no published weights for a mechanism; empty if that is not known."""
    return _of_family(card, "WITHOUT").get(str(card), "")


def _of_family(card: Card, what: str) -> Mapping:
    room = f"{__name__}.{card.family}"
    return getattr(import_module(room), what, {}) if find_spec(room) else {}


def _some(what: str, names: set[str]) -> str:
    shown = sorted(names)[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(shown) or 'none'}{more}"
