"""What only long short distance attention promises: who is in whose group."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.sparse import LongShortDistanceAttention
from tests.support.proof import largest_tensor


def groups(attention, height, width):
    """At [p, q], whether the answer at place p depends on the input at place q."""
    x = torch.randn(1, attention.channels, height, width, dtype=torch.float64)
    y = attention(x)
    seen = torch.zeros(height * width, height * width, dtype=torch.bool)
    for place in range(height * width):
        changed = x.clone()
        changed.flatten(-2)[..., place] += 1
        seen[:, place] = (attention(changed) != y).any(dim=1).flatten()
    return seen


def made(**arguments):
    return randomize(LongShortDistanceAttention(24, heads=3, **arguments)).double()


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (13, 4), (1, 8)])
def test_a_place_sees_its_group_and_nobody_else(interval, height, width):
    attention, block = made(group_size=2, interval=interval), 2 * interval
    row, column = (at.flatten() for at in torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing="ij"
    ))  # fmt: skip
    names = torch.stack([row // block, column // block, row % interval, column % interval])
    together = (names[:, :, None] == names[:, None, :]).all(dim=0)
    assert torch.equal(groups(attention, height, width), together)


def test_a_long_distance_group_spans_the_papers_map():
    """S = GI: every I-th row and column, from the first edge to the last."""
    seen = groups(made(group_size=3, interval=2), 6, 6)[0].view(6, 6)
    assert torch.equal(seen.nonzero()[:, 0].unique(), torch.tensor([0, 2, 4]))
    assert torch.equal(seen.nonzero()[:, 1].unique(), torch.tensor([0, 2, 4]))


def test_an_interval_of_one_is_a_window():
    seen = groups(made(group_size=3), 6, 9)[10].view(6, 9)
    assert seen[:3, :3].all() and seen.sum() == 9


def test_a_group_larger_than_the_map_changes_nothing():
    """What lies beyond the edge weighs nothing, however much of it there is."""
    fits, larger = made(group_size=7), made(group_size=9)
    x = torch.randn(2, 24, 5, 7, dtype=torch.float64)
    assert_close(larger(x), fits(x))


def test_a_group_of_nobody_does_no_harm():
    attention = made(group_size=2, interval=3)
    x = torch.randn(2, 24, 1, 1, dtype=torch.float64, requires_grad=True)
    attention(x).sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in attention.parameters())
    assert_close(attention.weights(x).sum(dim=-1), torch.ones(2, 9, 3, 4).double())


def test_weights_are_those_that_forward_uses():
    attention = made(group_size=2, interval=2)
    x = torch.randn(2, 24, 4, 8, dtype=torch.float64)
    weights = attention.weights(x)
    assert_close(weights.sum(dim=-1), torch.ones(2, 8, 3, 4).double())
    second = x[..., 0::2, 1:4:2].flatten(-2).mT  # residues 0, 1, block 0
    value = attention.query_key_value(second).chunk(3, dim=-1)[2].unflatten(-1, (3, 8))
    gathered = attention.out((weights[:, 1] @ value.transpose(1, 2)).transpose(1, 2).flatten(2))
    assert_close(attention(x)[..., 0::2, 1:4:2], gathered.mT.reshape(2, 24, 2, 2))


def test_a_margin_of_nothing_changes_nothing():
    """Blocks that fill the map are computed in another way than those that do not."""
    attention = made(group_size=2, interval=3, bias=True)
    x = torch.randn(2, 24, 6, 12, dtype=torch.float64, requires_grad=True)
    both = attention(x), attention._with_margin(x)
    assert_close(*both)
    read = (x, *attention.parameters())
    assert_close(*(torch.autograd.grad(y.square().sum(), read) for y in both))


def test_groups_that_fill_the_map_share_the_bias():
    numbers = dict(channels=12, heads=3, group_size=5, interval=2, batch=1)
    filled, _ = largest_tensor("LongShortDistanceAttention", **numbers, height=20, width=20)
    assert filled == 3 * 12 * 20 * 20  # a bias for each group would have 3 * 5**2 for each place


def test_weights_of_places_that_are_not_there_are_zero():
    attention = made(group_size=2)
    weights = attention.weights(torch.randn(2, 24, 3, 5, dtype=torch.float64))
    there = torch.tensor([True, False, False, False])
    assert weights[:, -1, :, 0, ~there].eq(0).all() and weights[:, -1, :, 0, 0].eq(1).all()


def test_the_bias_depends_on_the_steps_from_query_to_key():
    attention = made(group_size=3)
    with torch.no_grad():
        attention.query_key_value.weight.zero_()  # the bias alone is left
    logits = attention.weights(torch.randn(2, 24, 3, 3, dtype=torch.float64))[0, 0].log()
    for steps, p, q in [((1, 0), 4, 1), ((-2, 1), 1, 6), ((0, -1), 3, 4)]:
        bias = attention.position_bias(torch.tensor([[0.0, 0.0], steps]).double())
        assert_close(logits[:, p, q] - logits[:, p, p], bias[1] - bias[0])


def test_the_bias_of_an_interval_counts_steps_of_the_group():
    x = torch.randn(2, 24, 6, 6, dtype=torch.float64)
    long, short = made(group_size=3, interval=2), made(group_size=3)
    assert_close(long(x)[..., 0::2, 1::2], short(x[..., 0::2, 1::2]))


def test_defaults_are_those_of_the_papers_first_stage():
    attention = LongShortDistanceAttention(64)
    assert (attention.heads, attention.group_size, attention.interval) == (2, 7, 1)
    assert attention.hidden == 64 // 4
    assert LongShortDistanceAttention(4, heads=1).hidden == 2
    assert LongShortDistanceAttention(64, hidden=64 // 16).hidden == 4


def test_a_bias_has_no_needless_parameter():
    attention = LongShortDistanceAttention(8)
    assert attention.position_bias[-1].bias is None and attention.query_key_value.bias is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(heads=5), "channels=12 must be a multiple of heads=5"),
        (dict(heads=0), "heads=0 must be at least 1"),
        (dict(group_size=0), "group_size=0 must be at least 1"),
        (dict(interval=-1), "interval=-1 must be at least 1"),
        (dict(hidden=1), "hidden=1 must be at least 2"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        LongShortDistanceAttention(12, **arguments)


@pytest.mark.parametrize(
    ("batch", "channels", "biases_are_more"), [(1, 12, True), (5, 12, False), (2, 48, False)]
)
def test_the_largest_tensor_is_declared_whichever_it_is(batch, channels, biases_are_more):
    """The biases of all groups, which samples share, or queries, keys and values."""
    numbers = dict(channels=channels, heads=3, group_size=5, interval=2, height=23, width=11)
    counted, declared = largest_tensor("LongShortDistanceAttention", batch=batch, **numbers)
    assert (3 * channels * batch < 3 * 5**2) == biases_are_more
    assert counted == declared
