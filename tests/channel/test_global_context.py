"""What only global context promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.cards import properties
from attention_lib.channel import GlobalContext
from attention_lib.checks import randomize
from attention_lib.measure.timing import peak_memory


def ready(channels=12, reduction=3, multiply=False):
    return randomize(GlobalContext(channels, reduction, multiply)).double()


def maps(channels=12):
    return torch.randn(2, channels, 5, 7, dtype=torch.float64)


def test_defaults_are_the_papers():
    context = GlobalContext(240)
    assert context.squash.out_features == 15 and not context.multiply


def test_at_first_nothing_is_added():
    x = torch.randn(2, 12, 5, 7)
    assert torch.equal(GlobalContext(12, reduction=3)(x), x)


def test_at_first_all_gates_are_half():
    x = torch.randn(2, 12, 5, 7)
    assert torch.equal(GlobalContext(12, reduction=3, multiply=True)(x), x / 2)


def test_what_is_added_is_the_same_at_every_position():
    x = maps()
    added = ready()(x) - x
    assert_close(added, added[..., :1, :1].expand_as(x))
    assert added.abs().min() > 0


def test_both_forms_have_the_same_parts():
    """Weights of the one fit the other, and what the one adds are the logits of the other."""
    adding, scaling = ready(), ready(multiply=True)
    scaling.load_state_dict(adding.state_dict())
    x = maps()
    assert_close(scaling(x), (adding(x) - x).sigmoid() * x)


def test_scaling_only_attenuates_and_adding_does_not():
    assert properties.only_attenuates(ready(multiply=True), maps()) == 0
    assert properties.only_attenuates(ready(), maps()) > 0


def test_the_weights_sum_to_one_and_follow_the_query():
    context, x = ready(), maps()
    weights = context.weights(x)
    assert weights.min() > 0
    assert_close(weights.sum(dim=(-2, -1)), torch.ones(2, dtype=torch.float64))
    assert_close(weights.log().diff(dim=-1), context.query(x).squeeze(1).diff())


def test_the_context_is_what_lies_where_the_query_points():
    """One position far along the query: the block answers as if the map were that alone."""
    context, x = ready(), maps()
    x[..., 3, 4] = 1e3 * context.query.weight[0, :, 0, 0]
    alone = x[..., 3:4, 4:5]
    assert_close((context(x) - x)[..., :1, :1], context(alone) - alone)


@pytest.mark.parametrize("reduction", [12, 7])
def test_with_one_unit_in_the_middle_the_map_is_not_read(reduction):
    context = ready(reduction=reduction)
    assert context.squash.out_features == 1
    first, second = maps(), maps()
    assert_close(context(first) - first, context(second) - second)


def test_the_middle_may_be_as_wide_as_the_map():
    assert GlobalContext(8, reduction=1).squash.out_features == 8


@pytest.mark.parametrize("multiply", [False, True])
def test_no_second_map_is_stored(multiply):
    context, x = GlobalContext(32, multiply=multiply), torch.randn(1, 32, 64, 64)
    with torch.no_grad():
        assert peak_memory(lambda: context(x)) < 1.2 * x.nbytes
