"""The contract every mechanism keeps, one check a promise.

    for check in CONTRACT:
        check(card)

A check fails by AssertionError.  Your own mechanism is held to the same: give it a card, or
let `python -m attention_lib check path/to/file.py:Class channels=16` make one.
"""

import inspect
import pickle
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from attention_lib import properties
from attention_lib.card import COSTS, Card
from attention_lib.cost import measure
from attention_lib.shape import SignatureError

Module = TypeVar("Module", bound=nn.Module)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class NotDeclared(Exception):
    """The card does not claim what this check would hold it to."""


def randomize(mechanism: Module) -> Module:
    """Give every parameter and statistic a random value: a zero at the start may hide a path."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*mechanism.named_parameters(), *mechanism.named_buffers()]:
        if tensor.is_floating_point():
            values = torch.empty(tensor.shape, dtype=torch.float64, device="cpu")
            values.normal_(std=0.5, generator=generator)
            tensor.data.copy_(values.exp() if name.endswith("running_var") else values)
    return mechanism


def ready(
    card: Card, dtype: torch.dtype = torch.float64, /, **arguments: object
) -> tuple[nn.Module, list]:
    """A random instance of the card's example in eval mode, and inputs for it."""
    torch.manual_seed(0)
    sizes = {k: v for k, v in arguments.items() if isinstance(v, int)}
    mechanism = randomize(card.build(**arguments)).to(dtype).eval()
    return mechanism, card.inputs(dtype, **sizes)


def check_shape(card: Card) -> None:
    """What comes out has the shape the signature says."""
    mechanism, inputs = ready(card)
    words = card.words()
    assert mechanism(*inputs).shape == tuple(words[a] for a in card.shapes["return"])


def check_any_size(card: Card) -> None:
    """One place is enough, and so is a single row or column."""
    axes = card.free
    sizes = [dict.fromkeys(axes, 1), *({axis: 1} for axis in axes), *({axis: 2} for axis in axes)]
    for size in sizes:
        mechanism, _ = ready(card)
        y = mechanism(*card.inputs(torch.float64, **size))
        words = card.words(**size)
        assert y.shape == tuple(words[a] for a in card.shapes["return"]), size
        assert y.isfinite().all(), size


def check_wrong_shape_is_named(card: Card) -> None:
    """An input that does not fit is refused by name, before any arithmetic."""
    mechanism, [x, *rest] = ready(card)
    bound = card.shapes["x"].index(_bound(card))
    wrong = [x[0], x[..., None], x.repeat_interleave(2, bound), x.narrow(bound, 0, 1)]
    free = [i for i, axis in enumerate(card.shapes["x"]) if axis in card.sizes and axis != "batch"]
    wrong += [x.narrow(i, 0, 0) for i in free]
    for given in wrong:
        _refused(card, partial(mechanism, given, *rest), "x must be", tuple(given.shape))


def check_wrong_type_is_named(card: Card) -> None:
    """Integers, another precision and lists are refused by name."""
    mechanism, [x, *rest] = ready(card)
    for given in (x.long(), x.float(), x > 0):
        _refused(card, partial(mechanism, given, *rest), "x must be", given.dtype)
    _refused(card, partial(mechanism, x.tolist(), *rest), "x must be", "list")


def check_nonsense_is_refused(card: Card) -> None:
    """Constructor arguments that cannot work raise ValueError and say the number at fault."""
    if not card.rejects:
        raise NotDeclared
    for arguments in card.rejects:
        try:
            card.mechanism(**arguments)
        except ValueError as error:
            assert any(str(value) in str(error) for value in arguments.values()), error
        else:
            raise AssertionError(f"{card} took {arguments}")


def check_dtype(card: Card) -> None:
    """What goes in as float16, bfloat16, float32 or float64 comes out as that."""
    for dtype in FLOATS:
        mechanism, inputs = ready(card, dtype)
        y = mechanism(*inputs)
        assert y.dtype == dtype and y.isfinite().all(), dtype


def check_autocast(card: Card) -> None:
    """Under autocast the answer is no worse than the whole mechanism in that precision."""
    mechanism, inputs = ready(card)
    exact = mechanism(*inputs)
    single, half = deepcopy(mechanism).float(), deepcopy(mechanism).bfloat16()
    with torch.autocast(exact.device.type, dtype=torch.bfloat16):
        mixed = single(*_cast(inputs, torch.float32))
    plain = half(*_cast(inputs, torch.bfloat16))
    assert (mixed - exact).norm() <= 2 * (plain - exact).norm()


def check_samples_do_not_meet(card: Card) -> None:
    """A sample is answered alike, alone or in company."""
    mechanism, inputs = ready(card)
    together = mechanism(*inputs)
    alone = [mechanism(*_each(inputs, lambda x, i: x[i : i + 1], i)) for i in range(len(together))]
    assert_close(torch.cat(alone), together)


def check_empty_batch(card: Card) -> None:
    """No samples in, no samples out."""
    mechanism, inputs = ready(card)
    assert mechanism(*_each(inputs, lambda x: x[:0])).shape[0] == 0


def check_layout(card: Card) -> None:
    """How the numbers lie in memory makes no difference, and the input is left alone."""
    mechanism, inputs = ready(card)
    before, expected = deepcopy(inputs), mechanism(*inputs)
    assert_close(inputs, before, rtol=0, atol=0)
    assert_close(mechanism(*_each(inputs, lambda x: x.mT.contiguous().mT)), expected)
    if card.layout == "maps":
        last = _each(inputs, lambda x: x.to(memory_format=torch.channels_last))
        assert_close(mechanism(*last), expected)


def check_eval_repeats(card: Card) -> None:
    """In eval mode the same question has the same answer, bit for bit."""
    mechanism, inputs = ready(card)
    assert torch.equal(mechanism(*inputs), mechanism(*inputs))


def check_causal(card: Card) -> None:
    """Built with causal=True, it answers bit for bit the same when only later tokens change."""
    if "causal" in inspect.signature(card.mechanism).parameters:
        mechanism, [x, *rest] = ready(card, causal=True)
        assert properties.causal(lambda x: mechanism(x, *rest), x) == 0


def check_key_mask(card: Card) -> None:
    """What `key_mask` hides has no influence, and nothing is lost where it hides all."""
    if "key_mask" not in card.shapes:
        return
    mechanism, [x, *rest] = ready(card)
    real = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    real[0, -2:] = real[1, 2] = False
    y = mechanism(x, *rest, key_mask=real)
    changed = torch.where(real[..., None], x, x + 1)
    assert torch.equal(mechanism(changed, *rest, key_mask=real)[real], y[real])
    assert_close(y[:1, :-2], mechanism(x[:1, :-2], *rest))
    real[1] = False
    x.requires_grad_()
    y = mechanism(x, *rest, key_mask=real)
    y.square().sum().backward()
    assert all(t.isfinite().all() for t in (y, x.grad, *(p.grad for p in mechanism.parameters())))


def check_leaves_no_trace(card: Card) -> None:
    """Forward keeps nothing: no map or gate stays behind on the module."""
    mechanism, inputs = ready(card)
    state = deepcopy(mechanism.state_dict())
    before = {name: dict(vars(part)) for name, part in mechanism.named_modules()}
    mechanism(*inputs)
    for name, part in mechanism.named_modules():
        changed = {k for k, v in vars(part).items() if before[name].get(k, part) is not v}
        assert not changed, f"forward changes {', '.join(sorted(changed))} on {name or 'itself'}"
    assert_close(dict(mechanism.state_dict()), dict(state), rtol=0, atol=0)


def check_extremes(card: Card) -> None:
    """Inputs a thousand times too large, or all zero, give finite answers and gradients."""
    for dtype in FLOATS:
        for scale in (1e3, 0.0):
            mechanism, inputs = ready(card, dtype)
            wanted = _each(inputs, lambda x, s: (s * x).requires_grad_(), scale)
            y = mechanism(*wanted)
            y.mean().backward()
            grads = [x.grad for x in (*wanted, *mechanism.parameters()) if isinstance(x, Tensor)]
            assert all(t.isfinite().all() for t in (y, *grads)), (dtype, scale)


def check_gradients(card: Card) -> None:
    """Autograd agrees with finite differences, and reaches every parameter."""
    mechanism, inputs = ready(card)
    wanted = _each(inputs, lambda x: x.requires_grad_())
    again = 1e-9 if wanted[0].is_cuda else 0.0  # a GPU may add up in another order each time
    assert torch.autograd.gradcheck(mechanism, wanted, fast_mode=True, nondet_tol=again)
    mechanism(*wanted).square().sum().backward()
    _all_reached(mechanism)


def check_without_gradients(card: Card) -> None:
    """Where no gradients are wanted, or parameters are frozen, another path gives the same answer.

    So does the way back through frozen parameters to the input.  Every variant is tried.
    """
    for arguments in ({}, *card.variants):
        mechanism, inputs = ready(card, **arguments)
        with torch.no_grad():
            answer = mechanism(*inputs)
        wanted = _each(inputs, lambda x: x.requires_grad_())
        tensors = [x for x in wanted if isinstance(x, Tensor)]
        gradients = []
        for learns in (True, False):
            y = mechanism.requires_grad_(learns)(*wanted)
            assert_close(y.detach(), answer)
            gradients.append(torch.autograd.grad(y.square().sum(), tensors))
        assert_close(*gradients)


def check_trains(card: Card) -> None:
    """In training mode one step reaches every parameter, also if the input needs no gradient."""
    mechanism, inputs = ready(card)
    mechanism.train()
    mechanism(*inputs).square().sum().backward()
    _all_reached(mechanism)


def check_survives_travel(card: Card) -> None:
    """Copied, pickled, or loaded from a state dict, it is the same mechanism."""
    mechanism, inputs = ready(card)
    fresh = card.build().to(torch.float64).eval()
    fresh.load_state_dict(mechanism.state_dict())
    for other in (deepcopy(mechanism), pickle.loads(pickle.dumps(mechanism)), fresh):
        assert torch.equal(other(*inputs), mechanism(*inputs))


def check_meta(card: Card) -> None:
    """On the meta device nothing reads a number to choose a path, or is made on another device."""
    with torch.device("meta"):
        mechanism, inputs = card.build(), card.inputs()
    assert mechanism(*inputs).is_meta


def check_compile(card: Card) -> None:
    """torch.compile takes it whole, without a graph break."""
    torch._dynamo.reset()
    mechanism, inputs = ready(card)
    compiled = torch.compile(mechanism, backend="eager", fullgraph=True)
    assert_close(compiled(*inputs), mechanism(*inputs))


def check_export(card: Card) -> None:
    """torch.export takes it, for any batch, height, width and number of tokens."""
    program = _exported(card)
    mechanism, _ = ready(card, torch.float32)
    for other in _other_sizes(card):
        assert_close(program.module()(*other), mechanism(*other))


def check_onnx(card: Card) -> None:
    """As an ONNX file it computes the same elsewhere, for any size."""
    from onnxruntime import InferenceSession  # needs onnx, onnxscript and some seconds

    program = _exported(card)
    mechanism, inputs = ready(card, torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own affairs
        file = torch.onnx.export(program, dynamo=True, verbose=False)
    assert file is not None
    session = InferenceSession(file.model_proto.SerializeToString())
    for other in (inputs, *_other_sizes(card)):
        tensors = [x for x in other if isinstance(x, Tensor)]
        names = [given.name for given in session.get_inputs()]
        fed = {name: x.numpy() for name, x in zip(names, tensors, strict=True)}
        [answer] = session.run(None, fed)
        assert_close(torch.from_numpy(answer), mechanism(*other).detach(), rtol=1e-4, atol=1e-5)


def check_declared_cost(card: Card) -> None:
    """Parameters, multiply-adds and the largest tensor are what the formulas say, at any size."""
    if not any(getattr(card, kind) for kind in COSTS):
        raise NotDeclared
    large = {axis: 64 * size for axis, size in card.free_sizes.items()}
    for arguments in ({}, *card.variants):
        ints = {k: v for k, v in arguments.items() if isinstance(v, int)}
        changed = replace(card, example={**card.example, **arguments})
        for batch, sizes in ((1, {}), (3, large)):
            with torch.device("meta"):
                mechanism, inputs = changed.build(), changed.inputs(batch=batch, **ints, **sizes)
            counted = measure(mechanism, *inputs)
            for kind in COSTS if sizes else COSTS[:2]:  # in a tiny case a weight may be largest
                declared = changed.cost(kind, batch=batch, **sizes)
                there = f"{card} with {arguments or 'its example'}, {batch=}, {sizes}"
                found = getattr(counted, kind)
                assert found == declared, f"{there}: {kind} counted {found}, declared {declared}"


def check_properties(card: Card) -> None:
    """A property is claimed exactly where it holds."""
    if card.properties is None:
        raise NotDeclared
    mechanism, [x, *rest] = ready(card)

    def answer(x: Tensor) -> Tensor:
        return mechanism(x, *rest)

    for p in properties.applicable(card.layout):
        gap = p(answer, x)
        assert (gap < 1e-9) == (p in card.properties), f"{card}: {p.__name__} is off by {gap:.1e}"


def check_docstring(card: Card) -> None:
    """A summary, a formula, and a word on each argument."""
    text = inspect.getdoc(card.mechanism) or ""
    assert card.summary.endswith("."), "the first line must be one sentence"
    assert card.formula, "no formula: add a '.. math::' block"
    for name in inspect.signature(card.mechanism).parameters:
        assert f"    {name}: " in text, f"argument {name} is not described under Args:"
    if card.rejects:
        assert "Raises:" in text


SLOW = (check_onnx,)  # these need more packages, and seconds
CONTRACT = tuple(
    check
    for name, check in list(globals().items())
    if name.startswith("check_") and check not in SLOW
)


def verdict(check: Callable[[Card], None], card: Card) -> tuple[str, str]:
    """("kept" | "broken" | "not declared" | "excused", why) for one promise.

    What a card says it cannot keep is "excused" only while it really fails.
    """
    reason = card.cannot.get(check.__name__)
    try:
        check(card)
    except NotDeclared:
        return "not declared", ""
    except Exception as error:  # whatever a stranger's module raises is the finding
        if reason:
            return "excused", reason
        return "broken", f"{type(error).__name__}: {error}".partition("\n")[0]
    return ("broken", f"the card says it cannot: {reason}") if reason else ("kept", "")


def _refused(card: Card, call: Callable[[], object], *words: object) -> None:
    try:
        call()
    except SignatureError as error:
        assert all(str(word) in str(error) for word in (card, *words)), error
    else:
        raise AssertionError(f"{card} took {words[-1]}")


def _all_reached(mechanism: nn.Module) -> None:
    unreached = [n for n, p in mechanism.named_parameters() if p.grad is None or not p.grad.any()]
    assert not unreached, f"no gradient reaches {', '.join(unreached)}"


@lru_cache(maxsize=1)
def _exported(card: Card) -> torch.export.ExportedProgram:
    """The example as a program for any size, which export and ONNX both ask for.

    What `strict` would add, that Python is followed line by line, check_compile shows.
    """
    mechanism, inputs = ready(card, torch.float32)
    sizes = _any_size(card, inputs)
    return torch.export.export(mechanism, tuple(inputs), dynamic_shapes=sizes, strict=False)


def _any_size(card: Card, inputs: list) -> tuple:
    """For torch.export: batch and all that grows is free, but a size passed as a number is not."""
    free = {axis for axis in ("batch", *card.free) if axis in card.shapes["x"]}
    axes = [note for name, note in card.shapes.items() if name != "return"]
    tensors = iter(axes)
    return tuple(
        {i: torch.export.Dim.DYNAMIC for i, axis in enumerate(next(tensors)) if axis in free}
        if isinstance(x, Tensor)
        else None
        for x in inputs
    )


def _other_sizes(card: Card) -> list[list]:
    """Inputs of other sizes than the example's: a larger batch, and more of what may grow."""
    free = [axis for axis in card.free if axis in card.shapes["x"]]
    grown = {axis: card.free_sizes[axis] + more for more, axis in enumerate(free, start=3)}
    return [card.inputs(batch=5), card.inputs(batch=3, **grown)]


def _bound(card: Card) -> str:
    """An axis of x whose size was fixed at construction."""
    return next(axis for axis in card.shapes["x"] if axis not in card.sizes)


def _each(inputs: list, change: Callable[..., Tensor], *more: object) -> list:
    return [change(x, *more) if isinstance(x, Tensor) else x for x in inputs]


def _cast(inputs: list, dtype: torch.dtype) -> list:
    return _each(inputs, lambda x: x.to(dtype))
