"""What only axial attention promises: one axis at a time, in turn."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.dense import MultiHeadAttention
from attention_lib.sparse import AxialAttention

X = torch.randn(2, 18, 7, 5, dtype=torch.float64)


def axial(**arguments):
    return randomize(AxialAttention(18, heads=3, **arguments)).double()


def line(attention, layer):
    """Plain attention with the weights of one layer."""
    plain = MultiHeadAttention(18, heads=3).double()
    query, other = attention.query_key_value[layer].weight.tensor_split([18])
    plain.query.weight.data, plain.key_value.weight.data = query, other
    plain.out = attention.out[layer]
    return plain


def test_defaults_are_the_papers():
    attention = AxialAttention(2048)
    assert attention.heads == 16 and attention.axes == (-1, -2)
    assert not [name for name, _ in attention.named_parameters() if "bias" in name]
    assert AxialAttention(16, bias=True).out[1].bias is not None


def test_every_row_is_a_sequence_of_its_own_and_so_is_every_column():
    wide, high = axial(axes=(-1,)), axial(axes=(-2,))
    for i in range(7):
        assert_close(wide(X)[:, :, i].mT, line(wide, 0)(X[:, :, i].mT))
    for j in range(5):
        assert_close(high(X)[..., j].mT, line(high, 0)(X[..., j].mT))


def test_layers_follow_one_another_in_the_order_given():
    attention = axial(axes=[-2, -1])
    assert attention.axes == (-2, -1)
    columns = torch.stack([line(attention, 0)(column.mT).mT for column in X.unbind(-1)], -1)
    rows = torch.stack([line(attention, 1)(row.mT).mT for row in columns.unbind(-2)], -2)
    assert_close(attention(X), rows)


def test_one_layer_sees_a_line_and_two_see_the_map():
    for axes, seen in [((-1,), (1, 5)), ((-2,), (7, 1)), ((-1, -2), (7, 5)), ((-2, -1), (7, 5))]:
        x = X.clone().requires_grad_()
        [grad] = torch.autograd.grad(axial(axes=axes)(x)[0, :, 3, 2].sum(), x)
        rows, columns = grad[0].abs().sum(0).nonzero().T
        assert (len(rows.unique()), len(columns.unique())) == seen
        assert not grad[1].any()


def test_it_trains_when_the_input_needs_no_gradient():
    attention = axial()
    assert not X.requires_grad
    attention(X).square().sum().backward()
    assert all(p.grad.any() for p in attention.parameters())


def test_a_single_channel_and_a_single_head_are_enough():
    tiny = randomize(AxialAttention(1, heads=1)).double()
    one = torch.ones(2, 1, 7, 5, dtype=torch.float64)
    scale = tiny.query_key_value[0].weight[2] * tiny.out[0].weight
    scale = scale * tiny.query_key_value[1].weight[2] * tiny.out[1].weight
    assert_close(tiny(one), one * scale)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(heads=5), "channels=18 must be a multiple of heads=5"),
        (dict(heads=0), "heads=0 must be at least 1"),
        (dict(heads=3, axes=()), r"axes=\(\) must be -1, the width, or -2, the height"),
        (dict(heads=3, axes=(-1, 0)), r"axes=\(-1, 0\) must be -1, the width, or -2, the height"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        AxialAttention(18, **arguments)


def test_no_channels_are_refused_by_name():
    with pytest.raises(ValueError, match="channels=0 must be at least 1"):
        AxialAttention(0)
