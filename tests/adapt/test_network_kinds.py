"""Networks of many kinds take an insertion: loops, dictionaries, channels last, several inputs."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.adapt import insert
from tests.support.networks import HEIGHT, PICTURE, WIDTH, Looks, network


class Looped(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)

    def forward(self, x):
        for part in self.children():
            x = part(x)
        return x


class Dense(nn.ModuleDict):
    """Each part is given the list of all maps before it."""

    def __init__(self):
        super().__init__(dict(a=nn.Conv2d(6, 6, 1), b=nn.Conv2d(12, 6, 1)))

    def forward(self, x):
        maps = [x]
        for part in self.values():
            maps.append(part(torch.cat(maps, dim=1)))
        return maps[-1]


class Backwards(nn.Sequential):
    def forward(self, x):
        for part in reversed(self):
            x = part(x)
        return x


@pytest.mark.parametrize("block", [Looped, Dense, lambda: Backwards(nn.ReLU(), nn.Conv2d(6, 6, 1))])
def test_a_block_that_goes_through_its_parts_is_left_alone(block):
    plain = nn.Sequential(nn.Conv2d(3, 6, 1), block()).double()
    plugged = deepcopy(plain)
    [place] = insert(plugged, "se", lambda name, _: name == "1", reduction=2, example=PICTURE)
    assert_close(plugged(PICTURE), place.mechanism(plain(PICTURE)))
    assert len(list(plugged[1].children())) == 2, "the block and the mechanism"


class ChannelsLastNet(nn.Module):
    def __init__(self, stage):
        super().__init__()
        self.patches, self.stage = nn.Conv2d(3, 6, 2, 2), stage

    def forward(self, x):
        return self.stage(self.patches(x).permute(0, 2, 3, 1)).mean((1, 2))


class Mixes(nn.Module):
    """Says nothing of its width, as a network's own blocks do."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6))

    def forward(self, x):
        return x + x @ self.weight


@pytest.mark.parametrize("stage", [Mixes, lambda: nn.LayerNorm(6), lambda: nn.Linear(6, 6)])
@pytest.mark.parametrize("size", [(8, 14), (12, 12)])
def test_channels_may_be_last(stage, size):
    picture = torch.randn(2, 3, *size).double()
    plain = ChannelsLastNet(stage()).double()
    plugged = deepcopy(plain)
    [place] = insert(plugged, "se", "stage", reduction=2, example=picture)
    assert place[1:4] == (6, size[0] // 2, size[1] // 2)
    x = plain.stage(plain.patches(picture).permute(0, 2, 3, 1))
    assert_close(plugged(picture), place.mechanism(x).mean((1, 2)))
    assert plugged(torch.randn(1, 3, 32, 20).double()).shape == (1, 6), "another size of picture"
    gate = place.mechanism.mechanism
    assert_close(place.mechanism(x), gate(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


def test_a_layout_that_cannot_be_found_out_must_be_said():
    square = torch.randn(1, 3, 3, 3).double()
    for module in (OneSize(), OneSize(nn.Conv2d(3, 3, 1).double())):
        with pytest.raises(ValueError, match="Say layout='first' or 'last'"):
            insert(nn.Sequential(module), "eca", "0", example=square)
    [place] = insert(nn.Sequential(nn.Sigmoid()).double(), "eca", "0", example=PICTURE)
    assert place[1:4] == (3, HEIGHT, WIDTH)
    for layout, channels, height in (("first", 3, HEIGHT), ("last", WIDTH, 3)):
        net = nn.Sequential(nn.Sigmoid()).double()
        [place] = insert(net, "eca", "0", example=PICTURE, layout=layout)
        assert (place.channels, place.height) == (channels, height)


class OneSize(nn.Module):
    """Takes one size alone."""

    def __init__(self, inside=None):
        super().__init__()
        self.inside = inside or nn.Identity()

    def forward(self, x):
        return self.inside(x) * torch.ones(3, 3, dtype=x.dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_without_an_example_a_picture_has_the_precision_of_the_network(dtype):
    net = network(1).to(dtype)
    [place] = insert(net, "se", "1.0", reduction=2)
    assert place.mechanism.squash.weight.dtype == dtype and place.height == 224


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)

    def forward(self, left, right):
        return self.conv(left - right)


@pytest.mark.parametrize("example", [(PICTURE, PICTURE), dict(left=PICTURE, right=PICTURE)])
def test_a_network_may_take_several_inputs(example):
    [place] = insert(TwoInputs().double(), "eca", "conv", example=example)
    assert place[1:4] == (6, HEIGHT, WIDTH)


class Detects(nn.Module):
    """Takes a list of pictures; how many boxes it gives depends on their numbers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)

    def forward(self, pictures):
        maps = self.conv(torch.stack(pictures))
        return [dict(boxes=(one > one.mean()).nonzero()) for one in maps]


def test_a_network_that_looks_at_numbers_runs_once_on_its_example():
    for net, example in ((Looks().double(), PICTURE), (Detects().double(), list(PICTURE))):
        plain = deepcopy(net.conv)
        [place] = insert(net, "se", "conv", reduction=2, example=example)
        assert place[1:4] == (6, HEIGHT, WIDTH)
        assert_close(net.conv(PICTURE), place.mechanism(plain(PICTURE)))


class Keeps(nn.Module):
    """Stores what it computes on itself, and holds a tensor that is no parameter."""

    def __init__(self):
        super().__init__()
        self.conv, self.grid = nn.utils.weight_norm(nn.Conv2d(3, 6, 1)), torch.ones(6, 1, 1)
        self.last, self.cache = None, {}
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        self.steps += 1
        self.last = self.cache["last"] = self.conv(x) * self.grid
        return self.last


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_looking_leaves_nothing_on_the_network():
    net, x = Keeps(), torch.randn(2, 3, HEIGHT, WIDTH)
    weight = net.conv.weight
    insert(net, "eca", "conv", example=x)
    assert net.last is None and not net.cache and not net.steps and net.conv.weight is weight
