"""What cannot be inserted is named, and the network is left as it was."""

import pytest
from torch import nn

from attention_lib.adapt import insert
from attention_lib.catalog import catalog
from tests.support.networks import PICTURE, Looks, network


class TwoSizes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.unused = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x).flatten(1), self.conv(x[..., ::2])


class InAList(nn.Module):
    """Calls its parts from a list of its own, past their names."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)
        self.parts = [self.conv]

    def forward(self, x):
        return self.parts[0](x)


class Reads(nn.Module):
    """Uses the weight of a layer and never calls it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)

    def forward(self, x):
        return nn.functional.conv2d(x, self.conv.weight)


class Counts(nn.Module):
    """Gives an answer for each of its layers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 1))

    def forward(self, x):
        return [self.layers(x)] * len(self.layers)


class Pools(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x[..., ::2]


def shared():
    one = nn.Conv2d(3, 3, 1)
    return nn.Sequential(one, one)


@pytest.mark.parametrize(
    ("net", "arguments", "message"),
    [
        (network(), dict(where="bn3"), "where='bn3' fits no module of Sequential"),
        (network(), dict(where="1.0", reduction=7), "reduction=7 must be between 1 and channels="),
        (network(), dict(where="1.0", ratio=7), "'ratio'; it is SqueezeExcitation"),
        (network(), dict(where=None), "where must be the end of a name, a type or a function"),
        (network(), dict(where="1.0", layout="nchw"), "layout='nchw' must be 'first' or 'last'"),
        (network(), dict(where="1.0", mechanism=nn.ReLU()), "mechanism is one ReLU; give the clas"),
        (network(), dict(where="1.0", mechanism=7), "mechanism must be a name, a class or a func"),
        (network(), dict(where="1.0", mechanism=lambda c: "no"), "<lambda> gives str, not a "),
        (
            network(),
            dict(where="1.0", mechanism=Pools),
            r"0.pools gives \(2, 6, 7, 3\) for \(2, 6, ",
        ),
        (nn.Sequential(nn.Flatten()), dict(where=nn.Flatten), r"0 gives \(2, 105\), not a map"),
        (nn.Sequential(TwoSizes()), dict(where="0"), "0 gives tuple, not a map"),
        (TwoSizes(), dict(where="conv"), r"conv runs 2 times in one pass, not once, on \(2, 3, 7"),
        (TwoSizes(), dict(where="unused"), "the example does not reach unused"),
        (
            InAList(),
            dict(where="conv", mechanism="eca"),
            "conv.efficient_channel runs 0 times",
        ),
        (Reads(), dict(where="conv"), "the example does not reach conv"),
        (Counts(), dict(where="layers", mechanism="eca"), "the network gave .*, with effic"),
        (shared(), dict(where="0"), "0 and 1 are one module: what follows one follows both"),
        (nn.DataParallel(network()), dict(where="1.0"), "wrapped in DataParallel: insert first"),
        (nn.Sequential(nn.LazyConv2d(3, 1)), dict(where="0"), "parameters without a size yet"),
        (Looks(), dict(where="conv", example=None), "does not run without numbers; give an exa"),
        (network(), dict(where="1.0", example=[PICTURE]), "does not run on the example: "),
        ("resnet50", dict(where="1.0"), "network must be a module, got 'resnet50'"),
    ],
)
def test_what_cannot_be_inserted_is_named_and_nothing_is_changed(net, arguments, message):
    modules = list(net.double().named_modules()) if isinstance(net, nn.Module) else []
    with pytest.raises((ValueError, TypeError), match=message):
        insert(net, **dict(mechanism="se", example=PICTURE) | arguments)
    for name, module in modules:
        assert net.get_submodule(name) is module and not module._forward_hooks


def test_the_same_place_is_not_taken_twice():
    net = network()
    insert(net, "se", "1.0", reduction=2, example=PICTURE)
    with pytest.raises(ValueError, match=r"1\.0 has a squeeze_excitation already"):
        insert(net, "se", "1.0", reduction=2, example=PICTURE)
    insert(net, "eca", "1.0", example=PICTURE)


def test_a_classifier_head_goes_into_no_network():
    heads = [c for c in catalog() if "classes" in c.shapes["return"]]
    for card in heads:
        with pytest.raises(ValueError, match=f"{card} gives"):
            insert(network(), str(card), "1.0", example=PICTURE)
