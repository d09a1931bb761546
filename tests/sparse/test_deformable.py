"""What only deformable attention promises: where it reads."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.sparse import DeformableAttention
from tests.support.proof import largest_tensor


def made(**arguments):
    arguments = (
        dict(channels=4, heads=2, groups=2, kernel_size=3, table_height=7, table_width=5)
        | arguments
    )
    return randomize(DeformableAttention(**arguments)).double()


def moved(row, column, **arguments):
    """One group whose points all move this far, as shares of the offset's range."""
    attention = made(channels=2, heads=1, groups=1, offset_range=1.0, **arguments)
    with torch.no_grad():
        attention.norm.weight.zero_()  # every place looks alike
        attention.norm.bias.copy_(torch.tensor([1.0, 0.0]))
        around = torch.nn.functional.gelu(attention.norm.bias)[0]
        attention.offset.weight[:, 0] = torch.tensor([row, column]).double().atanh() / around
        attention.position_bias.zero_()
        attention.query.weight.zero_()  # all keys weigh alike: the answer is a mean of values
        attention.key_value.weight.copy_(torch.eye(2).double().repeat(2, 1))
        attention.out.weight.copy_(torch.eye(2).double()[..., None, None])
    return attention


X = torch.randn(2, 4, 7, 5, dtype=torch.float64)


def test_unmoved_points_of_stride_one_are_the_pixels():
    x = torch.randn(2, 2, 7, 5, dtype=torch.float64)
    attention = moved(0.0, 0.0, stride=1)
    row, column = attention.points(x)[0, 0].unbind(-1)
    assert_close(row, torch.linspace(-1, 1, 7, dtype=torch.float64)[:, None].expand(7, 5))
    assert_close(column, torch.linspace(-1, 1, 5, dtype=torch.float64).expand(7, 5))
    assert_close(attention(x), x.mean(dim=(-2, -1), keepdim=True).expand_as(x))


def test_a_grid_reaches_from_edge_to_edge():
    attention = moved(0.0, 0.0, stride=3)
    points = attention.points(torch.randn(2, 2, 8, 5, dtype=torch.float64))[1, 0]
    assert_close(points[:, 0, 0], torch.tensor([-1.0, 0.0, 1.0]).double())
    assert_close(points[0, :, 1], torch.tensor([-1.0, 1.0]).double())
    [[[point]]] = moved(0.0, 0.0, stride=9).points(torch.randn(1, 2, 8, 5).double())[0]
    assert_close(point, torch.zeros(2).double())


def test_rows_and_columns_are_not_swapped():
    """A map that grows downwards is read higher if the points move down, and not if aside."""
    downwards = torch.arange(7.0).double()[:, None].expand(2, 2, 7, 5)
    middle = torch.full((2, 2, 7, 5), 3.0).double()
    stride = dict(stride=9)  # one point, in the middle
    assert_close(moved(0.0, 0.5, **stride)(downwards), middle)
    assert_close(moved(0.5, 0.0, **stride)(downwards), middle + 0.5 * 3)
    assert_close(moved(-0.5, 0.0, **stride)(downwards), middle - 0.5 * 3)
    aside = torch.arange(5.0).double().expand(2, 2, 7, 5)
    assert_close(moved(0.0, 0.5, **stride)(aside), middle - 1 + 0.5 * 2)


def test_an_offset_is_at_most_its_range_by_the_size_of_the_grid():
    attention = made(offset_range=3.0)
    with torch.no_grad():
        attention.offset.weight.mul_(1e6)
    reference = made(offset_range=1e-9).points(X)
    moves = (attention.points(X) - reference).abs()
    assert_close(moves, (torch.tensor([3 / 4, 3 / 3]).double()).expand_as(moves))


def test_gradients_reach_the_offsets_through_what_is_read():
    attention = made()
    with torch.no_grad():
        attention.position_bias.zero_()
    attention(X).square().sum().backward()
    for layer in (attention.offset, attention.gather, attention.norm):
        assert layer.weight.grad.any()


def test_each_group_moves_its_points_by_its_own_queries():
    attention = made()
    with torch.no_grad():
        attention.query.weight[2:] = 0
    changed = X.clone()
    changed[:, 0] += 1
    before, after = attention.points(X), attention.points(changed)
    assert (before[:, 0] != after[:, 0]).any() and torch.equal(before[:, 1], after[:, 1])


def test_the_bias_of_a_head_follows_the_points_of_its_group():
    attention = made(heads=4)
    with torch.no_grad():
        attention.query.weight[2:] = 0  # the points of the second group stay where they are
        attention.key_value.weight[:4] = 0  # the bias alone decides
        attention.key_value.weight[4:, :2] = 0  # on values that the second group reads
        attention.out.weight.copy_(torch.eye(4).double()[..., None, None])
    changed = X.clone()
    changed[:, 0] += 1  # moves the points of the first group
    before, after = attention(X), attention(changed)
    assert_close(before[:, 2:], after[:, 2:])
    assert (before[:, :2] - after[:, :2]).abs().amax(dim=(0, 2, 3)).min() > 1e-3


def test_a_table_for_this_map_has_an_entry_for_every_step():
    attention = made(channels=2, heads=1, groups=1, stride=1, offset_range=1e-12)
    with torch.no_grad():
        attention.key_value.weight[:2].zero_()  # the bias alone decides
        attention.key_value.weight[2:].copy_(torch.eye(2))
        attention.out.weight.copy_(torch.eye(2).double()[..., None, None])
    x = torch.randn(2, 2, 7, 5, dtype=torch.float64)
    row, column = torch.arange(7), torch.arange(5)
    table = attention.position_bias[0]
    for i, j in [(0, 0), (6, 1), (3, 4)]:
        bias = table[(i - row + 6)[:, None], j - column + 4]
        weights = bias.flatten().softmax(dim=0).view(7, 5)
        assert_close(attention(x)[..., i, j], (weights * x).sum(dim=(-2, -1)))


def test_a_table_for_another_map_is_interpolated():
    """A bias that is linear in the steps stays so, whatever the map measures."""
    small, large = made(offset_range=1e-9, table_height=3, table_width=2), made(offset_range=1e-9)
    large.load_state_dict(small.state_dict() | dict(position_bias=large.position_bias))
    for attention, (rows, columns) in ((small, (3, 2)), (large, (7, 5))):
        row = torch.linspace(-1, 1, 2 * rows - 1, dtype=torch.float64)[:, None]
        column = torch.linspace(-1, 1, 2 * columns - 1, dtype=torch.float64)
        attention.position_bias.data.copy_((2 * row - 3 * column).expand(2, -1, -1))
    assert_close(small(X), large(X))


def test_defaults_are_those_of_the_papers_third_stage():
    attention = DeformableAttention(512)
    assert (attention.heads, attention.groups, attention.offset_range) == (16, 4, 2)
    assert (attention.gather.kernel_size, attention.gather.stride) == ((5, 5), (2, 2))
    assert attention.position_bias.shape == (16, 27, 27)
    assert attention.position_bias.std() < 0.02
    made_of = torch.empty(1, 512, 14, 14, device="meta")
    assert attention.to("meta").points(made_of).shape == (1, 4, 7, 7, 2)  # 49 keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(heads=5), "channels=12 must be a multiple of heads=5"),
        (dict(groups=3), "heads=4 must be a multiple of groups=3"),
        (dict(groups=0), "groups=0 must be at least 1"),
        (dict(kernel_size=4), "kernel_size=4 must be odd and at least 1"),
        (dict(kernel_size=-1), "kernel_size=-1 must be odd and at least 1"),
        (dict(stride=0), "stride=0 must be at least 1"),
        (dict(offset_range=0.0), "offset_range=0.0 must be above 0"),
        (dict(table_height=0), "table_height=0 must be at least 1"),
        (dict(table_width=-1), "table_width=-1 must be at least 1"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        DeformableAttention(**dict(channels=12, heads=4, groups=2) | arguments)


def test_a_kernel_of_one_place_looks_at_each_pixel_alone():
    assert made(kernel_size=1)(X).isfinite().all()


def test_the_table_starts_small():
    assert 0.009 < DeformableAttention(64, table_height=64).position_bias.std() < 0.011


def test_points_follow_the_queries():
    attention = made()
    with torch.no_grad():
        attention.query.weight.zero_()
    assert_close(attention.points(X), attention.points(-X))


@pytest.mark.parametrize(("heads", "groups"), [(3, 3), (6, 3), (12, 3), (2, 1)])
def test_the_largest_tensor_is_declared_for_all_groups_and_sizes(heads, groups):
    numbers = dict(channels=12, heads=heads, groups=groups, stride=4, height=61, width=63)
    counted, declared = largest_tensor("DeformableAttention", **numbers)
    assert counted == declared
