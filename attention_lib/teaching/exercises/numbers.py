"""What judges of several chapters ask alike: are these the right numbers?

An answer gives its numbers in the form it likes: tensors, arrays, nested lists or plain numbers.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.testing import assert_close

EXACT = torch.float64
Case = tuple[Sequence, float, str]  # arguments, what is wanted, and how to say so
Part = tuple[Sequence[float], float]  # numbers, and by how much each may be off


def as_tensor(given: object) -> Tensor:
    """The numbers of an answer, whatever their form; those of plain Python are float64."""
    assert given is not None, "it returned nothing"
    if isinstance(given, Tensor):
        return given
    if isinstance(given, list | tuple):
        parts = [as_tensor(part) for part in given]
        assert parts, f"it returned an empty {type(given).__name__}"
        alike = len({part.shape for part in parts}) == 1
        assert alike, f"it returned a {type(given).__name__} of parts that differ in shape"
        return torch.stack(parts)
    if isinstance(given, int | float):
        return torch.tensor(given, dtype=EXACT)
    assert hasattr(given, "__array__"), f"it returned {type(given).__name__}, wanted are numbers"
    return torch.as_tensor(given)


def hold_tensor(given: object, wanted: Tensor, case: str, allowed: float = 1e-9) -> None:
    """The answer has the shape and the numbers that are wanted.

    Args:
        case: for which input, in words that the reason begins with.
        allowed: by how much a number may be off.
    """
    numbers = as_tensor(given)
    assert numbers.shape == wanted.shape, (
        f"{case} it has shape {tuple(numbers.shape)}, wanted is {tuple(wanted.shape)}"
    )
    assert numbers.isfinite().all(), f"{case} not all numbers are finite"
    gap = (numbers - wanted).abs().max()
    assert gap < allowed, f"{case} a number is off by {gap:.2g}"


def hold_parts(given: object, parts: Mapping[str, Part]) -> None:
    """An answer of several named parts; of each only the numbers count, not how they are nested."""
    assert given is not None, "it returned nothing"
    wanted_are = f"wanted are {len(parts)} things: {', '.join(parts)}"
    assert isinstance(given, list | tuple) and len(given) == len(parts), wanted_are
    for (name, (wanted, allowed)), part in zip(parts.items(), given, strict=True):
        numbers = as_tensor(part).flatten().tolist()
        assert len(numbers) == len(wanted), f"{name} has {len(wanted)} numbers, not {len(numbers)}"
        near = all(abs(one - other) < allowed for one, other in zip(numbers, wanted, strict=True))
        assert near, f"{name} is not [{', '.join(f'{number:g}' for number in numbers)}]"


def hold_numbers(answer: Callable, cases: Sequence[Case], form: str) -> None:
    """All answers are taken first: one alone may not tell two mistakes apart.

    Args:
        form: how the wanted number is shown, as in a format string.
    """
    given = [answer(*arguments) for arguments, _, _ in cases]
    for number, (_, wanted, asked) in zip(given, cases, strict=True):
        one = as_tensor(number)
        assert one.numel() == 1, f"{asked} it is one number, not {one.numel()}"
        said = f"{asked} it is {wanted:{form}}, not {number}"
        assert_close(float(one), float(wanted), msg=said)
