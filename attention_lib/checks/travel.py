"""Checks of a module on its way: copied, pickled, compiled, exported, run elsewhere."""

import pickle
import warnings
from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from attention_lib.cards.card import Card
from attention_lib.checks.common import Network, only, optional_inputs, ready


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
    program = _exported(card)
    mechanism, inputs = ready(card, torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own affairs
        # not made smaller, which takes as long as the export and is no promise of the module's
        file = torch.onnx.export(program, dynamo=True, verbose=False, optimize=False)
    assert file is not None
    made = file.model_proto.SerializeToString()
    _same_in_onnx(made, mechanism, inputs, *_other_sizes(card))


@only(lambda card: _masks(card), "it has no mask")
def check_onnx_masks(card: Card) -> None:
    """So it does with masks, also for a token that may read nothing."""
    mechanism, [x, *rest] = ready(card, torch.float32)
    masks = _masks(card)
    for mask in masks.values():
        mask[1] = False  # a sample without a real token, or a token that may read none
    network = _Masked(mechanism, rest, masks).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = torch.onnx.export(
            network, (x, *masks.values()), dynamo=True, verbose=False, optimize=False
        )
    assert file is not None
    _same_in_onnx(file.model_proto.SerializeToString(), network, [x, *masks.values()])


def check_torchscript(card: Card) -> None:
    """Traced, and as a file of the older ONNX exporter, it is the same for any batch."""
    mechanism, [x, *rest] = ready(card, torch.float32)
    network = Network(mechanism, rest).eval()
    file: Any = BytesIO()  # which its annotations leave out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that are taken for constants: they are
        traced = torch.jit.trace(network, x)
        torch.onnx.export(
            network,
            (x,),
            file,
            dynamo=False,
            opset_version=18,
            input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
        )
    several = x, card.inputs(batch=5)[0]
    for given in several:
        assert_close(traced(given), network(given))
    _same_in_onnx(file.getvalue(), network, *([given] for given in several))


class _Masked(Network):
    """A network that hands masks on by name."""

    def __init__(self, part: nn.Module, rest: list, names: Iterable[str]):
        super().__init__(part, rest)
        self.names = list(names)

    def forward(self, x: Tensor, *masks: Tensor) -> object:
        return self.part(x, *self.rest, **dict(zip(self.names, masks, strict=True)))


def _masks(card: Card) -> dict[str, Tensor]:
    options = optional_inputs(card)
    return {name: given for name, given in options.items() if given.dtype == torch.bool}


def _same_in_onnx(file: bytes, mechanism: nn.Module, *several: list) -> None:
    """What the file computes from the tensors of each input is what the mechanism does."""
    from onnxruntime import InferenceSession, SessionOptions  # some seconds

    options = SessionOptions()
    options.log_severity_level = 3  # not that a batch is larger than that of the example
    session = InferenceSession(file, options)
    names = [given.name for given in session.get_inputs()]
    for inputs in several:
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        fed = {name: x.numpy() for name, x in zip(names, tensors, strict=True)}
        found = [torch.from_numpy(answer) for answer in session.run(None, fed)]
        answers = [y.detach() for y in tree_leaves(mechanism(*inputs))]
        assert_close(found, answers, rtol=1e-4, atol=1e-5)


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
