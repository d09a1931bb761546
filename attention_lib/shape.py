"""The signature is the contract: `@shaped` holds a forward to what it is annotated with.

    @shaped
    def forward(self, x: Float[Tensor, "batch channels height width"]) -> ...:

An axis named after a number the module holds must measure that number; an axis met twice
must measure the same both times; every other axis is free, and only a batch may be empty.
A floating tensor must have the dtype of the module's parameters, unless autocast is on.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import get_args

import torch
from torch import Tensor, nn

Axes = tuple[str, ...]


class SignatureError(ValueError):
    """A tensor that does not fit the signature it was passed to."""


def signature(forward: Callable) -> dict[str, Axes]:
    """The axes of each annotated argument, and of what is returned under 'return'."""
    return {name: tuple(note.dim_str.split()) for name, note in _notes(forward).items()}


def shaped(forward: Callable) -> Callable:
    """Check the arguments of `forward` against its annotations, and name what does not fit.

    Raises:
        SignatureError: (a ValueError) with the argument, what is wanted and what was given.
    """
    expected = {
        name: (tuple(note.dim_str.split()), frozenset(note.dtypes))
        for name, note in _notes(forward).items()
        if name != "return"
    }
    names = list(inspect.signature(forward).parameters)[1:]

    @wraps(forward)
    def checked(self: nn.Module, *args, **kwargs) -> Tensor:
        known: dict[str, int] = {}
        for name, given in [*zip(names, args, strict=False), *kwargs.items()]:
            if name in expected and given is not None:
                axes, dtypes = expected[name]
                _check_type(self, name, given, dtypes)
                _check_shape(self, name, given, axes, known)
        return forward(self, *args, **kwargs)

    return checked


def _notes(forward: Callable) -> dict[str, type]:
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
    held = {axis: vars(module)[axis] for axis in axes if isinstance(vars(module).get(axis), int)}
    shape = tuple(tensor.shape)
    fits = len(shape) == len(axes) and all(
        size == known.setdefault(axis, held.get(axis, size)) and (size > 0 or axis == "batch")
        for axis, size in zip(axes, shape, strict=True)
    )
    if not fits:
        sizes = {**known, **held}
        wish = ", ".join(f"{axis}={sizes[axis]}" if sizes.get(axis) else axis for axis in axes)
        raise SignatureError(f"{type(module).__name__}: {name} must be ({wish}), got {shape}")


def _check_type(module: nn.Module, name: str, given: object, dtypes: frozenset[str]) -> None:
    who = f"{type(module).__name__}: {name}"
    if not isinstance(given, Tensor):
        raise SignatureError(f"{who} must be a tensor, got {type(given).__name__}")
    if str(given.dtype).removeprefix("torch.") not in dtypes:
        kind = "boolean" if "bool" in dtypes else "floating point"
        raise SignatureError(f"{who} must be {kind}, got {given.dtype}")
    if given.is_floating_point():
        own = (p.dtype for p in module.parameters() if p.is_floating_point())
        first = next(own, given.dtype)  # the others are looked up only where it differs
        other = given.dtype != first and given.dtype not in own
        if other and not torch.is_autocast_enabled(given.device.type):
            raise SignatureError(f"{who} must be {first} like the parameters, got {given.dtype}")
