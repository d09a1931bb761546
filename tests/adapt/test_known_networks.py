"""Mechanisms in networks of packages, counted and loaded."""

import pytest
import torch
from torch import nn

from attention_lib.adapt import insert
from attention_lib.measure.cost import measure
from tests.oracles import torchvision_ops  # noqa: F401  (before torchvision and timm)


def resnet50() -> nn.Module:
    from torchvision.models import resnet50

    with torch.device("meta"):
        return resnet50()


def macs(net: nn.Module) -> str:
    return f"{measure(net, torch.empty(1, 3, 224, 224, device='meta')).macs / 1e9:.4f}"


def stride_in_the_first_convolution(net: nn.Module) -> None:
    """As in the paper: the stride of a stage in its 1×1, where torchvision has it in its 3×3."""
    modules = dict(net.named_modules())
    for name, module in modules.items():
        if name.endswith("conv2") and module.stride == (2, 2):
            module.stride, modules[name.replace("conv2", "conv1")].stride = (1, 1), (2, 2)


ECA = [("eca", f"layer{i}.*.bn3", dict(kernel_size=k)) for i, k in enumerate((3, 5, 5, 7), 1)]


@pytest.mark.parametrize(
    ("insertions", "params", "billions"),
    [
        ([], 25_557_032, ("3.8580", "4.0892")),
        ([("se", "bn3", {})], 28_088_024, ("3.8605", "4.0917")),
        ([("cbam", "bn3", {})], 28_089_624, ("3.8644", "4.0956")),
        (ECA, 25_557_112, ("3.8581", "4.0893")),
    ],
    ids=["plain", "se", "cbam", "eca"],
)
def test_resnet50_counts(insertions, params, billions):
    """The figures of the chapter, digit for digit: parameters, and billions of multiply-adds."""
    net = resnet50()
    placed = [p for name, where, more in insertions for p in insert(net, name, where, **more)]
    assert len(placed) in (0, 16), "one for each residual block"
    assert sum(p.numel() for p in net.parameters()) == params
    in_3x3 = macs(net)
    stride_in_the_first_convolution(net)
    assert (macs(net), in_3x3) == billions


def test_a_type_of_block_works_as_well_in_timm():
    import timm
    from timm.models.resnet import Bottleneck

    with torch.device("meta"):
        net = timm.create_model("resnet50")
    placed = insert(net, "se", Bottleneck)
    assert len(placed) == 16 and placed[-1][1:4] == (2048, 7, 7)
    assert measure(net, torch.empty(1, 3, 224, 224, device="meta")).params == 28_088_024
