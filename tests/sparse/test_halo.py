"""What only halo attention promises: blocks, halos, offsets, and a mask of what is beyond."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.dense import MultiHeadAttention
from attention_lib.sparse import HaloAttention

X = torch.randn(2, 18, 7, 5, dtype=torch.float64)


def halo(**arguments):
    sizes = dict(heads=3, block_size=3, halo_size=1) | arguments
    return randomize(HaloAttention(18, **sizes)).double()


def without_offsets(**arguments):
    attention = halo(**arguments)
    torch.nn.init.zeros_(attention.rows)
    torch.nn.init.zeros_(attention.columns)
    return attention


def test_defaults_are_the_papers():
    attention = HaloAttention(256)
    assert (attention.heads, attention.block_size, attention.halo_size) == (8, 8, 3)
    assert attention.query_key_value.bias is None
    assert attention.rows.shape == attention.columns.shape == (2 * (8 + 3) - 1, 32)


def test_offsets_start_as_small_as_keys_of_a_head():
    torch.manual_seed(0)
    attention = HaloAttention(1024, heads=4)
    for table in (attention.rows, attention.columns):
        assert_close(table.std().item(), 256**-0.5, rtol=0.05, atol=0)
        assert abs(table.mean()) < 256**-0.5 / 10


def test_the_mask_is_made_where_the_map_is():
    attention = halo().to("meta")
    assert attention(X.to("meta")).is_meta and attention.weights(X.to("meta")).is_meta


def test_a_block_as_large_as_the_map_is_plain_attention():
    """Then all that the halo adds is masked, and so is what fills the block up."""
    attention = without_offsets(block_size=8, halo_size=3)
    plain = MultiHeadAttention(18, heads=3).double()
    query, other = attention.query_key_value.weight.tensor_split([18])
    plain.query.weight.data, plain.key_value.weight.data = query, other
    torch.nn.init.eye_(plain.out.weight)
    assert_close(attention(X).flatten(2).mT, plain(X.flatten(2).mT))


@pytest.mark.parametrize(
    ("pixel", "rows", "columns"),
    [((0, 0), (0, 4), (0, 4)), ((4, 1), (2, 7), (0, 4)), ((6, 4), (5, 7), (2, 5))],
)
def test_a_pixel_sees_its_block_and_the_halo_and_nothing_beyond(pixel, rows, columns):
    x = X.clone().requires_grad_()
    [grad] = torch.autograd.grad(halo()(x)[0, :, *pixel].sum(), x)
    expected = torch.zeros(7, 5, dtype=torch.bool)
    expected[slice(*rows), slice(*columns)] = True
    assert torch.equal(grad[0].abs().sum(0) > 0, expected)
    assert not grad[1].any()


def test_what_is_beyond_the_map_has_no_weight():
    weights = halo().weights(X)
    assert weights.shape == (2, 3, 2, 3, 9, 25)
    real = torch.zeros(9 + 2, 6 + 2, dtype=torch.bool)  # the map in blocks, and the halo round it
    real[1:8, 1:6] = True
    seen = real.unfold(0, 5, 3).unfold(1, 5, 3).flatten(-2)[:, :, None, None].expand_as(weights)
    assert torch.equal(weights > 0, seen)
    assert_close(weights.sum(-1), torch.ones(2, 3, 2, 3, 9).double())


def test_every_query_has_a_gradient():
    """With the mask upside down none had: a softmax of what is beyond gives zeros."""
    attention = halo()
    x = X.clone().requires_grad_()
    attention(x).square().sum().backward()
    query = attention.query_key_value.weight.grad[:18]
    assert (query.abs().sum(1) > 0).all() and (x.grad.abs().sum(1) > 0).all()


def test_rows_and_columns_have_offsets_of_their_own():
    """The logits of a pixel differ from those without offsets by what these add."""
    attention, plain = halo(), without_offsets()
    plain.query_key_value = attention.query_key_value
    query = attention.query_key_value(X[:, :, 4, 1])[:, :18].view(2, 3, 6)  # block 1, 0; place 1, 1
    ratio = attention.weights(X)[:, 1, 0, :, 4] / plain.weights(X)[:, 1, 0, :, 4]
    ratio = ratio.log().unflatten(-1, (5, 5))  # the block's neighbourhood; its place 2, 2 is itself
    own = 3 + 1 - 1
    down = (query * (attention.rows[own + 2] - attention.rows[own])).sum(-1) / 6**0.5
    assert_close(ratio[..., 4, 2] - ratio[..., 2, 2], down)
    right = (query * (attention.columns[own + 2] - attention.columns[own])).sum(-1) / 6**0.5
    assert_close(ratio[..., 2, 4] - ratio[..., 2, 2], right)


def test_all_offsets_are_reached():
    attention = halo()
    attention(torch.randn(1, 18, 9, 9).double()).square().sum().backward()
    for table in (attention.rows, attention.columns):
        assert (table.grad.abs().sum(1) > 0).all()


def test_blocks_without_a_halo_do_not_meet():
    attention = halo(halo_size=0)
    assert_close(attention(X)[:, :, 3:6, 3:], attention(X[:, :, 3:6, 3:]))


def test_shifted_by_a_block_the_inside_of_a_map_is_shifted_alike():
    x = torch.randn(2, 18, 15, 15, dtype=torch.float64)
    attention = halo()
    rolled = attention(x.roll((3, 6), dims=(-2, -1)))
    assert_close(rolled[..., 6:12, 9:12], attention(x)[..., 3:9, 3:6])


def test_weights_are_those_that_forward_uses():
    attention = halo(block_size=7, halo_size=0)
    value = attention.query_key_value(X.movedim(1, -1))[..., 36:].unflatten(-1, (3, 6))
    seen = attention.weights(X)[:, 0, 0].unflatten(-1, (7, 7))[..., :5]
    y = torch.einsum("bhnij,bijhd->bhdn", seen, value).flatten(1, 2).unflatten(-1, (7, 7))[..., :5]
    assert_close(attention(X), y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(channels=18, heads=4), "channels=18 must be a multiple of heads=4"),
        (dict(channels=0), "channels=0 must be at least 1"),
        (dict(channels=16, heads=0), "heads=0 must be at least 1"),
        (dict(channels=16, block_size=0), "block_size=0 must be at least 1"),
        (dict(channels=16, halo_size=-1), "halo_size=-1 must be at least 0"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        HaloAttention(**arguments)


def test_a_single_channel_head_and_pixel_are_enough():
    tiny = HaloAttention(1, heads=1, block_size=1, halo_size=0)
    x = torch.randn(2, 1, 3, 4)
    assert_close(tiny(x), x * tiny.query_key_value.weight[2])
