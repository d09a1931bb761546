"""The library's own rooms: names, signatures, cards and costs."""

import re

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_lib import catalog, create, find
from attention_lib.cards.card import COSTS
from attention_lib.cards.notation import SYMBOLS
from attention_lib.cards.shape import (
    SignatureError,
    names_of,
    shaped,
    signature,
    tensors_of,
    wanted,
)
from attention_lib.channel import SqueezeExcitation
from attention_lib.dense import MultiHeadAttention
from attention_lib.measure.cost import measure


@pytest.mark.parametrize("name", ["se", "SE", "SqueezeExcitation", "squeezeexcitation", "senet"])
def test_a_mechanism_answers_to_its_names(name):
    made = create(name, channels=32, reduction=8)
    assert type(made) is SqueezeExcitation and made.squash.out_features == 4


@pytest.mark.parametrize(
    ("typed", "meant"), [("sqeeze", "SqueezeExcitation"), ("mhaa", "mha"), ("ecs", "eca")]
)
def test_an_unknown_name_suggests_the_nearest(typed, meant):
    with pytest.raises(ValueError, match=f"no mechanism '{typed}'; did you mean .*{meant}"):
        create(typed, channels=4)


def test_an_unknown_argument_names_the_accepted_ones():
    with pytest.raises(TypeError, match=r"'ratio'; it is SqueezeExcitation\(channels: int, redu"):
        create("se", channels=64, ratio=4)


def test_a_missing_argument_is_named():
    with pytest.raises(TypeError, match="missing a required argument: 'channels'"):
        create("se")


def test_an_unknown_family_names_the_families():
    with pytest.raises(ValueError, match="no family 'chanel'; there are dense, linear"):
        catalog("chanel")


class Pair(nn.Module):
    def __init__(self, dim=3):
        super().__init__()
        self.dim = dim
        self.weight = nn.Parameter(torch.ones(dim))

    @shaped
    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        other: Float[Tensor, "batch others dim"],
        keep: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        return x + other.mean(dim=1, keepdim=True)


def make(*shape):
    return torch.zeros(shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((make(2, 5), make(2, 7, 3)), r"Pair: x must be \(batch, tokens, dim=3\), got \(2, 5\)"),
        (
            (make(2, 5, 4), make(2, 7, 3)),
            r"x must be \(batch=2, tokens=5, dim=3\), got \(2, 5, 4\)",
        ),
        ((make(2, 5, 3), make(1, 7, 3)), r"other must be \(batch=2, others, dim=3\), got \(1, "),
        ((make(2, 0, 3), make(2, 7, 3)), r"x must be \(batch=2, tokens, dim=3\), got \(2, 0, 3\)"),
        ((make(2, 5, 3), make(2, 7, 3), make(2, 5)), "keep must be boolean, got torch.float32"),
        ((make(2, 5, 3).int(), make(2, 7, 3)), "x must be floating point, got torch.int32"),
        ((make(2, 5, 3).half(), make(2, 7, 3)), "x must be torch.float32 like the parameters, got"),
        (([1.0], make(2, 7, 3)), "x must be a tensor, got list"),
        ((make(2, 5, 3), make(2, 7, 3), make(2, 4) > 0), r"keep must be \(batch=2, tokens=5\), go"),
    ],
)
def test_what_does_not_fit_a_signature_is_named(arguments, message):
    with pytest.raises(SignatureError, match=message):
        Pair()(*arguments)


UNREADABLE = ("*batch", "_", "...", "{heads}", "a=3", "?a", "#a", "2.5", "a**2", "f(a)", "a%2")


class Stack(nn.Module):
    """Formulas of numbers that it holds (dim, stride) and of axes met (tokens)."""

    def __init__(self):
        super().__init__()
        self.dim, self.stride = 4, 2

    @shaped
    def forward(
        self,
        x: Float[Tensor, "batch dim//2 3"],
        longer: Float[Tensor, "tokens+dim ceil(tokens/stride)"] | None = None,
        ids: Int[Tensor, "batch tokens"] | None = None,
        state: tuple[Float[Tensor, "batch 2*dim"], tuple[Float[Tensor, "dim/2"]]] | None = None,
        half: Float[Tensor, "tokens/stride"] | None = None,
    ) -> tuple[Float[Tensor, "batch dim-1"], Float[Tensor, "batch"]]:
        return x


IDS = torch.zeros(2, 5, dtype=torch.int64)


def test_formulas_integers_and_tuples_fit():
    Stack()(make(2, 2, 3))
    Stack()(make(0, 2, 3), make(9, 3), IDS[:0])
    Stack()(make(2, 2, 3), ids=IDS.int(), longer=make(9, 3), state=(make(2, 8), (make(2),)))
    Stack()(make(2, 2, 3), ids=IDS[:, :4], half=make(2))
    assert signature(Stack.forward)["return"] == ("batch", "dim-1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(x=make(2, 2, 5)), r"x must be \(batch=2, dim//2=2, 3\), got \(2, 2, 5\)"),
        (dict(x=make(2, 3, 3)), r"x must be \(batch=2, dim//2=2, 3\), got \(2, 3, 3\)"),
        (
            dict(longer=make(9, 2)),
            r"must be \(tokens\+dim=9, ceil\(tokens/stride\)=3\), got \(9, 2",
        ),
        (dict(longer=make(10, 3)), r"longer must be \(tokens\+dim=9, ceil"),
        (dict(half=make(2)), r"half must be \(tokens/stride\), got \(2,\)"),
        (dict(x=None), "x must be a tensor, got NoneType"),
        (dict(ids=make(2, 5)), "ids must be integer, got torch.float32"),
        (dict(ids=IDS > 0), "ids must be integer, got torch.bool"),
        (dict(ids=IDS[:1]), r"ids must be \(batch=2, tokens\), got \(1, 5\)"),
        (dict(state=make(2, 8)), "state must be a tuple of 2, got Tensor"),
        (dict(state=(make(2, 8),)), "state must be a tuple of 2, got 1"),
        (dict(state=(make(2, 7), (make(2),))), r"state\[0\] must be \(batch=2, 2\*dim=8\), got"),
        (dict(state=(make(2, 8), (make(3),))), r"state\[1\]\[0\] must be \(dim/2=2\), got \(3,\)"),
    ],
)
def test_what_does_not_fit_a_formula_is_named(arguments, message):
    with pytest.raises(SignatureError, match=message):
        Stack()(**dict(x=make(2, 2, 3), ids=IDS) | arguments)


class Laid(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.dim, self.scale = dim, nn.Parameter(torch.ones(dim))

    @shaped
    def forward(
        self, x: Float[Tensor, "batch dim"], rows: int, mask: Bool[Tensor, "batch"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        return self.scale * x


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(x=make(2, 4).to_sparse()), "x must be dense, got torch.sparse_coo"),
        (
            dict(x=torch.nested.nested_tensor([make(4)], layout=torch.jagged)),
            "x must be dense, got ne",
        ),
        (dict(x=make(2, 4).cfloat()), "x must be floating point, got torch.complex64"),
        (dict(x=make(2, 4).to(torch.float8_e5m2)), "x must be floating point, got torch.float8"),
        (dict(x=make(2, 4).to("meta")), "x must be on cpu like the parameters, got meta"),
        (dict(mask=IDS.to("meta")[:, 0] > 0), "mask must be on cpu like the parameters, got meta"),
        (dict(rows="3"), "rows must be an integer, got str"),
        (dict(rows=3.0), "rows must be an integer, got float"),
        (dict(rows=True), "rows must be an integer, got bool"),
        (dict(rows=None), "rows must be an integer, got NoneType"),
    ],
)
def test_other_layouts_devices_and_numbers_are_named(arguments, message):
    with pytest.raises(SignatureError, match=f"^Laid: {message}"):
        Laid(4)(**dict(x=make(2, 4), rows=3) | arguments)


def test_numpys_integers_are_numbers_in_inputs_and_on_the_module():
    laid = Laid(np.int64(4))
    assert laid(make(2, 4), np.int32(3)).shape == (2, 4)
    with pytest.raises(SignatureError, match=r"^Laid: x must be \(batch=2, dim=4\), got \(2, 5\)"):
        laid(make(2, 5), 3)


def test_a_name_that_nothing_measures_is_an_error():
    with pytest.raises(TypeError, match="Stack: longer holds no number tokens, which 'tokens"):
        Stack()(make(2, 2, 3), make(9, 3))


@pytest.mark.parametrize(
    ("note", "message"),
    [
        *((Float[Tensor, f"dim {axis}"], f"the axis '{re.escape(axis)}'") for axis in UNREADABLE),
        (Float[Tensor, "dim"] | Float[Tensor, "batch dim"], "choose between"),
        (list[Float[Tensor, "dim"]], "cannot read list"),
        (tuple[Float[Tensor, "dim"], ...], "cannot read tuple"),
        (tuple[Float[Tensor, "dim"], int], "cannot read tuple"),
        ('Float[Tensor, "dim"]', "the annotation of x is a string"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_is_defined(note, message):
    def forward(self, x):
        return x

    forward.__annotations__ = dict(x=note)
    with pytest.raises(TypeError, match=message) as raised:
        shaped(forward)
    assert "forward" in str(raised.value) and " x" in str(raised.value)


def test_formulas_survive_the_compiler_and_an_export():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.dim, self.stride = 4, 2

        @shaped
        def forward(
            self,
            x: Float[Tensor, "batch dim//2 height 3"],
            other: Float[Tensor, "batch ceil(height/stride)"],
            state: tuple[Float[Tensor, "batch dim"], Float[Tensor, "2*dim"]] | None = None,
        ) -> Float[Tensor, "batch 3"]:
            return x.sum(dim=(1, 2)) + other.sum(dim=1)[:, None]

    given = (make(2, 2, 7, 3), make(2, 4), (make(2, 4), make(8)))
    assert torch.compile(Halves(), backend="eager", fullgraph=True)(*given).shape == (2, 3)
    torch._dynamo.reset()
    with pytest.raises(SignatureError, match=r"other must be"):
        torch.compile(Halves(), backend="eager", fullgraph=False)(given[0], make(2, 3))
    free = ({0: torch.export.Dim.DYNAMIC}, {0: torch.export.Dim.DYNAMIC}, None)
    given = (*given[:2], None)
    program = torch.export.export(Halves(), given, dynamic_shapes=free, strict=False)
    assert program.module()(make(5, 2, 7, 3), make(5, 4), None).shape == (5, 3)


def test_arguments_are_checked_by_keyword_too():
    with pytest.raises(SignatureError, match="other must be"):
        Pair()(make(2, 5, 3), other=make(2, 7, 4))


def test_an_empty_batch_fits_and_so_does_autocast():
    assert Pair()(make(0, 5, 3), make(0, 7, 3)).shape == (0, 5, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Pair()(make(2, 5, 3).bfloat16(), make(2, 7, 3)).shape == (2, 5, 3)


def test_a_cost_is_counted_without_computing():
    """A million tokens: the pairs alone would fill terabytes."""
    cost = measure(MultiHeadAttention(64), torch.empty(1, 1_000_000, 64, device="meta"))
    assert cost.macs == 4 * 10**6 * 64**2 + 2 * 10**12 * 64


def test_counting_leaves_the_module_alone():
    mechanism = SqueezeExcitation(8, reduction=2).train()
    before = {name: tensor.clone() for name, tensor in mechanism.state_dict().items()}
    measure(mechanism, torch.randn(1, 8, 3, 3))
    assert mechanism.training
    assert all(torch.equal(before[n], t) for n, t in mechanism.state_dict().items())
    assert all(p.device.type == "cpu" for p in mechanism.parameters())


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_word_of_a_card_has_a_letter(card):
    formulas = [card.expression(kind) for kind in COSTS]
    words = {w for f in formulas for s in f.free_symbols if (w := str(s).partition("[")[0]) != "i"}
    notes = [
        tensor for note in wanted(card.mechanism.forward).values() for tensor in tensors_of(note)
    ]
    words |= {word for note in notes for axis in note.sizes for word in names_of(axis)}
    assert words <= set(SYMBOLS), words - set(SYMBOLS)


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_a_card_is_complete(card):
    assert card.params and card.macs and card.memory, "costs are formulas"
    assert card.aliases and card.rejects and card.title and card.summary.endswith(".")
    assert find(card.aliases[0]) is card


def test_a_formula_that_is_no_whole_number_is_refused():
    from dataclasses import replace

    card = replace(find("se"), params="channels / 7")
    with pytest.raises(ValueError, match="params = channels / 7 came to 16/7"):
        card.cost("params")


def test_a_formula_is_typeset_in_the_letters_of_the_notation():
    assert find("mha").typeset("macs") == "2 N^{2} d + 4 N d^{2}"
    assert r"\sum_{i=0}^{S - 1}" in find("epsa").typeset("macs")


LOOKS = [
    (card, name)
    for card in catalog()
    for name in ("weights", "gate")
    if hasattr(card.mechanism, name)
]


@pytest.mark.parametrize(("card", "name"), LOOKS, ids=lambda value: str(value))
def test_what_is_looked_at_stays_finite(card, name):
    """In float16 as well, which ends at 65504, for numbers of a thousand."""
    mechanism, inputs = card.build().eval().half(), card.inputs(torch.float16)
    given = [1000 * x if torch.is_tensor(x) and x.is_floating_point() else x for x in inputs]
    with torch.no_grad():
        seen = getattr(mechanism, name)(*given)
    assert seen.dtype == torch.float16 and seen.isfinite().all()
