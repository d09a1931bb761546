"""Channel attention, as its authors compute it."""

import torch
import torch.nn.functional as F

from attention_lib.channel import (
    EfficientChannelAttention,
    GlobalContext,
    PyramidSplitAttention,
    SelectiveKernel,
    SqueezeExcitation,
)
from tests.support.official import (
    Case,
    batch_norm,
    conv,
    layer,
    layer_normed,
    linear,
    means,
    normed,
)


def squeeze_excitation(first, second):
    def answer(weights, x):
        hidden = linear(weights, first, means(x)).relu()
        return linear(weights, second, hidden).sigmoid()[..., None, None] * x

    return answer


def efficient_channel(weights, x):
    kernel = weights["conv.weight"]
    gates = F.conv1d(means(x)[:, None], kernel, padding=kernel.shape[-1] // 2)
    return gates.sigmoid().mT[..., None] * x


def global_context(fusion):
    def answer(weights, x):
        shares = conv(weights, "conv_mask", x).flatten(2).softmax(dim=2)
        context = (x.flatten(2) @ shares.mT)[..., None]
        name = f"channel_{fusion}_conv"
        hidden = layer_normed(weights, f"{name}.1", conv(weights, f"{name}.0", context)).relu()
        term = conv(weights, f"{name}.3", hidden)
        return x + term if fusion == "add" else x * term.sigmoid()

    return answer


def selective_kernel(weights, x):
    maps = []
    for name, dilation in (("3x3g32", 1), ("3x3g32d2", 2)):
        maps.append(conv(weights, name, x, stride=2, groups=32, dilation=dilation))
        maps[-1] = normed(weights, f"{name}/bn", maps[-1]).relu()
    fused = normed(weights, "B_fc1/bn", linear(weights, "B_fc1", means(sum(maps)))).relu()
    shares = linear(weights, "B_fc2", fused).unflatten(1, (2, -1)).softmax(dim=1)
    return (shares[..., None, None] * torch.stack(maps, dim=1)).sum(dim=1)


def pyramid_split(weights, x):
    groups = (1, 4, 8, 16)
    maps = [conv(weights, f"conv_{i + 1}", x, stride=2, groups=groups[i]) for i in range(4)]
    gates = torch.stack([linear(weights, "se.fc1", means(each)).relu() for each in maps], dim=1)
    shares = linear(weights, "se.fc2", gates).sigmoid().softmax(dim=1)[..., None, None]
    return torch.cat([shares[:, i] * maps[i] for i in (3, 2, 1, 0)], dim=1)


CASES = [
    Case(
        "hujie-frank/SENet",
        SqueezeExcitation(12, 4),
        layer("1x1_down", 3, 12, 1, 1) | layer("1x1_up", 12, 3, 1, 1),
        squeeze_excitation("1x1_down", "1x1_up"),
        ((2, 12, 5, 4),),
    ),
    Case(
        "implus/PytorchInsight",
        SqueezeExcitation(12, 4),
        layer("fc.0", 3, 12) | layer("fc.2", 12, 3),
        squeeze_excitation("fc.0", "fc.2"),
        ((2, 12, 5, 4),),
    ),
    Case(
        "BangguWu/ECANet",
        EfficientChannelAttention(12, kernel_size=5),
        layer("conv", 1, 1, 5, bias=False),
        efficient_channel,
        ((2, 12, 5, 4),),
    ),
    *(
        Case(
            "xvjiarui/GCNet",
            GlobalContext(12, 4, multiply=fusion == "mul"),
            layer("conv_mask", 1, 12, 1, 1)
            | layer(f"channel_{fusion}_conv.0", 3, 12, 1, 1)
            | dict.fromkeys(
                (f"channel_{fusion}_conv.1.weight", f"channel_{fusion}_conv.1.bias"), (3, 1, 1)
            )
            | layer(f"channel_{fusion}_conv.3", 12, 3, 1, 1),
            global_context(fusion),
            ((2, 12, 5, 4),),
            dispensable=r"^conv_mask\.bias$",
        )
        for fusion in ("add", "mul")
    ),
    Case(
        "implus/SKNet",
        SelectiveKernel(64, stride=2),
        layer("3x3g32", 64, 2, 3, 3, bias=False)
        | batch_norm("3x3g32/bn", 64)
        | layer("3x3g32d2", 64, 2, 3, 3, bias=False)
        | batch_norm("3x3g32d2/bn", 64)
        | layer("B_fc1", 32, 64, 1, 1, bias=False)
        | batch_norm("B_fc1/bn", 32)
        | layer("B_fc2", 128, 32, 1, 1, bias=False),
        selective_kernel,
        ((2, 64, 7, 6),),
    ),
    Case(
        "murufeng/EPSANet",
        PyramidSplitAttention(64, (9, 7, 5, 3), (16, 8, 4, 1), stride=2),
        layer("conv_1", 16, 64, 3, 3, bias=False)
        | layer("conv_2", 16, 16, 5, 5, bias=False)
        | layer("conv_3", 16, 8, 7, 7, bias=False)
        | layer("conv_4", 16, 4, 9, 9, bias=False)
        | layer("se.fc1", 1, 16, 1, 1)
        | layer("se.fc2", 16, 1, 1, 1),
        pyramid_split,
        ((2, 64, 7, 6),),
    ),
]
