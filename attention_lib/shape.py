"""The signature is the contract: `@shaped` holds a forward to what it is annotated with.

    @shaped
    def forward(self, x: Float[Tensor, "batch channels height width"]) -> ...:

An axis named after a number the module holds must measure that number; an axis met twice
must measure the same both times; every other axis is free, and only a batch may be empty.
A floating tensor must have the dtype of the module's parameters, unless autocast is on.

The compiler of torch 2.6, the oldest that is supported, reads these lines too.  It takes neither
`vars(module)`, nor `next` with a default, nor `zip` of unequal lengths: see `make versions`.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, get_args

import torch
from jaxtyping import AbstractArray, Float
from torch import Tensor, nn

Maps = Float[Tensor, "batch channels height width"]
Tokens = Float[Tensor, "batch tokens dim"]
Axes = tuple[str, ...]
Self = TypeVar("Self", bound=nn.Module)
Rest = ParamSpec("Rest")
Answer = TypeVar("Answer")


class SignatureError(ValueError):
    """A tensor that does not fit the signature it was passed to."""


def signature(forward: Callable) -> dict[str, Axes]:
    """The axes of each annotated argument, and of what is returned under 'return'."""
    return {name: tuple(note.dim_str.split()) for name, note in _notes(forward).items()}


def shaped(
    forward: Callable[Concatenate[Self, Rest], Answer],
) -> Callable[Concatenate[Self, Rest], Answer]:
    """Check the arguments of `forward` against its annotations, and name what does not fit.

    Raises:
        SignatureError: (a ValueError) with the argument, what is wanted and what was given.
    """
    expected = {
        name: (tuple(note.dim_str.split()), {getattr(torch, kind, None) for kind in note.dtypes})
        for name, note in _notes(forward).items()
        if name != "return"
    }
    names = list(inspect.signature(forward).parameters)[1:]

    @wraps(forward)
    def checked(self: Self, *args: Rest.args, **kwargs: Rest.kwargs) -> Answer:
        known: dict[str, int] = {}
        named = zip(names[: len(args)], args[: len(names)], strict=True)
        for name, given in [*named, *kwargs.items()]:
            if name in expected and given is not None:
                axes, dtypes = expected[name]
                tensor = _check_type(self, name, given, dtypes)
                _check_shape(self, name, tensor, axes, known)
        return forward(self, *args, **kwargs)

    return checked


def _notes(forward: Callable) -> dict[str, type[AbstractArray]]:
    """The jaxtyping annotation of each argument, also out of `Float[...] | None`."""
    found = {}
    for name, note in inspect.get_annotations(inspect.unwrap(forward)).items():
        for choice in (note, *get_args(note)):
            if hasattr(choice, "dim_str"):
                found[name] = choice
    return found


def _check_shape(
    module: nn.Module, name: str, tensor: Tensor, axes: Axes, known: dict[str, int]
) -> None:
    numbers, shape = module.__dict__, tuple(tensor.shape)
    fits = len(shape) == len(axes) and all(
        size == known.setdefault(axis, _held(numbers, axis, size)) and (size > 0 or axis == "batch")
        for axis, size in zip(axes, shape, strict=True)
    )
    if not fits:
        sizes = {axis: _held(numbers, axis, known.get(axis, 0)) for axis in axes}
        wish = ", ".join(f"{axis}={size}" if size else axis for axis, size in sizes.items())
        raise SignatureError(f"{type(module).__name__}: {name} must be ({wish}), got {shape}")


def _held(numbers: dict[str, object], axis: str, otherwise: int) -> int:
    """The number that a module holds for an axis."""
    number = numbers.get(axis)
    return number if isinstance(number, int) else otherwise


def _check_type(
    module: nn.Module, name: str, given: object, dtypes: set[torch.dtype | None]
) -> Tensor:
    if not isinstance(given, Tensor):
        problem = f"must be a tensor, got {type(given).__name__}"
    elif given.dtype not in dtypes:
        kind = "boolean" if torch.bool in dtypes else "floating point"
        problem = f"must be {kind}, got {given.dtype}"
    elif other := _dtype_of_parameters(module, given):
        problem = f"must be {other} like the parameters, got {given.dtype}"
    else:
        return given
    raise SignatureError(f"{type(module).__name__}: {name} {problem}")


def _dtype_of_parameters(module: nn.Module, given: Tensor) -> torch.dtype | None:
    """What the parameters have, if it should be that of what is given and is not."""
    first = None
    for dtype in _dtypes(module):  # the others are looked up only where it differs
        if dtype == given.dtype or not given.is_floating_point():
            return None
        first = first or dtype
    return None if torch.is_autocast_enabled(given.device.type) else first


def _dtypes(module: nn.Module) -> Iterator[torch.dtype]:
    """Of the parameters, one after the other; `parameters()` takes as long as all else here."""
    for parameter in module._parameters.values():
        if parameter is not None and parameter.is_floating_point():
            yield parameter.dtype
    for part in module._modules.values():
        if part is not None:
            yield from _dtypes(part)
