"""What is read off a mechanism is what it does."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from attention_lib.advice import traits
from attention_lib.advice.traits import (
    SIDE,
    Footprint,
    can_be_causal,
    footprint,
    growth,
    is_a_gate,
    on_maps,
    unchanged_at_start,
)
from attention_lib.cards import properties
from attention_lib.cards.shape import Maps
from attention_lib.catalog import catalog, find
from attention_lib.checks import randomize


@pytest.mark.parametrize("card", [c for c in catalog() if can_be_causal(c)], ids=str)
def test_causal_is_measured(card):
    """As the answer says: with causal=True no later token changes an answer, else one does."""
    for causal in (True, False):
        mechanism = randomize(card.build(causal=causal)).double().eval()
        [x] = card.inputs(torch.float64)
        assert (properties.causal(mechanism, x) == 0) == causal


def test_a_footprint_is_what_the_mathematics_says():
    for name, places, distance, flat in [
        ("SqueezeExcitation", 1, 0, True),
        ("SpatialGroupEnhance", 1, 0, False),
        ("ConvolutionalBlockAttention", 1, 0, False),
        ("ParNetAttention", 9, 1, False),  # a convolution of 3 x 3, and a gate that sees all
        ("SpatialShift", 5, 1, False),
        ("SelectiveKernel", 17, 2, False),  # 3 x 3, and 3 x 3 dilated: nine places shared by one
        ("VisionPermutator", 2 * SIDE - 1, SIDE // 2, False),
        ("AxialAttention", SIDE**2, SIDE // 2, False),
        ("CrissCrossAttention", SIDE**2, SIDE // 2, False),
    ]:
        assert footprint(name) == Footprint(places, distance, flat), name


class RowGate(nn.Module):
    """A factor for each row, the same at all places of it."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x: Maps) -> Maps:
        return x * torch.arange(1, x.shape[-2] + 1, dtype=x.dtype)[:, None]


def test_a_gate_that_differs_from_row_to_row_is_not_flat(monkeypatch):
    card = replace(find("SimAM"), mechanism=RowGate, example=dict(channels=3))
    monkeypatch.setattr(traits, "find", lambda name: card)
    assert footprint.__wrapped__("RowGate") == Footprint(1, 0, False)


@pytest.mark.whole_catalog
def test_a_gate_agrees_with_the_properties_of_the_cards():
    for card in filter(on_maps, catalog()):
        if properties.only_attenuates in card.properties:
            assert is_a_gate(card), card


def test_measuring_draws_no_random_numbers_from_the_user():
    before = torch.get_rng_state()
    footprint.__wrapped__("se")
    unchanged_at_start.__wrapped__("se")
    assert torch.equal(torch.get_rng_state(), before)


def test_only_what_starts_at_nought_is_unchanged_at_the_start():
    """Criss-cross attention is multiplied by γ = 0 at first; most others answer at once."""
    assert unchanged_at_start("CrissCrossAttention")
    for name in ("MultiHeadAttention", "SqueezeExcitation", "ClassSpecificResidualAttention"):
        assert not unchanged_at_start(name)


@pytest.mark.parametrize(
    ("name", "power"),
    [("mha", 2), ("emsa", 2), ("ea", 1), ("aft", 1), ("se", 0), ("coord", 0.5), ("axial", 1.5),
     ("ccnet", 1.5), ("vip", 1.5), ("danet", 2), ("gfnet", 0), ("halo", 1)],
)  # fmt: skip
def test_growth_is_that_of_the_formula(name, power):
    assert growth(find(name)) == pytest.approx(power, abs=0.05)
