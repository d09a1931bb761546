"""The contract: what every module of a kind must pass, one check a promise.

    for check in checks_for(card):
        check(card)

A check fails by AssertionError.  Your own mechanism is held to the same: give it a card, or
let `python -m attention_lib check path/to/file.py:Class channels=16` make one.
"""

import inspect
import pickle
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from attention_lib import properties
from attention_lib.card import COSTS, Card
from attention_lib.cost import measure
from attention_lib.shape import SignatureError

Module = TypeVar("Module", bound=nn.Module)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


Check = Callable[[Card], None]
ONLY: dict[Check, tuple[Callable[[Card], object], str]] = {}  # check -> (where it applies, or why)


def only(where: Callable[[Card], object], otherwise: str) -> Callable[[Check], Check]:
    """The check below applies to such cards alone; `otherwise` is why not to the others."""

    def mark(check: Check) -> Check:
        ONLY[check] = where, otherwise
        return check

    return mark


@contextmanager
def _seeded() -> Iterator[None]:
    """The same random numbers every time; the caller's generators go on as if nothing had been."""
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices):
        torch.manual_seed(0)
        yield


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
    sizes = {k: v for k, v in arguments.items() if isinstance(v, int)}
    with _seeded():
        mechanism = randomize(card.build(**arguments)).to(dtype).eval()
        return mechanism, card.inputs(dtype, **sizes)


def _arguments(card: Card) -> Collection[str]:
    return inspect.signature(card.mechanism).parameters


def _may_be_causal(card: Card) -> bool:
    return card.kind == "sequence" or "causal" in _arguments(card)


def _learns(card: Card) -> bool:
    with torch.device("meta"):
        return any(parameter.requires_grad for parameter in card.build().parameters())


def _has_properties(card: Card) -> bool:
    return card.properties is not None and bool(properties.applicable(card))


def check_shape(card: Card) -> None:
    """What comes out has the shape the signature says."""
    mechanism, inputs = ready(card)
    assert [y.shape for y in tree_leaves(mechanism(*inputs))] == card.answers()


def check_any_size(card: Card) -> None:
    """One place is enough, and so is a single row or column."""
    axes = card.free
    sizes = [dict.fromkeys(axes, 1), *({axis: 1} for axis in axes), *({axis: 2} for axis in axes)]
    for size in sizes:
        mechanism, _ = ready(card)
        answers = tree_leaves(mechanism(*card.inputs(torch.float64, **size)))
        assert [y.shape for y in answers] == card.answers(**size), size
        assert all(y.isfinite().all() for y in answers), size


def check_wrong_shape_is_named(card: Card) -> None:
    """An input that does not fit is refused by name, before any arithmetic."""
    mechanism, [x, *rest] = ready(card)
    wrong = [x[0], x[..., None]]
    for i, axis in enumerate(card.shapes["x"]):  # fixed at construction, or in the signature
        if axis not in card.sizes:
            wrong.append(x.repeat_interleave(2, i))
            wrong += [x.narrow(i, 0, 1)] if x.shape[i] > 1 else []
    free = [i for i, axis in enumerate(card.shapes["x"]) if axis in card.sizes and axis != "batch"]
    wrong += [x.narrow(i, 0, 0) for i in free]
    for given in wrong:
        _refused(card, partial(mechanism, given, *rest), "x must be", tuple(given.shape))


def check_wrong_type_is_named(card: Card) -> None:
    """Another sort of number, another precision than the parameters', and lists are refused."""
    mechanism, [x, *rest] = ready(card)
    wrong = [x > 0, x.long()] if x.is_floating_point() else [x > 0, x.double()]
    if x.is_floating_point() and any(True for _ in mechanism.parameters()):
        wrong.append(x.float())
    for given in wrong:
        _refused(card, partial(mechanism, given, *rest), "x must be", given.dtype)
    _refused(card, partial(mechanism, x.tolist(), *rest), "x must be", "list")


@only(lambda card: card.rejects, "no arguments are declared that it refuses")
def check_nonsense_is_refused(card: Card) -> None:
    """Constructor arguments that cannot work raise ValueError and say the number at fault."""
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
        for y in tree_leaves(mechanism(*inputs)):
            assert y.dtype == dtype and y.isfinite().all(), dtype


def check_autocast(card: Card) -> None:
    """Under autocast the answer is no worse than the whole mechanism in that precision."""
    mechanism, inputs = ready(card)
    exact = tree_leaves(mechanism(*inputs))
    single, half = deepcopy(mechanism).float(), deepcopy(mechanism).bfloat16()
    with torch.autocast(inputs[0].device.type, dtype=torch.bfloat16):
        mixed = tree_leaves(single(*_cast(inputs, torch.float32)))
    plain = tree_leaves(half(*_cast(inputs, torch.bfloat16)))
    for given, rough, wanted in zip(mixed, plain, exact, strict=True):
        assert (given - wanted).norm() <= 2 * (rough - wanted).norm()


def check_samples_do_not_meet(card: Card) -> None:
    """A sample gets the same answer alone and in a batch."""
    mechanism, inputs = ready(card)
    together = tree_leaves(mechanism(*inputs))
    for i in range(len(inputs[0])):
        alone = tree_leaves(mechanism(*_each(inputs, lambda x, i: x[i : i + 1], i)))
        assert_close(alone, [y[i : i + 1] for y in together])


def check_empty_batch(card: Card) -> None:
    """No samples in, no samples out."""
    mechanism, inputs = ready(card)
    answer = mechanism(*_each(inputs, lambda x: x[:0]))
    assert all(len(y) == 0 for y in tree_leaves(answer))


def check_layout(card: Card) -> None:
    """How the numbers lie in memory makes no difference, and the input is left alone."""
    mechanism, inputs = ready(card)
    before, expected = deepcopy(inputs), mechanism(*inputs)
    assert_close(inputs, before, rtol=0, atol=0)
    assert_close(mechanism(*_each(inputs, lambda x: x.mT.contiguous().mT)), expected)
    if inputs[0].ndim == 4:
        last = _each(inputs, lambda x: x.to(memory_format=torch.channels_last))
        assert_close(mechanism(*last), expected)


def check_eval_repeats(card: Card) -> None:
    """In eval mode the same question has the same answer, bit for bit."""
    mechanism, inputs = ready(card)
    assert_close(mechanism(*inputs), mechanism(*inputs), rtol=0, atol=0)


@only(_may_be_causal, "it has no argument causal and no state")
def check_causal(card: Card) -> None:
    """Causal, it answers bit for bit the same when later tokens change, and to rounding without.

    It is built with causal=True if it has such an argument.
    """
    switch = dict(causal=True) if "causal" in _arguments(card) else {}
    mechanism, [x, *rest] = ready(card, **switch)
    assert properties.causal(lambda x: mechanism(x, *rest), x) == 0
    whole = mechanism(x, *rest)
    for tokens in range(1, x.shape[1]):
        assert_close(mechanism(x[:, :tokens], *rest), whole[:, :tokens])


@only(lambda card: card.kind == "sequence", "it is no sequence: it has no prefill and no step")
def check_steps(card: Card) -> None:
    """Cut anywhere, prefill and step go on from the state: outputs, states, gradients."""
    mechanism: Any  # whose prefill and step no type tells
    mechanism, [x] = ready(card)
    x.requires_grad_()
    leaves = [x, *mechanism.parameters()]
    _, last = mechanism.prefill(x)
    whole = mechanism(x), last
    wanted = torch.autograd.grad(_loss(whole), leaves)
    for cut in range(x.shape[1] + 1):
        for by_steps in (True, False):
            parts = _in_parts(mechanism, x, cut, by_steps)
            assert_close(parts, whole, msg=partial("cut at {}: {}".format, cut))
            assert_close(torch.autograd.grad(_loss(parts), leaves), wanted)


@only(lambda card: card.state, "no state is declared")
def check_declared_state(card: Card) -> None:
    """After one token or many it keeps as many numbers as declared."""
    mechanism: Any
    for tokens in (1, *(factor * card.free_sizes["tokens"] for factor in (1, 64))):
        with torch.device("meta"):
            mechanism, [x] = card.build(), card.inputs(batch=3, tokens=tokens)
        _, state = mechanism.prefill(x)
        _, after = mechanism.step(x[:, -1], state)
        for kept, read in ((state, tokens), (after, tokens + 1)):
            counted = sum(tensor.numel() for tensor in tree_leaves(kept))
            declared = card.cost("state", batch=3, tokens=read)
            assert counted == declared, f"{read} tokens: counted {counted}, declared {declared}"


@only(lambda card: "key_mask" in card.shapes, "it has no argument key_mask")
def check_key_mask(card: Card) -> None:
    """What `key_mask` hides has no influence, and nothing is lost where it hides all."""
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


@only(lambda card: card.layout != "ids", "its input is whole numbers, which have no scale")
def check_extremes(card: Card) -> None:
    """Inputs a thousand times too large, or all zero, give finite answers and gradients."""
    for dtype in FLOATS:
        for scale in (1e3, 0.0):
            mechanism, inputs = ready(card, dtype)
            wanted = _floats(inputs, lambda x, s: (s * x).requires_grad_(), scale)
            answers = tree_leaves(mechanism(*wanted))
            torch.stack([y.mean() for y in answers]).sum().backward()
            grads = [x.grad for x in (*wanted, *mechanism.parameters()) if isinstance(x, Tensor)]
            assert all(t.isfinite().all() for t in (*answers, *grads)), (dtype, scale)


def check_gradients(card: Card) -> None:
    """Autograd agrees with finite differences, and reaches every parameter."""
    mechanism, inputs = ready(card)
    wanted = _floats(inputs, lambda x: x.requires_grad_())
    again = 1e-9 if wanted[0].is_cuda else 0.0  # a GPU may add up in another order each time
    function: Callable = mechanism
    if card.layout == "ids":  # which have no gradient: the parameters' is held to it
        names, learned = zip(*mechanism.named_parameters(), strict=True)
        wanted, ids = list(learned), wanted

        def function(*parameters: Tensor) -> Tensor:
            return functional_call(mechanism, dict(zip(names, parameters, strict=True)), tuple(ids))

    assert torch.autograd.gradcheck(function, wanted, fast_mode=True, nondet_tol=again)
    _loss(mechanism(*inputs)).backward()
    _all_reached(mechanism)


def check_without_gradients(card: Card) -> None:
    """Where no gradients are wanted, or parameters are frozen, another path gives the same answer.

    So does the way back through frozen parameters to the input.  Every variant is tried.
    """
    for arguments in ({}, *card.variants):
        mechanism, inputs = ready(card, **arguments)
        with torch.no_grad():
            answer = mechanism(*inputs)
        tensors = [x for x in _floats(inputs, lambda x: x.requires_grad_()) if _is_float(x)]
        gradients = []
        for learns in (True, False):
            y = mechanism.requires_grad_(learns)(*inputs)
            assert_close([t.detach() for t in tree_leaves(y)], tree_leaves(answer))
            gradients.append(torch.autograd.grad(_loss(y), tensors) if tensors else ())
        assert_close(*gradients)


@only(_learns, "it has no parameters, so nothing in it is trained")
def check_trains(card: Card) -> None:
    """In training mode one step reaches every parameter, also if the input needs no gradient."""
    mechanism, inputs = ready(card)
    mechanism.train()
    _loss(mechanism(*inputs)).backward()
    _all_reached(mechanism)


def check_survives_travel(card: Card) -> None:
    """Copied, pickled, or loaded from a state dict, it is the same mechanism."""
    mechanism, inputs = ready(card)
    fresh = card.build().to(torch.float64).eval()
    fresh.load_state_dict(mechanism.state_dict())
    for other in (deepcopy(mechanism), pickle.loads(pickle.dumps(mechanism)), fresh):
        assert_close(other(*inputs), mechanism(*inputs), rtol=0, atol=0)


def check_meta(card: Card) -> None:
    """On the meta device nothing reads a number to choose a path, or is made on another device."""
    with torch.device("meta"):
        mechanism, inputs = card.build(), card.inputs()
    assert all(y.is_meta for y in tree_leaves(mechanism(*inputs)))


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
        found = [torch.from_numpy(answer) for answer in session.run(None, fed)]
        answers = [y.detach() for y in tree_leaves(mechanism(*other))]
        assert_close(found, answers, rtol=1e-4, atol=1e-5)


@only(lambda card: any(getattr(card, kind) for kind in COSTS), "no cost is declared")
def check_declared_cost(card: Card) -> None:
    """Parameters, multiply-adds and the largest tensor are what the formulas say, at any size."""
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


@only(_has_properties, "no property is declared, or none compares such an answer with the input")
def check_properties(card: Card) -> None:
    """A property is claimed exactly where it holds."""
    mechanism, [x, *rest] = ready(card)
    claimed = card.properties or ()

    def answer(x: Tensor) -> Tensor:
        return mechanism(x, *rest)

    for p in properties.applicable(card):
        gap = p(answer, x)
        assert (gap < 1e-9) == (p in claimed), f"{card}: {p.__name__} is off by {gap:.1e}"


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


def checks_for(card: Card, slow: bool = False) -> Iterator[Check]:
    """The checks that apply to the card's kind and to what it declares.

    Args:
        card: of the module that is to be checked.
        slow: also those that need more packages, and seconds.
    """
    checks = (*CONTRACT, *SLOW) if slow else CONTRACT
    return (check for check in checks if not _not_applicable(check, card))


def verdict(check: Check, card: Card) -> tuple[str, str]:
    """("passed" | "failed" | "xfail" | "not applicable", why) for one check.

    What a card says it cannot do is "xfail" only while it really fails.
    """
    if why := _not_applicable(check, card):
        return "not applicable", why
    reason = card.cannot.get(check.__name__)
    try:
        with _seeded():
            check(card)
    except Exception as error:  # whatever a custom module raises is the finding
        if reason:
            return "xfail", reason
        return "failed", f"{type(error).__name__}: {error}".partition("\n")[0]
    return ("failed", f"the card says it cannot: {reason}") if reason else ("passed", "")


def _not_applicable(check: Check, card: Card) -> str:
    where, otherwise = ONLY.get(check, (bool, ""))
    return "" if where(card) else otherwise


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


def _in_parts(mechanism: Any, x: Tensor, cut: int, by_steps: bool) -> tuple:
    """The answer and the last state: a prefill up to the cut, then steps, or a second prefill."""
    state, parts = None, []
    if cut:
        first, state = mechanism.prefill(x[:, :cut])
        parts.append(first)
    rest = x[:, cut:].split(1 if by_steps else x.shape[1], dim=1) if cut < x.shape[1] else ()
    for piece in rest:
        before = deepcopy([tensor.detach() for tensor in tree_leaves(state)] if state else [])
        if by_steps:
            y, after = mechanism.step(piece[:, 0], state)
            y = y[:, None]
        else:
            y, after = mechanism.prefill(piece, state)
        assert_close(
            [t.detach() for t in tree_leaves(state)] if state else [], before, rtol=0, atol=0
        )
        parts.append(y)
        state = after
    return torch.cat(parts, dim=1), state


def _loss(answer: object) -> Tensor:
    return torch.stack([y.square().sum() for y in tree_leaves(answer)]).sum()


def _each(inputs: list, change: Callable[..., Tensor], *more: object) -> list:
    return [change(x, *more) if isinstance(x, Tensor) else x for x in inputs]


def _is_float(x: object) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _floats(inputs: list, change: Callable[..., Tensor], *more: object) -> list:
    return [change(x, *more) if _is_float(x) else x for x in inputs]


def _cast(inputs: list, dtype: torch.dtype) -> list:
    return _floats(inputs, lambda x: x.to(dtype))
