"""Keep an oracle in float64, whatever its code casts to, without editing it.

with float64():
    theirs = Oracle(...)          # buffers too
    expected = theirs(x)
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode

_LOW = (torch.float32, torch.float16, torch.bfloat16)


class _Widen(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in ("float", "half", "bfloat16") and isinstance(
            args[0], torch.Tensor
        ):
            return args[0].double()
        widen = lambda a: torch.float64 if a in _LOW else a  # noqa: E731
        args = tuple(widen(a) if isinstance(a, torch.dtype) else a for a in args)
        kwargs = {
            k: widen(a) if isinstance(a, torch.dtype) else a for k, a in (kwargs or {}).items()
        }
        return func(*args, **kwargs)


@contextmanager
def float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Widen():
            yield
    finally:
        torch.set_default_dtype(before)
