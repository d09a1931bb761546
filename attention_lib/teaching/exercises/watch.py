"""What an answer does while it is judged: which operations it runs, and what it returns."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ATTENTION = ("scaled_dot_product_attention", "multi_head_attention_forward")
# What is called in torch behind the names by which an exercise forbids it
OPERATIONS: dict[str, tuple[str, ...]] = {
    "a module": ("register_parameter",),
    "softmax": ("softmax", "_softmax", "_safe_softmax", "log_softmax", "_log_softmax", *_ATTENTION),
    "logsumexp": ("logsumexp", "logaddexp", "logcumsumexp"),
    "matmul": (
        *("matmul", "linear", "einsum", "tensordot", "mm", "bmm", "mv", "dot"),
        *("addmm", "addmv", "addbmm", "baddbmm", *_ATTENTION),
    ),
    "attention": _ATTENTION,
    "convolution": ("convolution", "conv1d", "conv2d", "mkldnn_convolution", "cudnn_convolution"),
    "unfold": ("unfold", "im2col", "as_strided"),
    "fft": ("_fft_r2c", "_fft_c2r", "_fft_c2c"),
}


@dataclass(frozen=True)
class Judge:
    """How the answer to an exercise is judged.

    Args:
        hold: asserts what is asked of the answer, each with a sentence.
        forbids: operations the answer may not run, by the names of `OPERATIONS` or torch's own.
        largest: how many numbers a tensor made on the way may hold, of a call's arguments.
        mistakes: likely mistakes: a sentence, and an answer that makes it.

    Raises:
        ValueError: if `forbids` names no operation of torch.
    """

    hold: Callable[[Any], None]
    forbids: tuple[str, ...] = ()
    largest: Callable[..., int] | None = None
    mistakes: Mapping[str, Callable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.forbids:
            if name not in OPERATIONS and not hasattr(torch.ops.aten, name):
                raise ValueError(f"{name!r} is no operation of torch that could be forbidden")


class Watch:
    """An answer, a function or a module's class, that is watched while it is called.

    Two are equal if they returned the same, call by call.

    Attributes:
        watched: to be called in the answer's place.
        refused: which forbidden thing the answer did first, or nothing.
    """

    def __init__(
        self,
        answer: Callable,
        forbids: tuple[str, ...] = (),
        largest: Callable[..., int] | None = None,
    ):
        self.forbids, self.largest = forbids, largest
        self.returned: list = []
        self.refused = ""
        self.watched = self._of_class(answer) if isinstance(answer, type) else self._of(answer)

    __hash__ = None  # type: ignore[assignment]  # it changes with each call

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Watch) or len(self.returned) != len(other.returned):
            return False
        return all(map(_same, self.returned, other.returned))

    def _of(self, called: Callable) -> Callable:
        @functools.wraps(called)
        def call(*args: object, **kwargs: object) -> object:
            allowed = self.largest(*args, **kwargs) if self.largest else None
            with self._refusing(allowed):
                result = called(*args, **kwargs)
            self.returned.append(_copied(result))
            return result

        return call

    @contextmanager
    def _refusing(self, allowed: int | None) -> Iterator[None]:
        """Stops at an operation that is forbidden, and at a tensor that is too large."""
        names = {beneath: name for name in self.forbids
                 for beneath in OPERATIONS.get(name, (name,))}  # fmt: skip

        def refuse(why: str) -> None:
            self.refused = self.refused or why
            raise AssertionError(why)

        def called(name: str) -> None:
            if name in names:
                refuse(f"it uses {names[name]}, which the exercise forbids")

        def run(name: str, made: list[Tensor]) -> None:
            called(name)
            for tensor in made:
                if allowed is not None and tensor.numel() > allowed:
                    what = f"it makes a tensor of shape {tuple(tensor.shape)}"
                    refuse(f"{what}, and the exercise allows {allowed:,} numbers here")

        hook = register_module_parameter_registration_hook(
            lambda module, name, parameter: called("register_parameter")
        )
        with hook, _Calls(called), _Operations(run):
            yield

    def _of_class(self, module: type) -> type:
        """A subclass of the same name whose forward is watched."""
        named = {name: getattr(module, name) for name in ("__module__", "__qualname__", "__doc__")}
        if issubclass(module, nn.Module):
            named["forward"] = self._of(module.forward)
        return type(module.__name__, (module,), named)


class _Calls(TorchFunctionMode):
    """Shows each call of torch by its name, also of what consists of other operations."""

    def __init__(self, show: Callable[[str], None]):
        super().__init__()
        self.show = show

    def __torch_function__(
        self, func: Callable, types: Sequence, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        self.show(func.__name__.strip("_"))
        return func(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    """Shows each operation that is run, and the tensors it makes; a view is no new tensor."""

    def __init__(self, show: Callable[[str, list[Tensor]], None]):
        super().__init__()
        self.show = show

    def __torch_dispatch__(
        self, func: Any, types: Sequence, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        view = any(returned.alias_info for returned in func._schema.returns)
        made = [] if view else [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.show(func.overloadpacket.__name__, made)
        return result


def _copied(result: object) -> list:
    """The numbers of what was returned, whatever their form, in one tensor; then all else.

    The judge may change the tensors afterwards.
    """
    numbers, others = [torch.empty(0, dtype=torch.float64)], []
    for leaf in tree_leaves(result):
        array = isinstance(leaf, int | float) or hasattr(leaf, "__array__")
        if array and not (isinstance(leaf, Tensor) and leaf.is_meta):
            numbers.append(torch.as_tensor(leaf).detach().double().cpu().flatten())
        else:
            others.append(leaf)
    return [torch.cat(numbers), *others]


def _same(given: list, made: list) -> bool:
    return len(given) == len(made) and all(map(_equal, given, made))


def _equal(given: object, made: object) -> bool:
    """Equal to rounding; of tensors on meta only the shape is known."""
    if isinstance(given, Tensor) and isinstance(made, Tensor):
        if given.shape != made.shape or given.is_meta or made.is_meta:
            return given.shape == made.shape
        return torch.allclose(given, made, rtol=1e-6, equal_nan=True)
    return given is made or (type(given) is type(made) and bool(given == made))
