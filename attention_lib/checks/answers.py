"""Checks of what comes out, and of what is refused."""

from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from attention_lib.cards.card import Card
from attention_lib.checks.common import FLOATS, LAYERS, cast, each, floats, only, ready, refused


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
        refused(card, partial(mechanism, given, *rest), "x must be", tuple(given.shape))


def check_wrong_type_is_named(card: Card) -> None:
    """Another sort of number, another precision than the parameters', and lists are refused."""
    mechanism, [x, *rest] = ready(card)
    wrong = [x > 0, x.long()] if x.is_floating_point() else [x > 0, x.double()]
    if x.is_floating_point() and any(True for _ in mechanism.parameters()):
        wrong.append(x.float())
    for given in wrong:
        refused(card, partial(mechanism, given, *rest), "x must be", given.dtype)
    refused(card, partial(mechanism, x.tolist(), *rest), "x must be", "list")


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
        mixed = tree_leaves(single(*cast(inputs, torch.float32)))
    plain = tree_leaves(half(*cast(inputs, torch.bfloat16)))
    for given, rough, wanted in zip(mixed, plain, exact, strict=True):
        assert (given - wanted).norm() <= 2 * (rough - wanted).norm()


def check_samples_do_not_meet(card: Card) -> None:
    """A sample gets the same answer alone and in a batch."""
    mechanism, inputs = ready(card)
    together = tree_leaves(mechanism(*inputs))
    for i in range(len(inputs[0])):
        alone = tree_leaves(mechanism(*each(inputs, lambda x, i: x[i : i + 1], i)))
        assert_close(alone, [y[i : i + 1] for y in together])


def check_empty_batch(card: Card) -> None:
    """No samples in, no samples out."""
    mechanism, inputs = ready(card)
    answer = mechanism(*each(inputs, lambda x: x[:0]))
    assert all(len(y) == 0 for y in tree_leaves(answer))


def check_layout(card: Card) -> None:
    """How the numbers lie in memory makes no difference, and the input is left alone."""
    mechanism, inputs = ready(card)
    before, expected = deepcopy(inputs), mechanism(*inputs)
    assert_close(inputs, before, rtol=0, atol=0)
    assert_close(mechanism(*each(inputs, lambda x: x.mT.contiguous().mT)), expected)
    if inputs[0].ndim == 4:
        last = each(inputs, lambda x: x.to(memory_format=torch.channels_last))
        assert_close(mechanism(*last), expected)


def check_eval_repeats(card: Card) -> None:
    """In eval mode the same question has the same answer, bit for bit."""
    mechanism, inputs = ready(card)
    assert_close(mechanism(*inputs), mechanism(*inputs), rtol=0, atol=0)


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


@only(lambda card: card.layout != "ids", "its input is whole numbers, which have no scale")
def check_extremes(card: Card) -> None:
    """Inputs a thousand times too large, or all zero, give finite answers and gradients."""
    for dtype in FLOATS:
        for scale in (1e3, 0.0):
            mechanism, inputs = ready(card, dtype)
            wanted = floats(inputs, lambda x, s: (s * x).requires_grad_(), scale)
            answers = tree_leaves(mechanism(*wanted))
            torch.stack([y.mean() for y in answers]).sum().backward()
            grads = [x.grad for x in (*wanted, *mechanism.parameters()) if isinstance(x, Tensor)]
            assert all(t.isfinite().all() for t in (*answers, *grads)), (dtype, scale)


@only(lambda card: card.layout != "ids", "its input is whole numbers, which have no scale")
def check_float16_to_its_end(card: Card) -> None:
    """Where its answer fits float16 it is finite, if so does all that layers are given and give."""
    for pattern in (torch.tanh, torch.abs, torch.ones_like):
        half, inputs = ready(card, torch.float16)
        exact = deepcopy(half).double()
        shapes = floats(inputs, lambda x, pattern=pattern: pattern(x) / pattern(x).abs().max())
        for scale in torch.logspace(4.8, 0, 100).tolist():  # from 63,000 to 1
            inputs = floats(shapes, lambda x, scale=scale: scale * x)
            wanted, seen = _with_layers(exact, cast(inputs, torch.float64))
            if all(_fits(x).all() for x in seen):
                break
        for found, y in zip(tree_leaves(half(*inputs)), wanted, strict=True):
            lost = _fits(y) & ~found.isfinite()
            assert not lost.any(), f"at {scale:,.0f} times {pattern.__name__}"


def _fits(x: Tensor) -> Tensor:
    """Where float16 holds it, and twice as much: rounding moves large logits, and so the answer."""
    return (2 * x).half().isfinite()


def _with_layers(mechanism: nn.Module, inputs: list) -> tuple[list[Tensor], list[Tensor]]:
    """The answers, and all that layers are given and give on the way."""
    seen: list[Tensor] = []
    layers = [layer for layer in mechanism.modules() if type(layer) in LAYERS]
    note = [layer.register_forward_hook(lambda _, x, y: seen.extend((*x, y))) for layer in layers]
    answers = tree_leaves(mechanism(*inputs))
    for hook in note:
        hook.remove()
    return answers, seen
