"""What only pyramid split attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.channel import PyramidSplitAttention
from attention_lib.checks import randomize


def test_every_branch_sees_every_channel():
    pyramid = PyramidSplitAttention(8, kernel_sizes=(3, 5), groups=(1, 2), reduction=2)
    x = torch.randn(1, 8, 5, 7, requires_grad=True)
    for branch in pyramid.split:
        [grad] = torch.autograd.grad(branch(x).sum(), x)
        assert grad.abs().sum(dim=(0, 2, 3)).all()


def test_defaults_are_the_papers():
    pyramid = PyramidSplitAttention(960)
    assert [branch.kernel_size for branch in pyramid.split] == [(k, k) for k in (3, 5, 7, 9)]
    assert [branch.groups for branch in pyramid.split] == [1, 4, 8, 16]
    assert pyramid.squash.out_features == 960 // 4 // 16


def test_kernels_of_one_place_and_a_middle_of_full_width_are_fine():
    pyramid = PyramidSplitAttention(8, kernel_sizes=(1, 3), groups=(4, 1), reduction=1)
    assert pyramid.squash.out_features == 4
    assert pyramid(torch.randn(2, 8, 5, 7)).shape == (2, 8, 5, 7)
    assert PyramidSplitAttention(64, reduction=16).squash.out_features == 1


def test_lists_are_kept_as_tuples():
    pyramid = PyramidSplitAttention(64, kernel_sizes=[3, 5], groups=[1, 2])
    assert (pyramid.kernel_sizes, pyramid.groups) == ((3, 5), (1, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(kernel_sizes=(), groups=()), r"kernel_sizes=\(\) must be odd and at least 1"),
        (dict(kernel_sizes=(3, -1), groups=(1, 1)), "must be odd and at least 1"),
        (dict(kernel_sizes=(3, 0), groups=(1, 1)), "must be odd and at least 1"),
        (dict(kernel_sizes=(3, 5), groups=(1, 0)), r"groups=\(1, 0\) must be at least 1"),
        (dict(kernel_sizes=(3, 5), groups=(1, -1)), r"groups=\(1, -1\) must be at least 1"),
        (dict(reduction=17), "reduction=17 must be between 1 and channels / branches=16"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        PyramidSplitAttention(64, **arguments)


def test_all_layers_are_registered():
    pyramid = PyramidSplitAttention(64)
    assert len(pyramid.split) == 4
    assert len(pyramid.state_dict()) == 4 + 2 * 2


def test_branches_come_out_in_the_order_of_their_kernels():
    pyramid = randomize(PyramidSplitAttention(8, (1, 3), (1, 1), reduction=2))
    x = torch.randn(2, 8, 5, 7)
    weights = pyramid.weights(x)
    first, second = pyramid(x).chunk(2, dim=1)
    assert_close(first, weights[:, 0, :, None, None] * pyramid.split[0](x))
    assert_close(second, weights[:, 1, :, None, None] * pyramid.split[1](x))


def test_a_softmax_of_gates_cannot_choose_hard():
    """The gates lie between 0 and 1, so one branch outweighs another by less than e."""
    pyramid = PyramidSplitAttention(8, (1, 3), (1, 1), reduction=2)
    with torch.no_grad():
        pyramid.excite.bias.fill_(1e3)
        for branch in pyramid.split:
            branch.weight.mul_(1e3)
    weights = pyramid.weights(torch.randn(64, 8, 5, 7))
    assert (weights.amax(dim=1) / weights.amin(dim=1)).max() <= torch.e + 1e-5
    assert_close(weights.sum(dim=1), torch.ones(64, 4))
