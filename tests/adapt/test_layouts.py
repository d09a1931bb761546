"""Mechanisms in the other layout."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.adapt import ChannelsLast, on_maps, on_tokens
from attention_lib.catalog import catalog, create
from attention_lib.checks import randomize, ready

HEIGHT, WIDTH = 7, 5


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_mechanism_takes_either_layout(card):
    mechanism, [x, *rest] = ready(card)
    expected = mechanism(x, *rest)
    if card.layout == "maps":
        height, width = x.shape[-2:]
        tokens = x.flatten(2).transpose(1, 2)
        answer = on_tokens(mechanism, height, width)(tokens)
        if expected.dim() == 4:
            answer = answer.transpose(1, 2).reshape(expected.shape)
        assert on_maps(mechanism) is mechanism
    else:
        height, width = rest if rest else (1, x.shape[1])
        maps = x.transpose(1, 2).reshape(len(x), -1, height, width)
        answer = on_maps(mechanism)(maps).flatten(2).transpose(1, 2)
        assert_close(on_tokens(mechanism, height, width)(x), expected)
    assert_close(answer, expected)


def test_pixels_are_tokens_row_by_row():
    causal = randomize(create("mha", dim=6, heads=2, causal=True)).double()
    x = torch.randn(1, 6, HEIGHT, WIDTH).double()
    changed = x.clone()
    changed[..., 2, 3] += 1  # place 13 of 35
    moved = (on_maps(causal)(changed) - on_maps(causal)(x))[0].abs().sum(0).flatten().nonzero()
    assert moved.min() == 2 * WIDTH + 3 and len(moved) == HEIGHT * WIDTH - 13


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: on_tokens(create("eca", channels=6), 0, 5), "height=0 must be at least 1"),
        (lambda: on_tokens(create("eca", channels=6), 7, 2.5), "width=2.5 must be an integer"),
        (lambda: on_tokens(create("eca", channels=6), 10**20, 5), "height=1.* is too large"),
        (lambda: on_tokens("eca", 7, 5), "mechanism='eca' must be a module"),
        (lambda: on_maps(None), "mechanism=None must be a module"),
        (
            lambda: on_tokens(create("eca", channels=6), 7, 5)(torch.randn(2, 36, 6)),
            r"x must be \(batch=2, tokens=35, dim\), got \(2, 36, 6\)",
        ),
        (
            lambda: on_maps(create("mha", dim=8))(torch.randn(2, 36, 8)),
            r"x must be \(batch, channels, height, width\), got",
        ),
    ],
)
def test_what_does_not_fit_an_adapter_is_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_channels_may_be_the_last_axis():
    mechanism = randomize(create("se", channels=6, reduction=2)).double()
    x = torch.randn(2, 6, HEIGHT, WIDTH).double()
    answer = ChannelsLast(mechanism)(x.permute(0, 2, 3, 1))
    assert_close(answer.permute(0, 3, 1, 2), mechanism(x))
