"""What a mechanism costs, counted on tensors without numbers: no memory, no arithmetic, any size.

Counted are the multiply-adds of matrix products, convolutions and fused attention; sums, means,
softmax and gates are not.  The largest tensor is the largest that an operation returns on a CPU;
what an operation allocates inside itself and frees again is not seen.
"""

import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    params: int
    macs: int  # multiply-adds in matrix products, convolutions and fused attention
    memory: int  # numbers in the largest tensor made on the way


def measure(mechanism: nn.Module, *inputs: Tensor | int) -> Cost:
    """Count one forward pass, in eval mode, of `mechanism` on inputs of these shapes.

    The inputs may lie on any device, `meta` included: only their shapes and dtypes are read.
    """
    counter, largest = FlopCounterMode(display=False, custom_mapping=_FUSED), _Largest()
    trace_fake(mechanism, *inputs, watched_by=(counter, largest))
    params = sum(p.numel() for p in mechanism.parameters())
    return Cost(params, counter.get_total_flops() // 2, largest.size)


def trace_fake(
    mechanism: nn.Module,
    *inputs: Tensor | int,
    backward: bool = False,
    watched_by: Sequence[AbstractContextManager] = (),
) -> None:
    """One pass in eval mode: shapes are worked out, and nothing is computed or stored.

    Forward alone, or with `backward` that and the gradients of all inputs and parameters.
    """
    with FakeTensorMode() as ghosts:
        weights = {name: _ghost(p, backward) for name, p in mechanism.named_parameters()}
        buffers = {name: _ghost(tensor) for name, tensor in mechanism.named_buffers()}
        given = tuple(_ghost(x, backward) if isinstance(x, Tensor) else x for x in inputs)
    training = {module: module.training for module in mechanism.modules()}
    mechanism.eval()
    try:
        modes: list[AbstractContextManager] = [ghosts, torch.set_grad_enabled(backward)]
        with warnings.catch_warnings(), ExitStack() as stack:
            # torch 2.6 made for a GPU warns that a convolution will be slow there; none is run here
            warnings.filterwarnings("ignore", "cuDNN cannot be used", UserWarning)
            for mode in (*modes, *watched_by):
                stack.enter_context(mode)
            answer = functional_call(mechanism, weights | buffers, given)
            if backward:
                leaves = [*weights.values(), *(x for x in given if isinstance(x, Tensor))]
                leaves = [leaf for leaf in leaves if leaf.requires_grad]
                torch.autograd.grad(answer, leaves, torch.ones_like(answer))
    finally:
        for module, was_training in training.items():
            module.training = was_training


def _ghost(tensor: Tensor, learns: bool = False) -> Tensor:
    ghost = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
    return ghost.requires_grad_(learns and tensor.is_floating_point())


def _fused_attention(
    query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
) -> int:
    """QKᵀ and its product with V, counted twice as torch counts: a multiply and an add."""
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


# torch counts the fused attention of a GPU, but that of a CPU only from some version on
_FUSED = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _fused_attention}


def live_bytes(mechanism: nn.Module, *inputs: Tensor | int, backward: bool = False) -> int:
    """Bytes of the tensors that live at once, at most, during a call; the same on every machine.

    Inputs and parameters do not count, what is returned does, and with `backward` the gradients of
    all of them do.  An operation's own scratch is not seen: see `bench.peak_memory` for that.
    """
    living = _Living()
    trace_fake(mechanism, *inputs, backward=backward, watched_by=[living])
    return living.most


class _Living(TorchDispatchMode):
    """Watches every operation and adds up the storages made that are still referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, int] = {}
        self.now = self.most = 0

    def __torch_dispatch__(
        self, operation: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        before = {
            self._key(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)
        }
        returned = operation(*args, **(kwargs or {}))
        for leaf in tree_leaves(returned):
            if isinstance(leaf, Tensor) and self._key(leaf) not in before | self.held.keys():
                storage = leaf.untyped_storage()
                key, size = self._key(leaf), storage.nbytes()
                self.held[key] = size
                self.now += size
                weakref.finalize(storage, self._freed, key)
        self.most = max(self.most, self.now)
        return returned

    @staticmethod
    def _key(tensor: Tensor) -> int:
        return tensor.untyped_storage()._cdata

    def _freed(self, key: int) -> None:
        self.now -= self.held.pop(key, 0)


class _Largest(TorchDispatchMode):
    """Watches every operation and remembers the largest tensor one returned."""

    size = 0

    def __torch_dispatch__(
        self, operation: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        returned = operation(*args, **(kwargs or {}))
        for leaf in tree_leaves(returned):
            if isinstance(leaf, Tensor):  # an expanded view is as small as what it views
                self.size = max(self.size, leaf.untyped_storage().nbytes() // leaf.itemsize)
        return returned
