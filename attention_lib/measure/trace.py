"""A pass of a module that leaves the module as it was: it is made on a copy.

The copy's tensors are ghosts, which have a shape and a dtype and no numbers, or share or repeat the
numbers of the module's own.  What a forward stores on `self`, in a dictionary there or in a buffer
stays on the copy.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map


def trace_fake(
    module: nn.Module,
    *inputs: Any,
    named: Mapping[str, Any] | None = None,
    backward: bool = False,
    watched_by: Sequence[AbstractContextManager] = (),
    prepare: Callable[[nn.Module], object] = lambda copy: None,
) -> Any:
    """One pass in eval mode: shapes are worked out, and nothing is computed or stored.

    Args:
        module: is not changed.
        inputs, named: what it is called with; tensors may lie on any device, `meta` included.
        backward: also the gradients of all inputs and parameters.
        watched_by: contexts that are open during the pass.
        prepare: is given the copy that will run.

    Raises:
        TypeError: if it is no module.
        ValueError: if the path through the module depends on numbers.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"what is traced must be a module, got {module!r}")
    ghosts = FakeTensorMode(allow_non_fake_inputs=True)  # a tensor of the file's own, say
    with ghosts:
        copy = copied(module, ghost_of)
        given = [tree_map(_if_tensor(ghost_of), part) for part in (inputs, dict(named or {}))]
        leaves = [x for x in (*copy.parameters(), *tree_leaves(given)) if isinstance(x, Tensor)]
        leaves = [leaf for leaf in leaves if leaf.is_floating_point()]
        for leaf in leaves:
            leaf.requires_grad_(backward)
    prepare(copy.eval())
    with ExitStack() as stack:
        modes: list[AbstractContextManager] = [ghosts, torch.set_grad_enabled(backward), _plainly()]
        for mode in (*modes, *watched_by):
            stack.enter_context(mode)
        try:
            answer = copy(*given[0], **given[1])
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            name = type(module).__name__
            raise ValueError(f"{name} looks at numbers, which a pass on shapes has not") from error
        if backward:
            torch.autograd.grad(answer, leaves, torch.ones_like(answer), allow_unused=True)
    return answer


def trace_copy(
    module: nn.Module,
    *inputs: Any,
    named: Mapping[str, Any] | None = None,
    prepare: Callable[[nn.Module], object] = lambda copy: None,
) -> Any:
    """One pass in eval mode with numbers, for what looks at them; arguments as in `trace_fake`."""
    copy = copied(module, torch.clone)
    prepare(copy.eval())
    with torch.no_grad(), _plainly():
        return copy(*inputs, **(named or {}))


def copied(module: nn.Module, like: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy of a module in which every tensor is what `like` makes of it.

    What cannot be copied, such as a lock or an operation of C++, both of them hold.
    """
    with _CopyOfTensors(like):
        try:
            return deepcopy(module)
        except Exception:  # whatever an object raises that is copied
            held = [thing for part in module.modules() for thing in _own(part)]
            return deepcopy(module, {id(thing): thing for thing in held if not _copies(thing)})


def _own(module: nn.Module) -> list[Any]:
    """What a module holds beside parameters, buffers and modules."""
    registered = ("_parameters", "_buffers", "_modules")
    return [thing for name, thing in vars(module).items() if name not in registered]


def _copies(thing: Any) -> bool:
    try:
        deepcopy(thing)
    except Exception:
        return False
    return True


def ghost_of(tensor: Tensor) -> Tensor:
    """Of the same shape and dtype, on the CPU: counts are the same wherever the tensor lies."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")


class _CopyOfTensors(TorchFunctionMode):
    """Says what `deepcopy` makes of a tensor, also of one that it refuses: one with a history."""

    def __init__(self, like: Callable[[Tensor], Tensor]):
        super().__init__()
        self.like = like

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if function is torch._C.TensorBase.clone:  # in the copy of a parameter
            return self.like(args[0].detach())
        if function is not Tensor.__deepcopy__:
            return function(*args, **(kwargs or {}))
        tensor, memo = args
        if id(tensor) not in memo:
            memo[id(tensor)] = self.like(tensor.detach())
        return memo[id(tensor)]


def _if_tensor(like: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    return lambda x: like(x) if isinstance(x, Tensor) else x


@contextmanager
def _plainly() -> Iterator[None]:
    """Operation by operation: uncompiled, and without those that fuse a whole layer into one.

    The fused ones, of an encoder layer or an LSTM, hide the products that they are made of.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            # torch 2.6 made for a GPU warns that a convolution will be slow there; none is run here
            warnings.filterwarnings("ignore", "cuDNN cannot be used", UserWarning)
            warnings.filterwarnings("ignore", "TF32 acceleration", UserWarning)
            warnings.filterwarnings("ignore", r"Using `torch\.compile\(module\)` when", UserWarning)
            with (
                torch.backends.mkldnn.flags(enabled=False),
                torch.compiler.set_stance("force_eager"),
                torch.random.fork_rng(devices=[]),
            ):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
