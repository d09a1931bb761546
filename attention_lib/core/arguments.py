"""What a module's constructor was told: held to its annotations, and shown by `print`.

class Gate(nn.Module):
    @typed
    def __init__(self, channels: int, kernel_sizes: tuple[int, ...] = (3, 5), bias: bool = True):
        ...

    extra_repr = constructor_arguments
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial, wraps
from numbers import Integral, Real
from reprlib import repr as shortened
from types import NoneType, UnionType
from typing import Any, Concatenate, ParamSpec, TypeVar, Union, get_args, get_origin

from torch import nn

Self = TypeVar("Self", bound=nn.Module)
Rest = ParamSpec("Rest")
MOST = 2**31 - 1  # no axis of a tensor is longer


def constructor_arguments(module: nn.Module) -> str:
    """The constructor's arguments, of which the module keeps each under its name."""
    names = inspect.signature(type(module)).parameters
    return ", ".join(f"{name}={getattr(module, name)!r}" for name in names)


def typed(
    init: Callable[Concatenate[Self, Rest], None],
) -> Callable[Concatenate[Self, Rest], None]:
    """Hold a constructor to the types that its arguments are annotated with.

    It is given Python's own numbers where numpy's were passed, and tuples where lists were.
    Whether a number makes sense, the guards say.

    Raises:
        TypeError: at once, if an annotation cannot be read; in the constructor, for an argument of
            another type, with its name, what is wanted and what was given.
        ValueError: in the constructor, if a number is larger than any tensor, or all of them
            together ask for more than there can be.
    """
    accepted = inspect.signature(init)
    notes = [(name, given.annotation) for name, given in accepted.parameters.items()]
    kinds = {name: _kind(note) for name, note in notes[1:]}
    make: Callable = init  # with arguments that no type checker has seen

    @wraps(init)
    def checked(self: Self, *args: Rest.args, **kwargs: Rest.kwargs) -> None:
        _, *given = accepted.bind(self, *args, **kwargs).arguments.items()
        told = {name: _read(name, *kinds[name], value) for name, value in given}
        try:
            make(self, **told)
        except (RuntimeError, OverflowError) as error:
            shown = ", ".join(f"{name}={value!r}" for name, value in told.items())
            why = str(error).partition("\n")[0]
            raise ValueError(f"{type(self).__name__}({shown}) cannot be made: {why}") from error

    return checked


Kind = tuple[str, Callable[[Any], Any]]  # in words, and what reads it; NotImplemented if it is not


def _read(name: str, wanted: str, read: Callable[[Any], Any], value: object) -> Any:
    found = read(value)
    if found is NotImplemented:
        raise TypeError(f"{name}={shortened(value)} must be {wanted}")
    for number in found if isinstance(found, tuple) else (found,):
        if isinstance(number, int) and abs(number) > MOST:
            raise ValueError(f"{name}={shortened(value)} is too large: it must be at most {MOST}")
    return found


def _kind(note: Any) -> Kind:
    """What an annotation asks for."""
    origin, parts = get_origin(note), get_args(note)
    if origin in (Union, UnionType):
        kinds = [_kind(part) for part in parts]
        return " or ".join(words for words, _ in kinds), partial(_any_of, [r for _, r in kinds])
    if origin in (tuple, Sequence):
        words, read = _kind(parts[0])
        return f"a tuple, each {words}", partial(_all_of, read)
    if (origin or note) not in KINDS:
        raise TypeError(f"cannot read the annotation {note!r}")
    return KINDS[origin or note]


def _any_of(readers: Sequence[Callable], value: object) -> Any:
    found = [read(value) for read in readers]
    return next((one for one in found if one is not NotImplemented), NotImplemented)


def _all_of(read: Callable, value: object) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return NotImplemented
    found = tuple(read(part) for part in value)
    return NotImplemented if NotImplemented in found else found


def _number(kind: type, convert: Callable, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        return NotImplemented
    return value if type(value) in (int, float) else convert(value)


def _instance(kind: Any, value: object) -> Any:
    return value if isinstance(value, kind) else NotImplemented


KINDS: dict[Any, Kind] = {
    int: ("an integer", partial(_number, Integral, int)),
    float: ("a number", partial(_number, Real, float)),
    bool: ("True or False", partial(_instance, bool)),
    str: ("a string", partial(_instance, str)),
    Callable: ("a function", partial(_instance, Callable)),
    NoneType: ("None", partial(_instance, NoneType)),
    nn.Module: ("a module", partial(_instance, nn.Module)),
}
