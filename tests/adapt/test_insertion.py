"""A mechanism after chosen modules of a network: where, and with what."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.adapt import insert, remove
from attention_lib.catalog import catalog, find
from tests.support.networks import HEIGHT, PICTURE, WIDTH, network


def test_what_is_inserted_is_applied_where_it_says():
    plain = network()
    plugged = deepcopy(plain)
    placed = insert(plugged, "se", "*.0", reduction=2, example=PICTURE)
    assert [place.name for place in placed] == [
        "1.0.squeeze_excitation",
        "2.0.squeeze_excitation",
    ]
    assert [place[1:4] for place in placed] == [(6, HEIGHT, WIDTH)] * 2
    assert str(placed[0]) == "1.0.squeeze_excitation: SqueezeExcitation on 6 × 7 × 5"
    x = plain[0](PICTURE)
    for block, place in zip(plain[1:], placed, strict=True):
        x = block[1](place.mechanism(block[0](x)))
    assert_close(plugged(PICTURE), x)


def test_no_name_of_the_network_changes():
    plain, plugged = network(), network()
    insert(plugged, "se", nn.Conv2d, reduction=2, example=PICTURE)
    missing, unexpected = plugged.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all("squeeze_excitation" in name for name in missing)


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("1", ["1", "1.1", "2.1"]),
        ("2.1", ["2.1"]),
        ("*.1", ["1.1", "2.1"]),
        ("[12]", ["1", "1.1", "2", "2.1"]),
        (nn.ReLU, ["1.1", "2.1"]),
        (lambda name, module: len(name) == 1 and name > "0", ["1", "2"]),
    ],
)
def test_where_is_the_end_of_a_name_or_a_type_or_a_function(where, names):
    placed = insert(network(), "eca", where, example=PICTURE)
    assert [place.name.removesuffix(".efficient_channel") for place in placed] == names


def test_a_block_that_is_a_sequence_runs_it_once():
    plain = network(1)
    plugged = deepcopy(plain)
    [place] = insert(plugged, "se", lambda name, _: name == "1", reduction=2, example=PICTURE)
    assert_close(plugged(PICTURE), place.mechanism(plain(PICTURE)))


def test_a_mechanism_on_tokens_is_inserted_on_pixels():
    plain = network(1)
    plugged = deepcopy(plain)
    [place] = insert(plugged, "mha", "1.1", heads=2, example=PICTURE)
    assert place.mechanism.mechanism.dim == 6
    assert_close(plugged(PICTURE), place.mechanism(plain(PICTURE)))


def test_it_joins_the_network_in_device_precision_and_mode():
    net = network().eval().requires_grad_(False)
    net[1][0].train()
    first, second = insert(net, "se", "*.0", reduction=2, example=PICTURE)
    assert first.mechanism.squash.weight.dtype == torch.float64
    assert first.mechanism.training and not second.mechanism.training
    assert not net.training and net[1][0].training, "looking changes no mode"
    meta = network().to("meta")
    [place] = insert(meta, "se", "1.0", reduction=2, example=PICTURE)
    assert place.mechanism.squash.weight.is_meta


@pytest.mark.parametrize("card", [c for c in catalog("linear") if c.layout == "maps"], ids=str)
def test_a_file_named_as_a_method_of_modules_gets_another_name(card):
    net = nn.Sequential(nn.Conv2d(3, 32, 1))
    [place] = insert(net, str(card), "0", example=PICTURE.float())
    assert net.get_submodule(place.name) is place.mechanism
    assert net.double().get_submodule(place.name) is place.mechanism


def test_arguments_come_from_what_is_there_unless_they_are_given():
    [place] = insert(network(), "sk", "1.0", groups=2, min_hidden=3, example=PICTURE)
    assert place.mechanism.channels == 6 and place.mechanism.hidden == 3


# ---- what is inserted ----------------------------------------------------------------------------


class Gate(nn.Module):
    def __init__(self, channels, power=1):
        super().__init__()
        self.weight, self.power = nn.Parameter(torch.randn(channels, 1, 1)), power

    def forward(self, x):
        return x * self.weight**self.power


class PublishedGate(Gate):
    """A default for the width, as in published files, which no network has."""

    def __init__(self, channel=512, reduction=16):
        super(PublishedGate, self).__init__(channel)  # noqa: UP008


@pytest.mark.parametrize(
    ("mechanism", "child"),
    [
        (Gate, "gate"),
        (PublishedGate, "published_gate"),
        (partial(Gate, power=2), "inserted"),
        (lambda width: nn.Sequential(Gate(width)), "inserted"),
        (nn.BatchNorm2d, "batch_norm2d"),
        (find("eca").mechanism, "efficient_channel"),
        (find("eca"), "efficient_channel"),
    ],
)
def test_a_class_or_a_function_of_ones_own_is_inserted(mechanism, child):
    plain = network(1)
    plugged = deepcopy(plain)
    [place] = insert(plugged, mechanism, "1.0", example=PICTURE)
    assert place.name == f"1.0.{child}" and place.channels == 6
    assert_close(plugged(PICTURE), plain[1][1](place.mechanism(plain[1][0](plain[0](PICTURE)))))


def test_what_a_class_is_given_is_told_where_it_does_not_fit():
    with pytest.raises(TypeError, match=r"Gate cannot be made: .*; insert gave it {'channels': 6}"):
        insert(network(), Gate, "1.0", example=PICTURE, colour="red")


def test_what_was_inserted_can_be_taken_out():
    net = network()
    before, answer = list(net.named_modules()), net(PICTURE)
    names = [p.name for p in insert(net, "se", "*.0", reduction=2, example=PICTURE)]
    names += [p.name for p in insert(net, "eca", "[12]", example=PICTURE)]
    assert not torch.equal(net(PICTURE), answer)
    assert sorted(remove(net)) == sorted(names)
    assert list(net.named_modules()) == before and torch.equal(net(PICTURE), answer)
