"""Rounding noise: what another processor may do to the last digits of whatever rounds.

    with Noise(seed=1):
        torch.ones(1000).softmax(0).sum()

The result r of an operation that rounds becomes r + ulp · eps · S · u. S is the same operation on
magnitudes (|r| where that has no meaning): the usual bound of rounding errors, so that a sum which
cancels to zero moves too, and what is masked moves nothing. u in [-1, 1] is a hash of the seed and
of the bits of r: equal results stay equal, wherever they stand, so permuted, causal or repeated
work still agrees to the bit. Where nothing is rounded nothing is added: whole numbers stay whole.

The mode works below autograd, so gradients need no care. Compilers, exporters and counters see
nothing of it. Left alone: elementwise + - * / and square roots (IEEE says what they give), half
precision, devices other than the CPU, in-place forms, and the inside of compiled kernels.
"""

import zlib
from time import process_time
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
PLAIN = (Tensor, torch.nn.Parameter)
MAGNITUDES_UP_TO = 1 << 22  # numbers in a tensor; beyond, |r| stands for S


def _ops(names: str) -> set:
    """The operations of these names that this version of torch has."""
    return {getattr(aten, name) for name in names.split() if hasattr(aten, name)}


# Sums of products: S is the same sum of the magnitudes.
SUMS = _ops("""
    mm bmm addmm baddbmm addbmm mv dot addmv vdot linear convolution sum mean cumsum nansum trace
    avg_pool1d avg_pool2d _adaptive_avg_pool2d upsample_bilinear2d upsample_bicubic2d""")
ATTENTION = _ops("_scaled_dot_product_flash_attention_for_cpu")
SOFTMAX = _ops("_softmax _log_softmax")
NORM = _ops("linalg_vector_norm")
BATCH_NORM = _ops("native_batch_norm _native_batch_norm_legit")  # the other outputs are state
EXACT_AT_ZERO = _ops("""
    exp expm1 log1p sigmoid tanh gelu silu erf erfc sin cos tan atan asin elu celu mish""")
EXACT_AT_ONE = _ops("log log2 log10")
AT_MOST_ONE = _ops("sigmoid tanh _softmax")
OTHERS = _ops("""
    exp2 atan2 acos rsqrt softplus logit log_sigmoid_forward glu logsumexp prod pow var std var_mean
    std_mean norm native_layer_norm native_group_norm _native_batch_norm_legit_no_training
    _fused_rms_norm grid_sampler_2d _cdist_forward mse_loss binary_cross_entropy
    binary_cross_entropy_with_logits nll_loss_forward huber_loss smooth_l1_loss logaddexp
    logcumsumexp cumprod normal_ normal _fft_c2r _fft_r2c _fft_c2c
    linalg_solve_triangular _linalg_solve_ex linalg_inv_ex _linalg_svd _linalg_eigh linalg_qr
    linalg_cholesky_ex convolution_backward native_layer_norm_backward _softmax_backward_data
    native_batch_norm_backward native_group_norm_backward sigmoid_backward tanh_backward
    gelu_backward _scaled_dot_product_flash_attention_for_cpu_backward""")
ROUNDING = SUMS | ATTENTION | SOFTMAX | NORM | BATCH_NORM | EXACT_AT_ZERO | EXACT_AT_ONE | OTHERS

# For each precision: the integer of its width, the low half of its fraction, and the bits of a
# float64 that it lacks; then what mixes the bits, and by how far they are moved in between.
BITS = {torch.float32: torch.int32, torch.float64: torch.int64}
LOW = {torch.float32: (1 << 12) - 1, torch.float64: (1 << 30) - 1}
LACKING = {torch.float32: (1 << 29) - 1, torch.float64: (1 << 10) - 1}
MIXERS = {
    torch.float32: (-1640531535, -2048144777),
    torch.float64: (-7046029254386353131, -4417276706812531889),
}
MOVED = {torch.float32: 15, torch.float64: 31}


class Noise(TorchDispatchMode):
    """While it is on, everything that rounds does so a little differently.

    Args:
        seed: which noise.
        ulp: its size, in units of the last place of the sum of magnitudes.
        by_shapes: whether operation and shapes enter the hash, as if every size had a kernel of its
            own; otherwise equal results have equal noise whatever computed them.
    """

    def __init__(self, seed: int, ulp: float = 1.0, by_shapes: bool = True):
        super().__init__()
        self.seed, self.ulp, self.by_shapes = seed, ulp, by_shapes

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """`torch.compile` may trace what runs under this mode."""
        return True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        answer = func(*args, **kwargs)
        op = func.overloadpacket
        if op not in ROUNDING or "out" in kwargs or _exact_power(op, args):
            return answer
        given = [a for a in args if isinstance(a, Tensor)]
        results = [a for a in _listed(answer) if isinstance(a, Tensor)]
        if all(type(t) in PLAIN and t.device.type == "cpu" for t in (*given, *results)):
            shapes = (func.name(), *(tuple(t.shape) for t in given)) if self.by_shapes else ()
            key = zlib.crc32(repr((self.seed, shapes)).encode()) & 0x7FFFFFFF
            for place, result in enumerate(results[:1] if op in BATCH_NORM else results):
                if result.is_complex():
                    result = torch.view_as_real(result)
                if result.dtype in BITS and result.numel():
                    self._disturb(result, key, func, args, kwargs, first=place == 0)
        return answer

    def _disturb(
        self, result: Tensor, key: int, func: Any, args: tuple, kwargs: dict, first: bool
    ) -> None:
        """Add the noise to a result, where it is."""
        scale, exact = result.abs(), None
        if first and (sums := _magnitudes(func, args, kwargs, result)) is not None:
            exact = _fits(sums, result.dtype)
            scale = sums.to(result.dtype)
        if (known := _exact(func.overloadpacket, args, kwargs, result)) is not None:
            exact = known
        if exact is None:
            exact = _short(result)
        noise = _uniform(result, key) * scale * (self.ulp * torch.finfo(result.dtype).eps)
        result.add_(noise.masked_fill_(exact | ~noise.isfinite(), 0))
        if func.overloadpacket in AT_MOST_ONE:
            result.clamp_(max=1)


def _listed(answer: Any) -> list | tuple:
    return answer if isinstance(answer, list | tuple) else (answer,)


def _exact_power(op: Any, args: tuple) -> bool:
    """Whether this is a square, a root or a reciprocal, which IEEE rounds correctly."""
    return op is aten.pow and isinstance(args[1], int | float) and args[1] in (1, 2, 0.5, -1)


def _magnitudes(func: Any, args: tuple, kwargs: dict, result: Tensor) -> Tensor | None:
    """The same operation on magnitudes, in float64; None where that has no meaning."""
    op, given = func.overloadpacket, [a for a in args if isinstance(a, Tensor)]
    if op not in SUMS | ATTENTION or any(t.is_complex() for t in given):
        return None
    if any(t.numel() > MAGNITUDES_UP_TO for t in (*given, result)):
        return None

    def double(value: Any, absolute: bool = True) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value.double().abs() if absolute else value.double()
        return value

    if op in ATTENTION:  # the weights are positive: of query, key and value the last has a sign
        args = tuple(double(value, absolute=place == 2) for place, value in enumerate(args))
        kwargs = {name: double(value, absolute=False) for name, value in kwargs.items()}
    else:
        args = tuple(double(value) for value in args)
        signed = {name: abs(kwargs[name]) for name in ("alpha", "beta") if name in kwargs}
        kwargs = {name: value for name, value in kwargs.items() if name != "dtype"} | signed
    sums = _listed(func(*args, **kwargs))[0]
    fits = sums.dtype == torch.float64 and sums.shape == result.shape
    return sums.contiguous() if fits else None


def _exact(op: Any, args: tuple, kwargs: dict, result: Tensor) -> Tensor | None:
    """Where a function has an exact value for a reason; None where its bits must tell."""
    if any(isinstance(x, Tensor) and x.is_complex() for x in args):
        return None
    if op in EXACT_AT_ZERO:  # exp(ln 3) is 3 by luck alone, but tanh may have reached 1
        x = args[0]
        return (x == 0) | (result == 0) | (result.abs() == 1) | (result == x)
    if op in EXACT_AT_ONE:
        return args[0] == 1
    if op in SOFTMAX:  # all logits that count are equal
        x, dim = args[0], args[1]
        gone = x == -torch.inf if op is aten._log_softmax else result == 0
        return ((x == x.amax(dim, keepdim=True)) | gone).all(dim, keepdim=True)
    if op in NORM:
        dim = args[2] if len(args) > 2 else kwargs.get("dim")
        keep = args[3] if len(args) > 3 else kwargs.get("keepdim", False)
        over = {} if dim is None else dict(dim=dim, keepdim=keep)
        squares = args[0].double().square().sum(**over)
        terms = (args[0] != 0).double().sum(**over)  # the root of one square is exact
        return (_fits(squares, result.dtype) & _short(result)) | (terms <= 1)
    return None


def _short(x: Tensor) -> Tensor:
    """Where few bits are set: zero, small whole numbers, halves. They are no accident."""
    return (x.contiguous().view(BITS[x.dtype]) & LOW[x.dtype]) == 0


def _fits(sums: Tensor, dtype: torch.dtype) -> Tensor:
    """Where a sum of magnitudes fits the precision, so that no partial sum was rounded."""
    return (sums.contiguous().view(torch.int64) & LACKING[dtype]) == 0


def _uniform(x: Tensor, key: int) -> Tensor:
    """A number in [-1, 1] for each entry, made of its own bits."""
    one, two = MIXERS[x.dtype]
    width, moved = torch.finfo(x.dtype).bits, MOVED[x.dtype]
    rest = (1 << (width - moved)) - 1  # a shift copies the sign; this drops the copies
    mixed = (x.contiguous().view(BITS[x.dtype]) ^ key) * one
    mixed = (mixed ^ ((mixed >> moved) & rest)) * two
    mixed = (mixed ^ ((mixed >> moved) & rest)) * one
    return mixed.to(x.dtype) * 2.0 ** (1 - width)


_on: list[Noise] = []


def begin(seed: int | None, seconds: str) -> None:
    """In a notebook: turn the noise of a seed on, in place of what was on. None: no noise.

    From the first call on, the processor time of each cell is written to the file `seconds`.
    """
    if not _clock:
        _note_seconds(seconds)
    while _on:
        _on.pop().__exit__(None, None, None)
    if seed is not None:
        _on.append(Noise(seed))
        _on[-1].__enter__()
        torch.ones(2).softmax(0)  # the first operation under any mode loads much of torch


_clock: list[float] = []


def _note_seconds(path: str) -> None:
    from IPython import get_ipython

    def began(info: Any) -> None:
        _clock.append(process_time())

    def ended(result: Any) -> None:
        with open(path, "a", encoding="utf-8") as file:
            print(process_time() - _clock[-1], file=file)

    began(None)
    get_ipython().events.register("pre_run_cell", began)
    get_ipython().events.register("post_run_cell", ended)
