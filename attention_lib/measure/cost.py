"""What a mechanism costs, counted on tensors without numbers: no memory, no arithmetic, any size.

Counted are the multiply-adds of matrix products, convolutions and fused attention; sums, means,
softmax and gates are not.  Operations that multiply and cannot be counted, such as Fourier
transforms or somebody's own kernel, are named.  The largest tensor is the largest that an operation
returns on a CPU; what an operation allocates inside itself and frees again is not seen.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from attention_lib.measure.trace import trace_fake


@dataclass(frozen=True)
class Cost:
    params: int
    macs: int  # multiply-adds in matrix products, convolutions and fused attention
    memory: int  # numbers in the largest tensor made on the way
    uncounted: tuple[str, ...] = ()  # operations whose multiply-adds are not in `macs`


def measure(mechanism: nn.Module, *inputs: Tensor | int) -> Cost:
    """Count one forward pass, in eval mode, of `mechanism` on inputs of these shapes.

    The inputs may lie on any device, `meta` included: only their shapes and dtypes are read.
    """
    counter, seen = FlopCounterMode(display=False, custom_mapping=_MORE), _Seen()
    trace_fake(mechanism, *inputs, watched_by=(counter, seen))
    params = sum(p.numel() for p in mechanism.parameters())
    return Cost(params, counter.get_total_flops() // 2, seen.largest, tuple(sorted(seen.uncounted)))


def _fused_attention(
    query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
) -> int:
    """QKᵀ and its product with V, counted twice as torch counts: a multiply and an add."""
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _matrix_and_vector(matrix: torch.Size, *_: object, **__: object) -> int:
    return 2 * prod(matrix)


def _added_to(first: torch.Size, *rest: torch.Size, **__: object) -> int:
    return _matrix_and_vector(*rest)


# what torch's own counter leaves out, or counts only from some version on
_ATEN = torch.ops.aten
_MORE = {
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _fused_attention,
    _ATEN.mv: _matrix_and_vector,
    _ATEN.dot: _matrix_and_vector,
    _ATEN.addmv: _added_to,
}
_UNCOUNTED = (
    *("_fft", "grid_sampler", "_cdist", "_pdist", "_trilinear", "_embedding_bag", "addr"),
    *("_linalg", "linalg_inv", "linalg_lu", "linalg_qr", "linalg_eig", "linalg_cholesky"),
    *("linalg_ldl", "linalg_lstsq", "linalg_householder", "linalg_matrix_exp"),
    *("triangular_solve", "mkldnn_rnn", "_thnn_fused"),
)


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


class _Seen(TorchDispatchMode):
    """Watches every operation: the largest tensor that one returned, and what cannot be counted."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.uncounted: set[str] = set()

    def __torch_dispatch__(
        self, operation: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        returned = operation(*args, **(kwargs or {}))
        library, _, name = str(operation).partition(".")
        if library not in ("aten", "prim", "prims") or name.startswith(_UNCOUNTED):
            self.uncounted.add(f"{library}.{name.partition('.')[0]}")
        for leaf in tree_leaves(returned):
            if isinstance(leaf, Tensor):  # an expanded view is as small as what it views
                size = leaf.untyped_storage().nbytes() // leaf.itemsize
                self.largest = max(self.largest, size)
        return returned
