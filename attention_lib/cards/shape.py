"""The signature is the contract: `@shaped` holds a forward to what it is annotated with.

    @shaped
    def forward(self, x: Float[Tensor, "batch channels height width"]) -> ...:

An axis is a name, a whole number, or a formula of both: `dim//2`, `2*dim`, `heads*head_dim`,
`height+1`; `/` must leave no rest, and `ceil(height/stride)` rounds up.  A name that the module
holds as a number measures that number; an axis met twice measures the same both times; every other
name is free, and only a batch may be empty.  A tensor may be optional, or lie in a tuple.  What
`@shaped` cannot read raises a TypeError where the function is defined.

Tensors must be dense and on the device of the module's parameters.  A floating one must have their
dtype too, unless autocast is on; in a tuple, such as a state, it may have a wider one.  An argument
that is annotated with `int` must be a whole number.

To torch.fx, which traces a network with symbols in place of tensors, it is a leaf of the graph.

The compiler of torch 2.6, the oldest that is supported, reads these lines too.  It takes neither
`vars(module)`, nor `next` with a default, nor `zip` of unequal lengths: see `make versions`.
"""

import ast
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from numbers import Integral
from types import UnionType
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, Union, get_args, get_origin

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx import Proxy

INTEGERS = (Integral, torch.SymInt)  # numpy's are among them, and those of an export
Maps = Float[Tensor, "batch channels height width"]
Tokens = Float[Tensor, "batch tokens dim"]
Axes = tuple[str, ...]
Axis = str | int | tuple  # a name, a number, or (operation, left, right)
Self = TypeVar("Self", bound=nn.Module)
Rest = ParamSpec("Rest")
Answer = TypeVar("Answer")


class SignatureError(ValueError):
    """A tensor that does not fit the signature it was passed to."""


class Wanted(NamedTuple):
    """What an annotation asks of a tensor."""

    axes: Axes  # as they are written
    sizes: tuple[Axis, ...]  # as they are read
    dtypes: frozenset[torch.dtype]
    formulas: bool  # whether an axis is one
    optional: bool = False

    @property
    def kind(self) -> str:
        if self.dtypes == {torch.bool}:
            return "boolean"
        if all(dtype.is_floating_point for dtype in self.dtypes):
            return "floating point"
        return "integer" if torch.int64 in self.dtypes else "of another type"


class Several(NamedTuple):
    """What the annotation of a tuple asks of each of its parts."""

    parts: tuple[Any, ...]  # Wanted or Several
    optional: bool = False


def wanted(function: Callable) -> dict[str, Wanted | Several]:
    """What is asked of each annotated argument, and of what is returned under 'return'.

    Raises:
        TypeError: if there is an annotation of tensors that this module cannot read.
    """
    found = {}
    for name, note in inspect.get_annotations(inspect.unwrap(function)).items():
        try:
            read = _read(note)
        except TypeError as error:
            where = "the answer" if name == "return" else f"argument {name}"
            raise TypeError(f"{function.__qualname__}, {where}: {error}") from None
        if read is not None:
            found[name] = read
    return found


def signature(function: Callable) -> dict[str, Axes]:
    """The axes of each annotated tensor, and of what is returned under 'return'.

    Of tuples, that of the answer alone is shown, by its first tensor.
    """
    return axes_of(wanted(function))


def axes_of(notes: Mapping[str, Wanted | Several]) -> dict[str, Axes]:
    """The axes in such annotations."""
    answer = {"return": tensors_of(notes["return"])[0]} if "return" in notes else {}
    found = {**notes, **answer}
    return {name: note.axes for name, note in found.items() if isinstance(note, Wanted)}


def tensors_of(note: Wanted | Several) -> list[Wanted]:
    """The tensors of an annotation, one after the other."""
    if isinstance(note, Wanted):
        return [note]
    return [tensor for part in note.parts for tensor in tensors_of(part)]


def measured(axis: Axis, numbers: Mapping[str, int]) -> int:
    """The size of an axis, where names measure these numbers; below zero if it has none.

    Raises:
        KeyError: if the size of a name is not known.
    """
    if isinstance(axis, tuple):
        operation, left, right = axis
        return operation(measured(left, numbers), measured(right, numbers))
    return numbers[axis] if isinstance(axis, str) else axis


def names_of(axis: Axis) -> list[str]:
    """The names that the size of an axis depends on."""
    if isinstance(axis, tuple):
        return [name for part in axis[1:] for name in names_of(part)]
    return [axis] if isinstance(axis, str) else []


def shaped(
    forward: Callable[Concatenate[Self, Rest], Answer],
) -> Callable[Concatenate[Self, Rest], Answer]:
    """Check the arguments of `forward` against its annotations, and name what does not fit.

    Raises:
        TypeError: at once, if an annotation cannot be read.
        SignatureError: (a ValueError) with the argument, what is wanted and what was given.
    """
    notes = inspect.get_annotations(forward)
    for name, note in notes.items():
        if isinstance(note, str):  # with `from __future__ import annotations`, say
            raise TypeError(f"{forward.__qualname__}: the annotation of {name} is a string")
    expected = wanted(forward)
    expected.pop("return", None)
    names = list(inspect.signature(forward).parameters)[1:]
    counts = {name for name in names if notes.get(name) is int}
    formulas = any(tensor.formulas for note in expected.values() for tensor in tensors_of(note))

    @wraps(forward)
    def checked(self: Self, *args: Rest.args, **kwargs: Rest.kwargs) -> Answer:
        known: dict[str, int] = {}
        named = zip(names[: len(args)], args[: len(names)], strict=True)
        given = [*named, *kwargs.items()]
        for name, value in given:
            if isinstance(value, Proxy):
                return _traced(value.tracer, forward, self, *args, **kwargs)
            if name in expected:
                _check(self, name, value, expected[name], known)
            elif name in counts and not _is_integer(value):
                problem = f"must be an integer, got {type(value).__name__}"
                raise SignatureError(f"{type(self).__name__}: {name} {problem}")
        if formulas:  # once every name is known
            for name, value in given:
                if name in expected:
                    _check_formulas(self, name, value, expected[name], known)
        return forward(self, *args, **kwargs)

    return checked


# ---- traced with symbols -----------------------------------------------------------------------


def _traced(
    tracer: Any, forward: Callable[..., Any], module: nn.Module, *args: Any, **kwargs: Any
) -> Any:
    """One node of the graph that torch.fx draws; what is no part of a network is looked into."""
    try:
        if forward.__name__ == "forward" and module is not tracer.root:
            return tracer.create_proxy("call_module", tracer.path_of_module(module), args, kwargs)
        return forward(module, *args, **kwargs)
    except Exception as error:  # whatever a symbol that is taken for a tensor leads to
        name = type(module).__name__
        problem = "torch.fx cannot look into it: trace a network that holds it, as a leaf"
        raise TypeError(f"{name}: {problem}") from error


# ---- reading an annotation ---------------------------------------------------------------------


def _exactly(a: int, b: int) -> int:
    return a // b if a % b == 0 else -1


def _rounded_up(a: int, b: int) -> int:
    return (a + b - 1) // b


OPERATIONS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: _exactly,
}


def _read(note: Any) -> Wanted | Several | None:
    """An annotation; None if it says nothing of a tensor's shape."""
    if hasattr(note, "dim_str"):
        return _read_tensor(note)
    parts = get_args(note) if not isinstance(note, list) else note
    read = [_read(part) for part in parts if part is not Ellipsis]
    if not any(part is not None for part in read):
        return None
    origin = get_origin(note)
    if origin in (Union, UnionType):
        others = [part for part in read if part is not None]
        if len(parts) == 2 and type(None) in parts:
            return others[0]._replace(optional=True)
        raise TypeError(f"cannot choose between {' and '.join(_shown(part) for part in parts)}")
    if origin is not tuple or None in read or len(read) < len(parts):
        raise TypeError(f"cannot read {_shown(note)}")
    return Several(tuple(read))


def _shown(note: Any) -> str:
    return note.__name__ if isinstance(note, type) and not get_args(note) else str(note)


def _read_tensor(note: Any) -> Wanted:
    axes = tuple(note.dim_str.split())
    sizes = tuple(_read_axis(axis) for axis in axes)
    dtypes = [getattr(torch, kind, None) for kind in note.dtypes if isinstance(kind, str)]
    known = frozenset(dtype for dtype in dtypes if isinstance(dtype, torch.dtype))
    # jaxtyping's floats have some of a byte, in which torch does not compute
    known = frozenset(d for d in known if d.itemsize > 1 or not d.is_floating_point)
    if not known:
        raise TypeError(f"cannot read the dtype of {note.__name__}")
    return Wanted(axes, sizes, known, any(isinstance(size, tuple) for size in sizes))


def _read_axis(text: str) -> Axis:
    try:
        return _read_formula(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError):
        raise TypeError(f"cannot read the axis {text!r}") from None


def _read_formula(node: ast.expr) -> Axis:
    match node:
        case ast.Name(id=name) if name.strip("_") == name:
            return name
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATIONS:
            return OPERATIONS[type(sign)], _read_formula(left), _read_formula(right)
        case ast.Call(func=ast.Name(id="ceil"), args=[ast.BinOp(left, ast.Div(), right)]):
            return _rounded_up, _read_formula(left), _read_formula(right)
    raise TypeError


# ---- checking a tensor -------------------------------------------------------------------------


def _check(
    module: nn.Module, name: str, given: Any, note: Wanted | Several, known: dict[str, int]
) -> None:
    if given is None and note.optional:
        return
    if isinstance(note, Wanted):
        _check_type(module, name, given, note)
        _check_shape(module, name, given, note, known)
        return
    if not isinstance(given, tuple) or len(given) != len(note.parts):
        got = f"{len(given)}" if isinstance(given, tuple) else type(given).__name__
        problem = f"must be a tuple of {len(note.parts)}, got {got}"
        raise SignatureError(f"{type(module).__name__}: {name} {problem}")
    for i, part in enumerate(note.parts):
        _check(module, f"{name}[{i}]", given[i], part, known)


def _check_shape(
    module: nn.Module, name: str, tensor: Tensor, note: Wanted, known: dict[str, int]
) -> None:
    numbers, shape = module.__dict__, tuple(tensor.shape)
    fits = len(shape) == len(note.sizes)
    if fits:
        for axis, size in zip(note.sizes, shape, strict=True):
            if isinstance(axis, str):
                fits = size == known.setdefault(axis, _held(numbers, axis, size))
            elif isinstance(axis, int):
                fits = size == axis
            if not fits or (size == 0 and axis != "batch"):
                fits = False
                break
    if not fits:
        _refuse(module, name, tensor, note, known)


def _check_formulas(
    module: nn.Module, name: str, given: Any, note: Wanted | Several, known: dict[str, int]
) -> None:
    if given is None:
        return
    if isinstance(note, Several):
        for i, part in enumerate(note.parts):
            _check_formulas(module, f"{name}[{i}]", given[i], part, known)
        return
    for axis, size in zip(note.sizes, tuple(given.shape), strict=True):
        if isinstance(axis, tuple):
            for word in names_of(axis):
                if word not in known:
                    known[word] = _held(module.__dict__, word, -1)
                    if known[word] < 0:
                        what = f"no number {word}, which {' '.join(note.axes)!r} needs"
                        raise TypeError(f"{type(module).__name__}: {name} holds {what}")
            if size != measured(axis, known):
                _refuse(module, name, given, note, known)


def _held(numbers: dict[str, Any], axis: str, otherwise: int) -> int:
    """The number that a module holds for an axis."""
    number = numbers.get(axis)
    return int(number) if isinstance(number, Integral) else otherwise


def _is_integer(value: object) -> bool:
    return isinstance(value, INTEGERS) and not isinstance(value, bool)


def _refuse(
    module: nn.Module, name: str, tensor: Tensor, note: Wanted, known: dict[str, int]
) -> None:
    wish = []
    for text, axis in zip(note.axes, note.sizes, strict=True):
        words = {word: _held(module.__dict__, word, known.get(word, 0)) for word in names_of(axis)}
        size = measured(axis, words) if isinstance(axis, tuple) else words.get(text, 0)
        wish.append(f"{text}={size}" if size > 0 and all(words.values()) else text)
    shape = tuple(tensor.shape)
    raise SignatureError(
        f"{type(module).__name__}: {name} must be ({', '.join(wish)}), got {shape}"
    )


def _check_type(module: nn.Module, name: str, given: object, note: Wanted) -> None:
    if not isinstance(given, Tensor):
        problem = f"must be a tensor, got {type(given).__name__}"
    elif given.is_nested or given.layout != torch.strided:
        problem = f"must be dense, got {'nested' if given.is_nested else given.layout}"
    elif given.dtype not in note.dtypes:
        problem = f"must be {note.kind}, got {given.dtype}"
    elif "[" not in name and (other := _dtype_of_parameters(module, given)):
        problem = f"must be {other} like the parameters, got {given.dtype}"
    elif where := _device_of_parameters(module, given):
        problem = f"must be on {where} like the parameters, got {given.device}"
    else:
        return
    raise SignatureError(f"{type(module).__name__}: {name} {problem}")


def _dtype_of_parameters(module: nn.Module, given: Tensor) -> torch.dtype | None:
    """What the parameters have, if it should be that of what is given and is not."""
    first = None
    for parameter in _floating(module):  # the others are looked up only where it differs
        if parameter.dtype == given.dtype or not given.is_floating_point():
            return None
        first = first or parameter.dtype
    autocast = not given.is_meta and torch.is_autocast_enabled(given.device.type)
    return None if autocast else first


def _device_of_parameters(module: nn.Module, given: Tensor) -> torch.device | None:
    """Where the first parameter lies, if what is given lies elsewhere."""
    for parameter in _floating(module):
        return None if parameter.device == given.device else parameter.device
    return None


def _floating(module: nn.Module) -> Iterator[Tensor]:
    """The parameters, one after the other; `parameters()` takes as long as all else here."""
    for parameter in module._parameters.values():
        if parameter is not None and parameter.is_floating_point():
            yield parameter
    for part in module._modules.values():
        if part is not None:
            yield from _floating(part)
