"""What only criss-cross attention promises: one softmax over a cross, again and again."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.sparse import CrissCrossAttention

X = torch.randn(2, 16, 7, 5, dtype=torch.float64)


def criss_cross(**arguments):
    return randomize(CrissCrossAttention(16, **arguments)).double()


def test_defaults_are_the_papers():
    attention = CrissCrossAttention(512)
    assert attention.query.out_channels == attention.key.out_channels == 64
    assert attention.recurrence == 2


def test_it_starts_as_the_identity():
    assert torch.equal(CrissCrossAttention(16).double()(X), X)


def test_the_weights_of_a_cross_sum_to_one():
    assert_close(criss_cross().weights(X).sum(-1), torch.ones(2, 7, 5).double())


def test_the_pixel_itself_counts_once():
    """With equal logits, each of the H + W - 1 pixels of the cross has the same weight."""
    attention = CrissCrossAttention(16).double()
    torch.nn.init.zeros_(attention.key.weight)
    columns, rows = attention.weights(X).split([7, 5], dim=-1)
    itself = torch.eye(7, dtype=torch.bool)[:, None].expand(2, 7, 5, 7)
    assert not columns[itself].any()
    assert_close(columns[~itself], torch.full((2 * 7 * 5 * 6,), 1 / 11, dtype=torch.float64))
    assert_close(rows, torch.full((2, 7, 5, 5), 1 / 11, dtype=torch.float64))


def test_the_logits_are_products_of_queries_and_keys_without_a_scale():
    attention = criss_cross(reduction=5)  # three channels
    query, key = attention.query(X), attention.key(X)
    logits = attention.weights(X).log()
    for j in range(5):  # within the first row, logits differ as the products do
        product = (query[:, :, 0, 2] * key[:, :, 0, j]).sum(1)
        other = (query[:, :, 0, 2] * key[:, :, 4, 2]).sum(1)
        assert_close(logits[:, 0, 2, 7 + j] - logits[:, 0, 2, 4], product - other)


def test_one_pass_sees_a_cross_and_two_see_the_map():
    for recurrence, seen in [(1, 7 + 5 - 1), (2, 7 * 5)]:
        x = X.clone().requires_grad_()
        [grad] = torch.autograd.grad(criss_cross(recurrence=recurrence)(x)[0, :, 3, 2].sum(), x)
        assert grad[0].abs().sum(0).count_nonzero() == seen
        assert not grad[1].any()


def test_each_pass_uses_the_same_weights():
    twice, once = criss_cross(), criss_cross(recurrence=1)
    once.load_state_dict(twice.state_dict())
    assert_close(twice(X), once(once(X)))


def test_weights_are_those_that_forward_uses():
    attention = criss_cross(recurrence=1)
    weights, value = attention.weights(X), attention.value(X)
    columns = torch.einsum("bhwi,bciw->bchw", weights[..., :7], value)
    rows = torch.einsum("bhwj,bchj->bchw", weights[..., 7:], value)
    assert_close(attention(X), X + attention.scale * (columns + rows))


@pytest.mark.parametrize("size", [(1, 5), (7, 1), (1, 1)])
def test_a_single_row_or_column_has_finite_gradients(size):
    attention = criss_cross()
    x = torch.randn(2, 16, *size, dtype=torch.float64, requires_grad=True)
    attention(x).square().sum().backward()
    assert all(t.grad.isfinite().all() for t in (x, *attention.parameters()))
    assert_close(attention.weights(x).sum(-1), torch.ones(2, *size).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_mask_has_the_place_and_the_type_of_the_input(dtype):
    attention = criss_cross().to(dtype)
    assert attention.weights(X.to(dtype)).dtype == dtype
    weights = attention.to("meta").weights(X.to("meta", dtype))
    assert weights.is_meta and weights.dtype == dtype


def test_equal_pixels_stay_equal_where_products_pass_the_largest_number_of_float16():
    """Then the weights are equal too; logits of infinity would make them nan."""
    attention = criss_cross(recurrence=1).half()
    x = (1000 * X[:, :, :1, :1]).expand_as(X).half()
    assert_close(attention.weights(x).sum(-1), torch.ones(2, 7, 5).half())
    assert attention(x).isfinite().all()


def test_products_do_not_overflow_where_autocast_would_have_them_in_float16():
    attention = criss_cross(recurrence=1).float()
    x = (1000 * X[:, :, :1, :1]).expand_as(X).float()
    with torch.autocast("cpu", dtype=torch.float16):
        assert_close(attention.weights(x).sum(-1), torch.ones(2, 7, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(channels=7), "reduction=8 must be between 1 and channels=7"),
        (dict(channels=16, reduction=0), "reduction=0 must be between 1 and channels=16"),
        (dict(channels=16, recurrence=0), "recurrence=0 must be at least 1"),
        (dict(channels=16, recurrence=-1), "recurrence=-1 must be at least 1"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        CrissCrossAttention(**arguments)


def test_a_single_channel_for_the_queries_is_enough():
    assert CrissCrossAttention(8).query.out_channels == 1
    assert CrissCrossAttention(1, reduction=1)(torch.ones(1, 1, 2, 3)).shape == (1, 1, 2, 3)
