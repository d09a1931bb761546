"""What only coordinate attention promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.spatial import CoordinateAttention


@pytest.fixture
def attention():
    return randomize(CoordinateAttention(4, min_hidden=3)).eval()


def test_defaults_are_the_papers():
    attention = CoordinateAttention(1024)
    assert attention.hidden == 1024 // 32 and CoordinateAttention(32).hidden == 8
    assert isinstance(attention.squash[2], nn.Hardswish)
    assert attention.excite_rows.bias is not None and attention.excite_columns.bias is not None


@pytest.mark.parametrize("name", ["channels", "reduction", "min_hidden"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        CoordinateAttention(**{"channels": 16, name: number})
    assert CoordinateAttention(**{"channels": 16, name: 1}).hidden >= 1


def test_the_gate_of_a_row_is_set_by_the_mean_of_that_row(attention):
    x = torch.randn(2, 4, 7, 5)
    y = x.clone()
    y[:, :, 3] += torch.tensor([4.0, -4, 0, 0, 0])  # a row changed, its mean kept
    assert_close(attention.row_gate(y), attention.row_gate(x))
    moved = (attention.column_gate(y) != attention.column_gate(x)).any(dim=1)
    assert moved.tolist() == [[True, True, False, False, False]] * 2


def test_the_gate_of_a_column_is_set_by_the_mean_of_that_column(attention):
    x = torch.randn(2, 4, 5, 7)
    y = x.clone()
    y[..., 3] += torch.tensor([4.0, -4, 0, 0, 0])
    assert_close(attention.column_gate(y), attention.column_gate(x))
    moved = (attention.row_gate(y) != attention.row_gate(x)).any(dim=1)
    assert moved.tolist() == [[True, True, False, False, False]] * 2


def test_a_transposed_map_has_rows_and_columns_exchanged(attention):
    """With the two last layers exchanged as well: what comes before is shared."""
    x = torch.randn(2, 4, 7, 5)
    expected = attention(x)
    rows, columns = attention.excite_rows, attention.excite_columns
    attention.excite_rows, attention.excite_columns = columns, rows
    assert_close(attention(x.mT).mT, expected)


def test_gates_are_those_that_forward_uses(attention):
    x = torch.randn(2, 4, 7, 5)
    gates = attention.row_gate(x)[..., None] * attention.column_gate(x)[:, :, None]
    assert_close(attention(x), gates * x)


def test_a_middle_at_zero_still_opens_the_gates_by_their_biases(attention):
    """Hard swish is 0 below -3: with the norm's shift there, only the biases are left."""
    nn.init.zeros_(attention.squash[1].weight)
    nn.init.constant_(attention.squash[1].bias, -3)
    gate = attention.row_gate(torch.randn(2, 4, 7, 5))
    assert_close(gate, attention.excite_rows.bias.sigmoid()[None, :, None].expand(2, 4, 7))


def test_rows_and_columns_are_normalised_together(attention):
    """One batch normalisation sees them all, so in training a single pixel has two values."""
    x = torch.randn(1, 4, 1, 1)
    attention.train()
    assert attention(x).isfinite().all()
    x = torch.randn(3, 4, 7, 5)
    seen = torch.cat([x.mean(3), x.mean(2)], 2)
    squashed = attention.squash[0](seen)
    attention.squash[1].reset_running_stats()
    attention.squash[1].momentum = 1
    attention(x)
    assert_close(attention.squash[1].running_mean, squashed.mean(dim=(0, 2)))
