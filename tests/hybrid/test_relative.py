"""What only relative attention promises."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing import assert_close

from attention_lib.cards import properties
from attention_lib.checks import randomize
from attention_lib.hybrid import RelativeAttention
from attention_lib.hybrid.relative import CARD
from attention_lib.measure.cost import measure

X = torch.randn(3, 6, 4, 5).double()


@pytest.fixture
def relative():
    return randomize(RelativeAttention(6, 4, 5, head_dim=2)).double()


def contents_ignored(relative):
    """The same without likeness: the logits are those of the offsets alone."""
    with torch.no_grad():
        relative.query_key_value.weight[:6] = 0
        relative.query_key_value.bias[:6] = 0
    return relative


def test_defaults_are_the_papers():
    relative = RelativeAttention(384)
    assert relative.head_dim == 32 and relative.heads == 12
    assert relative.table.shape == (12, 27, 27)
    assert relative.feed[1].out_features == 4 * 384
    assert 0 < relative.table.std() < 0.03 and relative.table.mean().abs() < 0.01


def test_a_pair_has_the_logit_of_its_offset(relative):
    weights = contents_ignored(relative).weights(X)
    assert_close(weights.sum(dim=-1), torch.ones(3, 3, 20).double())
    assert_close(weights[0], weights[1])
    places = [(i, j) for i in range(4) for j in range(5)]
    for n, (i, j) in enumerate(places):
        logits = [relative.table[:, i - a + 3, j - b + 4] for a, b in places]
        assert_close(weights[0, :, n], torch.stack(logits, dim=-1).softmax(dim=-1))


def test_a_table_of_one_offset_is_a_convolution(relative):
    """All weight on the pixel above and two to the left: values shifted, rows unscrambled."""
    with torch.no_grad():
        contents_ignored(relative).table.fill_(-1e4)[:, 3 + 1, 4 + 2] = 0
        relative.feed[3].weight.zero_()
        relative.feed[3].bias.zero_()
    value = relative.query_key_value(relative.norm(X.movedim(1, -1)))[..., 12:]
    shifted = relative.out(value[:, :-1, :-2]).movedim(-1, 1)
    assert_close(relative(X)[..., 1:, 2:], X[..., 1:, 2:] + shifted)


def test_offsets_are_all_that_knows_of_places(relative):
    assert properties.pixel_permutation_equivariant(relative, X) > 1e-3
    with torch.no_grad():
        relative.table.fill_(0.5)
    assert properties.pixel_permutation_equivariant(relative, X) < 1e-12


def test_both_halves_add_to_what_they_are_given(relative):
    with torch.no_grad():
        for layer in (relative.out, relative.feed[3]):
            layer.weight.zero_()
            layer.bias.zero_()
    assert torch.equal(relative(X), X)


def test_weights_are_those_that_forward_uses(relative):
    weights, pixels = relative.weights(X), X.flatten(2).mT
    value = relative.query_key_value(relative.norm(pixels))[..., 12:].unflatten(-1, (3, 2))
    gathered = (weights @ value.transpose(1, 2)).transpose(1, 2).flatten(2)
    half = pixels + relative.out(gathered)
    assert_close(relative(X).flatten(2).mT, half + relative.feed(half))


def test_at_its_own_size_the_table_is_taken_as_it_is(relative, monkeypatch):
    expected = relative(X)
    monkeypatch.setattr(nn.functional, "interpolate", lambda x, size, mode: x)
    assert torch.equal(relative(X), expected)


@pytest.mark.parametrize(("height", "width"), [(7, 3), (1, 9), (6, 1), (8, 10)])
def test_at_another_size_it_is_resized_and_none_stays_none(relative, height, width):
    """The offset 0 keeps the middle; the others are read between those of the table."""
    x = torch.randn(2, 6, height, width).double()
    size = (2 * height - 1, 2 * width - 1)
    [table] = nn.functional.interpolate(relative.table[None], size, mode="bilinear")
    assert_close(table[:, height - 1, width - 1], relative.table[:, 3, 4])
    exact = randomize(RelativeAttention(6, height, width, head_dim=2)).double()
    exact.load_state_dict(relative.state_dict() | {"table": table})
    assert_close(relative(x), exact(x))


def test_the_offsets_are_made_where_the_map_is(relative):
    assert relative.to("meta")(X.to("meta")).is_meta
    assert relative.weights(X.to("meta")).is_meta


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("channels", "expansion"), [(32, 1), (32, 4), (1, 1)])
def test_the_largest_tensor_is_declared_whichever_it_is(batch, channels, expansion):
    """Of few pixels with many channels the features take more than the pairs."""
    arguments = dict(channels=channels, expansion=expansion, head_dim=channels)
    card = replace(CARD, example=arguments | dict(table_height=1, table_width=1))
    with torch.device("meta"):
        x = torch.empty(batch, channels, 9, 8)
        assert measure(card.build(), x).memory == card.cost("memory", batch, height=9, width=8)


def test_the_fused_kernel_takes_the_bias(relative):
    expected = relative(X)
    with torch.no_grad(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        assert_close(relative(X), expected.detach())


@pytest.mark.parametrize(
    "name", ["channels", "table_height", "table_width", "head_dim", "expansion"]
)
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        RelativeAttention(**{"channels": 32, name: number})


def test_one_of_everything_is_enough():
    tiny = randomize(RelativeAttention(1, 1, 1, head_dim=1, expansion=1))
    assert tiny(torch.randn(2, 1, 3, 2)).isfinite().all()
    with pytest.raises(ValueError, match="channels=33 must be a multiple of head_dim=32"):
        RelativeAttention(33)
