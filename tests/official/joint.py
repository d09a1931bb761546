"""Attention to feature and place together, as its authors compute it."""

import torch
import torch.nn.functional as F

from attention_lib.joint import (
    BottleneckAttention,
    ConvolutionalBlockAttention,
    DualAttention,
    ParNetAttention,
    PolarizedSelfAttention,
    ShuffleAttention,
    TripletAttention,
)
from tests.support.official import (
    Case,
    batch_norm,
    conv,
    layer,
    layer_normed,
    linear,
    means,
    norm,
    normed,
)


def two_pictures(x):
    return torch.stack([x.amax(dim=1), x.mean(dim=1)], dim=1)


def convolutional_block(weights, x):
    gate = 0
    for squeezed in (x.amax(dim=(2, 3)), means(x)):
        hidden = linear(weights, "ChannelGate.mlp.1", squeezed).relu()
        gate = gate + linear(weights, "ChannelGate.mlp.3", hidden)
    x = gate.sigmoid()[..., None, None] * x
    picture = conv(weights, "SpatialGate.spatial.conv", two_pictures(x))
    return normed(weights, "SpatialGate.spatial.bn", picture).sigmoid() * x


def bottleneck(weights, x):
    name = "channel_att.gate_c.gate_c_"
    hidden = normed(weights, name + "bn_1", linear(weights, name + "fc_0", means(x))).relu()
    channel = linear(weights, name + "fc_final", hidden)[..., None, None]
    name, place = "spatial_att.gate_s.gate_s_", x
    for step, dilation in (("reduce0", 1), ("di_0", 4), ("di_1", 4)):
        place = conv(weights, f"{name}conv_{step}", place, dilation=dilation)
        place = normed(weights, f"{name}bn_{step}", place).relu()
    place = conv(weights, name + "conv_final", place)
    return (1 + (channel * place).sigmoid()) * x


def dual(weights, x):
    maps = x.flatten(2)
    query, key, value = (
        linear(weights, f"sa.{name}_conv", maps.mT) for name in ("query", "key", "value")
    )
    gathered = ((query @ key.mT).softmax(dim=-1) @ value).mT
    energy = maps @ maps.mT
    unlike = (energy.amax(dim=-1, keepdim=True) - energy).softmax(dim=-1)
    both = weights["sa.gamma"] * gathered + maps, weights["sc.gamma"] * (unlike @ maps) + maps
    return sum(both).view_as(x)


def shuffle(weights, x):
    batch, channels, height, width = x.shape
    groups = x.reshape(batch * 2, channels // 2, height, width)
    first, second = groups.chunk(2, dim=1)
    gate = weights["cweight"] * first.mean(dim=(2, 3), keepdim=True) + weights["cbias"]
    scaled = F.group_norm(second, channels // 4, weights["gn.weight"], weights["gn.bias"])
    place = weights["sweight"] * scaled + weights["sbias"]
    joined = torch.cat([gate.sigmoid() * first, place.sigmoid() * second], dim=1)
    sides = joined.reshape(batch, 2, channels // 2, height, width)
    return sides.transpose(1, 2).reshape(x.shape)


def polarized(weights, x):
    """PSA_p."""
    shares = conv(weights, "conv_q_right", x).flatten(2).softmax(dim=2)
    context = conv(weights, "conv_v_right", x).flatten(2) @ shares.mT
    channel = linear(weights, "conv_up", context.squeeze(2)).sigmoid()[..., None, None]
    query = means(conv(weights, "conv_q_left", x))
    logits = query[:, None] @ conv(weights, "conv_v_left", x).flatten(2)
    place = logits.softmax(dim=2).sigmoid().unflatten(2, x.shape[2:])
    return place * x + channel * x


def polarized_in_sequence(weights, x):
    """PSA_s."""
    shares = conv(weights, "conv_q_right", x).flatten(2).softmax(dim=2)
    context = conv(weights, "conv_v_right", x).flatten(2) @ shares.mT
    hidden = conv(weights, "conv_up.0", context[..., None])
    hidden = layer_normed(weights, "conv_up.1", hidden).relu()
    x = conv(weights, "conv_up.3", hidden).sigmoid() * x
    query = means(conv(weights, "conv_q_left", x))
    values = conv(weights, "conv_v_left", x).flatten(2).softmax(dim=2)
    return (query[:, None] @ values).sigmoid().unflatten(2, x.shape[2:]) * x


def triplet(cw, hc, hw):
    def answer(weights, x):
        total = 0
        for (name, end), axes in ((cw, (0, 2, 1, 3)), (hc, (0, 3, 2, 1)), (hw, (0, 1, 2, 3))):
            turned = x.permute(axes)
            picture = conv(weights, f"{name}.{end}.conv", two_pictures(turned))
            gate = normed(weights, f"{name}.{end}.bn", picture).sigmoid()
            total = total + (gate * turned).permute(axes)
        return total / 3

    return answer


def parnet(weights, x):
    skip = normed(weights, "rbr_identity", x)
    gate = linear(weights, "se.cvsig.conv", means(skip)).sigmoid()[..., None, None]
    total = gate * skip
    for branch in ("rbr_1x1", "rbr_dense"):
        total = total + normed(weights, branch + ".bn", conv(weights, branch + ".conv", x))
    return F.silu(total)


def gates(*names):
    shapes = {}
    for name in names:
        shapes |= layer(f"{name}.conv", 1, 2, 7, 7, bias=False) | batch_norm(f"{name}.bn", 1)
    return shapes


def polarized_layers(channels):
    shapes = layer("conv_q_right", 1, channels, 1, 1, bias=False)
    for name in ("conv_v_right", "conv_q_left", "conv_v_left"):
        shapes |= layer(name, channels // 2, channels, 1, 1, bias=False)
    return shapes


BAM, PLACE = "channel_att.gate_c.gate_c_", "spatial_att.gate_s.gate_s_"
CASES = [
    Case(
        "Jongchan/attention-module@459efad:MODELS/cbam.py",
        ConvolutionalBlockAttention(12, 4),
        layer("ChannelGate.mlp.1", 3, 12)
        | layer("ChannelGate.mlp.3", 12, 3)
        | gates("SpatialGate.spatial"),
        convolutional_block,
        ((2, 12, 5, 4),),
    ),
    Case(
        "Jongchan/attention-module@459efad:MODELS/bam.py",
        BottleneckAttention(12, 4, multiply=True),
        layer(BAM + "fc_0", 3, 12)
        | batch_norm(BAM + "bn_1", 3)
        | layer(BAM + "fc_final", 12, 3)
        | layer(PLACE + "conv_reduce0", 3, 12, 1, 1)
        | batch_norm(PLACE + "bn_reduce0", 3)
        | layer(PLACE + "conv_di_0", 3, 3, 3, 3)
        | batch_norm(PLACE + "bn_di_0", 3)
        | layer(PLACE + "conv_di_1", 3, 3, 3, 3)
        | batch_norm(PLACE + "bn_di_1", 3)
        | layer(PLACE + "conv_final", 1, 3, 1, 1),
        bottleneck,
        ((2, 12, 9, 7),),
    ),
    Case(
        "junfu1115/DANet",
        DualAttention(16, least_alike=True),
        layer("sa.query_conv", 2, 16, 1, 1)
        | layer("sa.key_conv", 2, 16, 1, 1)
        | layer("sa.value_conv", 16, 16, 1, 1)
        | {"sa.gamma": (1,), "sc.gamma": (1,)}
        | layer("conv5a.0", 16, 64, 3, 3, bias=False)
        | batch_norm("conv51.1", 16),
        dual,
        ((2, 16, 5, 4),),
        dispensable=r"^conv|key_conv\.bias$",
    ),
    Case(
        "wofmanaf/SA-Net",
        ShuffleAttention(12, groups=2),
        dict.fromkeys(("cweight", "cbias", "sweight", "sbias"), (1, 3, 1, 1)) | norm("gn", 3),
        shuffle,
        ((2, 12, 5, 4),),
    ),
    Case(
        "DeLightCMU/PSA",
        PolarizedSelfAttention(12, released=True),
        polarized_layers(12) | layer("conv_up", 12, 6, 1, 1, bias=False),
        polarized,
        ((2, 12, 5, 4),),
    ),
    Case(
        "DeLightCMU/PSA",
        PolarizedSelfAttention(16, parallel=False, released=True),
        polarized_layers(16)
        | layer("conv_up.0", 2, 8, 1, 1)
        | {"conv_up.1.weight": (2, 1, 1), "conv_up.1.bias": (2, 1, 1)}
        | layer("conv_up.3", 16, 2, 1, 1),
        polarized_in_sequence,
        ((2, 16, 5, 4),),
    ),
    Case(
        "landskape-ai/triplet-attention@2cf02fb:MODELS/",
        TripletAttention(12),
        gates("ChannelGateH.spatial", "ChannelGateW.spatial", "SpatialGate.spatial"),
        triplet(*((name, "spatial") for name in ("ChannelGateH", "ChannelGateW", "SpatialGate"))),
        ((2, 12, 5, 4),),
    ),
    Case(
        "landskape-ai/triplet-attention@2cf02fb:triplet",
        TripletAttention(12),
        gates("cw.conv", "hc.conv", "hw.conv"),
        triplet(*((name, "conv") for name in ("cw", "hc", "hw"))),
        ((2, 12, 5, 4),),
    ),
    Case(
        "imankgoyal/NonDeepNetworks",
        ParNetAttention(6),
        layer("rbr_1x1.conv", 6, 6, 1, 1, bias=False)
        | batch_norm("rbr_1x1.bn", 6)
        | layer("rbr_dense.conv", 6, 6, 3, 3, bias=False)
        | batch_norm("rbr_dense.bn", 6)
        | batch_norm("rbr_identity", 6)
        | layer("se.cvsig.conv", 6, 6, 1, 1, bias=False),
        parnet,
        ((2, 6, 5, 4),),
    ),
]
