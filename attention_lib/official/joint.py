"""Attention to feature and place together."""

from typing import Any

from torch import Tensor

from attention_lib.official.tables import Published, Rule, Table, flat, squeezed

GATES = "Jongchan/attention-module@459efad:MODELS/"
TRIPLET = "landskape-ai/triplet-attention@2cf02fb:"


def across(tensor: Tensor) -> Tensor:
    """The weight of a 1×1 convolution as that of a linear layer the other way round."""
    return tensor.flatten(1).mT


def polarized(module: Any) -> Table:
    """Ours projects one vector where it can, which theirs does with every place."""
    return (
        Rule(r"^conv_q_right\.", "channel_query."),
        Rule(r"^conv_v_right\.", "channel_value.", squeezed),
        Rule(r"^conv_up\.1\.", "channel_out.1.", flat),
        Rule(r"^conv_up\.", "channel_out.", squeezed),
        Rule(r"^conv_q_left\.", "spatial_query.", squeezed),
        Rule(r"^conv_v_left\.", "spatial_value.", squeezed if module.bottleneck else across),
    )


def _normed(theirs: str, ours: str) -> Table:
    """A convolution and the norm behind it, which ours holds one after the other."""
    return Rule(rf"^{theirs}\.conv\.", f"{ours}.0."), Rule(rf"^{theirs}\.bn\.", f"{ours}.1.")


TABLES = {
    "ConvolutionalBlockAttention": (
        Published(
            GATES + "cbam.py",
            (
                Rule(r"^ChannelGate\.mlp\.1\.", "squash."),
                Rule(r"^ChannelGate\.mlp\.3\.", "excite."),
                *_normed(r"SpatialGate\.spatial", "mix"),
            ),
        ),
    ),
    "BottleneckAttention": (
        Published(
            GATES + "bam.py",
            (
                Rule(r"^channel_att\.gate_c\.gate_c_fc_0\.", "channel_branch.0."),
                Rule(r"^channel_att\.gate_c\.gate_c_bn_1\.", "channel_branch.1."),
                Rule(r"^channel_att\.gate_c\.gate_c_fc_final\.", "channel_branch.3."),
                Rule(r"^spatial_att\.gate_s\.gate_s_conv_reduce0\.", "spatial_branch.0."),
                Rule(r"^spatial_att\.gate_s\.gate_s_bn_reduce0\.", "spatial_branch.1."),
                Rule(r"^spatial_att\.gate_s\.gate_s_conv_di_0\.", "spatial_branch.3."),
                Rule(r"^spatial_att\.gate_s\.gate_s_bn_di_0\.", "spatial_branch.4."),
                Rule(r"^spatial_att\.gate_s\.gate_s_conv_di_1\.", "spatial_branch.6."),
                Rule(r"^spatial_att\.gate_s\.gate_s_bn_di_1\.", "spatial_branch.7."),
                Rule(r"^spatial_att\.gate_s\.gate_s_conv_final\.", "spatial_branch.9."),
            ),
            needs="`multiply=True`",
        ),
    ),
    "ShuffleAttention": (
        Published(
            "wofmanaf/SA-Net@00a6760:models/sa_resnet.py",
            (
                Rule(r"^cweight$", "channel_scale", flat),
                Rule(r"^cbias$", "channel_shift", flat),
                Rule(r"^sweight$", "spatial_scale", flat),
                Rule(r"^sbias$", "spatial_shift", flat),
                Rule(r"^gn\.weight$", "norm_scale"),
                Rule(r"^gn\.bias$", "norm_shift"),
            ),
        ),
    ),
    "DualAttention": (
        Published(
            "junfu1115/DANet@b0a0fa0:encoding/nn/da_att.py",
            (
                Rule(r"^sa\.query_conv\.", "query.", squeezed),
                Rule(r"^sa\.key_conv\.weight$", "key.weight", squeezed),
                Rule(r"^sa\.key_conv\.bias$", ""),  # all logits of a place share it
                Rule(r"^sa\.value_conv\.", "value.", squeezed),
                Rule(r"^sa\.gamma$", "position_scale"),
                Rule(r"^sc\.gamma$", "channel_scale"),
                Rule(r"^conv\w+\.", ""),  # around both, in DANetHead
            ),
            needs="`least_alike=True`; `position` and `channel` apart, as the convolutions of the"
            " head stand before and behind each",
        ),
    ),
    "PolarizedSelfAttention": (
        Published(
            "DeLightCMU/PSA@20e307a:semantic-segmentation/network/PSA.py",
            polarized,
            needs="`released=True`, for PSA_p; for PSA_s also `parallel=False`",
        ),
    ),
    "TripletAttention": (
        Published(
            TRIPLET + "MODELS/triplet_attention.py",
            (
                *_normed(r"ChannelGateH\.spatial", "channel_width"),
                *_normed(r"ChannelGateW\.spatial", "height_channel"),
                *_normed(r"SpatialGate\.spatial", "height_width"),
            ),
        ),
        Published(
            TRIPLET + "triplet_attention.py",
            (
                *_normed(r"cw\.conv", "channel_width"),
                *_normed(r"hc\.conv", "height_channel"),
                *_normed(r"hw\.conv", "height_width"),
            ),
        ),
    ),
    "ParNetAttention": (
        Published(
            "imankgoyal/NonDeepNetworks@777b286:imagenet/timm/models/simplenet_impl/repvgg.py",
            (
                *_normed("rbr_1x1", "point"),
                *_normed("rbr_dense", "square"),
                Rule(r"^rbr_identity\.", "skip."),
                Rule(r"^se\.cvsig\.conv\.", "excite.", squeezed),
            ),
        ),
    ),
}
WITHOUT = {
    "SimAM": "nothing in it is learned",
}
