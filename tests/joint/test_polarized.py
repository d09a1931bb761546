"""What only polarized self-attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.joint import PolarizedSelfAttention
from attention_lib.measure.timing import peak_memory

BOTH = pytest.mark.parametrize("parallel", [True, False])


def ready(channels=8, parallel=True):
    return randomize(PolarizedSelfAttention(channels, parallel)).double()


def test_defaults_are_the_papers():
    polarized = PolarizedSelfAttention(64)
    assert polarized.parallel
    assert polarized.channel_query.out_channels == 1 and polarized.spatial_value.in_features == 32
    layers = (polarized.channel_value, polarized.spatial_query)
    assert {layer.out_features for layer in layers} == {32}


@pytest.mark.parametrize("channels", [1, 0, -3])
def test_too_few_channels_are_refused_by_name(channels):
    with pytest.raises(ValueError, match=f"channels={channels} must be at least 2"):
        PolarizedSelfAttention(channels)
    assert PolarizedSelfAttention(2).hidden == 1


def test_the_released_form_needs_an_eighth_in_sequence():
    with pytest.raises(ValueError, match="channels=7 must be at least 8"):
        PolarizedSelfAttention(7, parallel=False, released=True)
    assert PolarizedSelfAttention(7, released=True).hidden == 3


def test_both_arrangements_have_the_same_parts():
    """One implementation: weights of the one fit the other, and its gates are the same."""
    parallel, sequential = ready(parallel=True), ready(parallel=False)
    sequential.load_state_dict(parallel.state_dict())
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    channel = parallel.channel_gate(x)
    assert_close(sequential.channel_gate(x), channel)
    gated = channel[..., None, None] * x
    assert_close(sequential.spatial_gate(x), parallel.spatial_gate(gated))


def test_in_parallel_the_answers_are_added():
    polarized = ready(parallel=True)
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    channel, place = polarized.channel_gate(x)[..., None, None], polarized.spatial_gate(x)[:, None]
    assert_close(polarized(x), channel * x + place * x)


def test_in_sequence_places_are_gated_by_what_is_left_of_the_channels():
    polarized = ready(parallel=False)
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    channel, place = polarized.channel_gate(x)[..., None, None], polarized.spatial_gate(x)[:, None]
    assert_close(polarized(x), place * channel * x)


def test_the_channel_gate_looks_where_its_query_points():
    """One place far along the query: what is seen there alone decides."""
    polarized = ready()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    x[..., 3, 4] = 1e3 * polarized.channel_query.weight[0, :, 0, 0]
    seen = x[..., 3, 4]
    widened = polarized.channel_out(polarized.channel_value(seen))
    assert_close(polarized.channel_gate(x), polarized.norm(widened).sigmoid())


def test_the_place_gate_mixes_the_values_of_each_place():
    """The values are projected place by place here, and mixed then."""
    polarized = ready()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    channels_last = x.movedim(1, -1)
    weights = polarized.spatial_query(channels_last).mean(dim=(1, 2)).softmax(dim=-1)
    assert_close(weights.sum(dim=-1), torch.ones(2, dtype=torch.float64))
    values = channels_last @ polarized.spatial_value.weight
    logits = torch.einsum("bhwm,bm->bhw", values, weights)
    assert_close(polarized.spatial_gate(x), logits.sigmoid())


@BOTH
def test_no_map_of_values_is_stored(parallel):
    """A gate and the answer are as large as the map; projected maps would be half as large each."""
    polarized, x = PolarizedSelfAttention(32, parallel), torch.randn(1, 32, 64, 64)
    with torch.no_grad():
        assert peak_memory(lambda: polarized(x)) < 2.2 * x.nbytes
