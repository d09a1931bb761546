"""What only the selective kernel promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.channel import SelectiveKernel
from attention_lib.checks import randomize


def sees(branch):
    """The width of the square that one place of a branch reads."""
    x = torch.zeros(1, 4, 15, 15, requires_grad=True)
    branch[0](x)[0, :, 7, 7].sum().backward()
    [rows] = x.grad.abs().sum(dim=(0, 1, 3)).nonzero(as_tuple=True)
    return int(rows.max() - rows.min()) + 1


def test_branches_span_3_5_and_7_places_with_equal_weights():
    selective = randomize(SelectiveKernel(4, branches=3, groups=2))
    assert [sees(branch) for branch in selective.split] == [3, 5, 7]
    assert {branch[0].weight.shape for branch in selective.split} == {(4, 2, 3, 3)}


def test_the_middle_is_never_narrower_than_the_minimum():
    assert SelectiveKernel(64).hidden == 32
    assert SelectiveKernel(1024).hidden == 64


def test_defaults_are_the_papers():
    selective = SelectiveKernel(1024)
    assert [branch[0].groups for branch in selective.split] == [32, 32]
    assert selective.hidden == 1024 // 16 and SelectiveKernel(32).hidden == 32


@pytest.mark.parametrize("name", ["branches", "groups", "reduction", "min_hidden"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        SelectiveKernel(16, **{"groups": 4, name: number})
    assert SelectiveKernel(16, **{"groups": 4, name: 1}).channels == 16


def test_weights_over_the_branches_sum_to_one():
    selective = randomize(SelectiveKernel(8, branches=3, groups=2)).eval()
    weights = selective.weights(torch.randn(2, 8, 5, 7))
    assert weights.shape == (2, 3, 8)
    assert_close(weights.sum(dim=1), torch.ones(2, 8))


def test_weights_are_those_that_forward_uses():
    selective = randomize(SelectiveKernel(8, branches=3, groups=2)).eval()
    x = torch.randn(2, 8, 5, 7)
    maps = torch.stack([branch(x) for branch in selective.split], dim=1)
    assert_close(selective(x), (selective.weights(x)[..., None, None] * maps).sum(dim=1))


def test_one_branch_is_that_branch():
    selective = randomize(SelectiveKernel(8, branches=1, groups=2)).eval()
    x = torch.randn(2, 8, 5, 7)
    assert_close(selective(x), selective.split[0](x))


def test_a_single_sample_has_no_statistics_to_train_on():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        SelectiveKernel(8, groups=2)(torch.randn(1, 8, 5, 7))
