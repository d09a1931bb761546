"""What only the Contextual Transformer promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.hybrid import ContextualTransformer
from attention_lib.measure.cost import measure

X = torch.randn(2, 16, 7, 5).double()


@pytest.fixture
def contextual():
    return randomize(ContextualTransformer(16)).double().eval()


def test_defaults_are_the_papers():
    contextual = ContextualTransformer(256)
    assert contextual.static[0].kernel_size == (3, 3) and contextual.static[0].groups == 4
    assert contextual.weights(torch.randn(2, 256, 4, 3)).shape == (2, 256 // 8, 9, 4, 3)
    assert contextual.compare.out_channels == 128 and contextual.hidden == 128
    assert ContextualTransformer(16).hidden == 32


@pytest.mark.parametrize("place", range(9))
def test_a_weight_at_one_place_reads_the_value_there(contextual, place):
    """Plane p of the weights holds for the channels c with c mod planes = p."""
    norm = contextual.attend[-1]
    with torch.no_grad():
        norm.weight.zero_()
        norm.bias.zero_().view(2, 9)[1, place] = 1
    weights = contextual.weights(X)
    assert_close(weights.sum(dim=(1, 2)), torch.ones(2, 7, 5).double())
    down, right = place // 3 - 1, place % 3 - 1
    value = nn.functional.pad(contextual.value(X), (1, 1, 1, 1))
    expected = value[..., 1 + down : 8 + down, 1 + right : 6 + right].clone()
    expected[:, ::2] = 0
    contextual.normalize = contextual.squash = nn.Identity()
    contextual.excite = nn.Linear(16, 32).double()
    with torch.no_grad():
        contextual.excite.weight.zero_()
        contextual.excite.bias.zero_()[::2] = 100  # the dynamic context alone
    assert_close(contextual(X), nn.functional.silu(expected))


def test_weights_are_normalised_over_the_places_of_a_plane_and_all_pixels(contextual):
    contextual.attend[-1].reset_parameters()
    weights = contextual.weights(X)
    assert_close(weights.mean(dim=(2, 3, 4)), torch.zeros(2, 2).double())
    assert_close(
        weights.var(dim=(2, 3, 4), unbiased=False), torch.ones(2, 2).double(), rtol=1e-4, atol=0
    )


def test_weights_are_made_of_the_static_context_and_the_map(contextual):
    compared = contextual.compare_static(contextual.static(X)) + contextual.compare(X)
    assert_close(contextual.weights(X).flatten(1, 2), contextual.attend(compared))


def test_weights_come_from_pixel_and_surroundings_and_not_from_a_product(contextual):
    """What a pixel weighs its neighbours by depends on them through the convolution alone."""
    with torch.no_grad():
        contextual.compare_static.weight.zero_()
        contextual.attend[-1] = nn.Identity()
    changed = X.clone()
    changed[:, :, 3, 2] += 1
    differs = (contextual.weights(changed) != contextual.weights(X)).any(dim=(0, 1, 2))
    assert differs.nonzero().tolist() == [[3, 2]]


def test_each_channel_lies_between_its_two_contexts(contextual):
    static = contextual.static(X)
    with torch.no_grad():
        contextual.excite.weight.zero_()
        contextual.excite.bias.view(16, 2).copy_(torch.tensor([0.0, 100.0]))
    assert_close(contextual(X), static)
    with torch.no_grad():
        contextual.excite.bias.view(16, 2)[3:] = torch.tensor([100.0, 0.0])
    y = contextual(X)
    assert_close(y[:, :3], static[:, :3])
    dynamic = y.clone()
    with torch.no_grad():
        contextual.excite.bias.zero_()
    assert_close(contextual(X)[:, 3:], (dynamic + static)[:, 3:] / 2)


def test_no_surroundings_are_copied():
    """The largest tensor is that of the weights, k² / 8 numbers for each of the map's."""
    x = torch.empty(1, 64, 56, 56, device="meta")
    assert measure(ContextualTransformer(64), x).memory == 9 / 8 * x.numel()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(kernel_size=1), "kernel_size=1 must be odd and at least 3"),
        (dict(kernel_size=4), "kernel_size=4 must be odd and at least 3"),
        (dict(groups=3), "channels=16 must be a multiple of groups=3"),
        (dict(channels=-16), "channels=-16 must be at least 1"),
        (dict(groups=-4), "groups=-4 must be at least 1"),
        (dict(share=3), "channels=16 must be a multiple of share=3"),
        (dict(share=0), "share=0 must be at least 1"),
        (dict(reduction=0), "reduction=0 must be between 1 and channels=16"),
        (dict(reduction=17), "reduction=17 must be between 1 and channels=16"),
        (dict(min_hidden=0), "min_hidden=0 must be at least 1"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        ContextualTransformer(**{"channels": 16, **arguments})


def test_the_least_that_works():
    tiny = randomize(ContextualTransformer(1, groups=1, share=1, reduction=1, min_hidden=1))
    assert tiny.hidden == 1 and tiny.eval()(torch.randn(2, 1, 1, 1)).isfinite().all()
    assert ContextualTransformer(16, reduction=16).compare.out_channels == 1
    with pytest.raises(ValueError, match="channels=0 must be at least 1"):
        ContextualTransformer(0)


def test_a_single_sample_has_no_statistics_to_train_on():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        ContextualTransformer(16)(torch.randn(1, 16, 5, 7))
