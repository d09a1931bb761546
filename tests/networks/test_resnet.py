"""ResNet: published sizes, and other packages' weights and logits."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib import create, find, load_official, measure
from attention_lib.checks import randomize
from attention_lib.networks import ResNet
from tests.oracles.networks import CLASSES, DEPTHS, RESNETS, published, timm_parameters

CARD = find("resnet50")
SMALL = dict(classes=CLASSES, depths=DEPTHS)


@pytest.mark.parametrize("name", RESNETS)
def test_published_weights_give_the_same_logits(name):
    build, their_arguments, our_arguments = RESNETS[name]
    theirs = randomize(build(**their_arguments)).double().eval()
    for parameter in theirs.parameters():
        parameter.data /= 4  # of a deep network with large weights only the largest logit is left
    ours = load_official(ResNet(**SMALL, **our_arguments).double().eval(), theirs.state_dict())
    pictures = torch.randn(2, 3, 64, 49, dtype=torch.float64, requires_grad=True)
    answers = ours(pictures), theirs(pictures)
    assert_close(*answers)
    direction = torch.randn_like(answers[0])
    assert_close(*(torch.autograd.grad(y, pictures, direction) for y in answers))


@pytest.mark.parametrize("name", CARD.presets)
def test_a_preset_costs_what_is_published(name):
    preset = CARD.presets[name]
    with torch.device("meta"):
        network = create(name).eval()
        counted = measure(network, torch.empty(1, 3, preset.height, preset.width))
    assert (counted.params, counted.macs) == (preset.params, preset.macs)


@pytest.mark.parametrize("name", [name for name in CARD.presets if name != "seresnet50"])
def test_presets_are_those_of_torchvision(name):
    params, billions = published(name)
    assert CARD.presets[name].params == params
    assert CARD.presets[name].macs / 1e9 == pytest.approx(billions, abs=6e-4)


def test_se_resnet_is_that_of_timm():
    with torch.device("meta"):
        assert timm_parameters("seresnet50") == CARD.presets["seresnet50"].params


def test_a_preset_is_a_beginning():
    network = create("ResNet-101", 10, channels=16)
    assert (network.classes, network.depths, network.channels) == (10, (3, 4, 23, 3), 16)
    assert find("resnet50") is find(ResNet) is find(network)
    assert CARD.kind == "pictures → logits" and CARD.family == "networks"


@pytest.mark.parametrize(("stride_in", "macs"), [("1x1", 3_857_973_248), ("3x3", 4_089_184_256)])
def test_where_the_steps_are_taken(stride_in, macs):
    """In the paper the first convolution of a block takes them, and the second works on less."""
    with torch.device("meta"):
        network = ResNet(stride_in=stride_in)
        assert measure(network, torch.empty(1, 3, 224, 224)).macs == macs
    block = network.layer2[0]
    steps = {"1x1": block.conv1.stride, "3x3": block.conv2.stride}
    assert {name for name, stride in steps.items() if stride == (2, 2)} == {stride_in}


@pytest.mark.parametrize("attention", [int, lambda channels: None])
def test_what_makes_no_module_is_no_attention(attention):
    with pytest.raises(TypeError, match=r"^attention=.* must make a module, not (16|None)$"):
        find("resnet").build(attention=attention)
