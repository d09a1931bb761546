"""Attention and convolution in one block."""

from typing import Any

import torch
from torch import Tensor

from attention_lib.official.tables import (
    Joined,
    Published,
    Rule,
    Table,
    added,
    first_half,
    second_half,
    squeezed,
    stacked,
    taken_off,
    transposed,
)


def stacked_heads(*tensors: Tensor) -> Tensor:
    """(channels, heads, head_dim) of several layers as one matrix that multiplies from the left."""
    return stacked(*(tensor.flatten(1).mT for tensor in tensors))


def stacked_biases(*tensors: Tensor) -> Tensor:
    return stacked(*(tensor.flatten() for tensor in tensors))


def out_of_heads(tensor: Tensor) -> Tensor:
    """(heads, head_dim, channels) as one matrix that multiplies from the left."""
    return tensor.flatten(0, 1).mT


def turned(tensor: Tensor) -> Tensor:
    """A table of steps from query to key as one of steps from key to query."""
    return tensor.flip(1, 2)


def no_bias(tensor: Tensor) -> Tensor:
    """Beside the weight of a layer whose bias theirs has lost."""
    return tensor.new_zeros(len(tensor))


def acmix(module: Any) -> Table:
    """Ours has the channels of a head's features side by side, theirs head after head."""

    def by_feature(*tensors: Tensor) -> Tensor:
        parts = torch.stack(tensors).unflatten(1, (module.heads, module.head_dim))
        return parts.movedim(2, 0).flatten(0, 2)

    return (
        Joined(
            "query_key_value.weight", ("conv1.weight", "conv2.weight", "conv3.weight"), by_feature
        ),
        Joined("query_key_value.bias", ("conv1.bias", "conv2.bias", "conv3.bias"), by_feature),
        Rule(r"^conv_p\.weight$", "position.weight"),
        Rule(r"^conv_p\.bias$", ""),  # pixel and key have the same
        Rule(r"^fc\.", "mix."),
        Rule(r"^dep_conv\.weight$", "shift.weight"),
        Joined("shift.bias", ("dep_conv.weight",), no_bias),
        Rule(r"^rate1$", "attention_rate"),
        Rule(r"^rate2$", "convolution_rate"),
    )


TABLES = {
    "ACmix": (
        Published(
            "LeapLabTHU/ACmix@81dddb6:ResNet/test_bottleneck.py",
            acmix,
            needs="`mirror=True`",
        ),
    ),
    "MobileViTBlock": (
        Published(
            "apple/ml-cvnets@7771756:cvnets/modules/mobilevit_block.py",
            (
                Rule(r"^local_rep\.conv_3x3\.block\.conv\.", "near.0."),
                Rule(r"^local_rep\.conv_3x3\.block\.norm\.", "near.1."),
                Rule(r"^local_rep\.conv_1x1\.block\.conv\.", "near.3."),
                Rule(r"^global_rep\.(\d+)\.pre_norm_mha\.0\.", r"layers.\1.norm."),
                Rule(
                    r"^global_rep\.(\d+)\.pre_norm_mha\.1\.qkv_proj\.",
                    r"layers.\1.query_key_value.",
                ),
                Rule(r"^global_rep\.(\d+)\.pre_norm_mha\.1\.out_proj\.", r"layers.\1.out."),
                Rule(r"^global_rep\.(\d+)\.pre_norm_ffn\.([01])\.", r"layers.\1.feed.\2."),
                Rule(r"^global_rep\.(\d+)\.pre_norm_ffn\.4\.", r"layers.\1.feed.3."),
                Rule(r"^global_rep\.\d+\.(weight|bias)$", r"norm.\1"),
                Rule(r"^conv_proj\.block\.conv\.", "far.0."),
                Rule(r"^conv_proj\.block\.norm\.", "far.1."),
                Rule(r"^fusion\.block\.conv\.", "fuse.0."),
                Rule(r"^fusion\.block\.norm\.", "fuse.1."),
            ),
        ),
    ),
    "ParallelMultiScaleAttention": (
        Published(
            "lancopku/MUSE@86a988b:fairseq/models/combine_transformer.py",
            (
                Rule(r"^self_attn\.in_proj_(weight|bias)$", r"query_key_value.\1"),
                Rule(r"^self_attn\.dynamics\.(\d+)\.weight_linear\.", r"kernels.\1."),
                Rule(r"^self_attn\.dynamic_gate_para$", "select"),
                Joined("out_attention.weight", ("self_attn.out_proj.weight",), first_half),
                Joined("out_convolution.weight", ("self_attn.out_proj.weight",), second_half),
                Rule(r"^fc1\.", "expand."),
                Rule(r"^fc2\.weight$", "contract.weight"),
                Joined("contract.bias", ("fc2.bias", "self_attn.out_proj.bias"), added),
                Rule(r"^self_attn_layer_norm\.", ""),  # around it
            ),
            needs="`bias=True`, and `read_padding=True` where tokens are padded; encoders alone",
        ),
    ),
    "ContextualTransformer": (
        Published(
            "JDAI-CV/CoTNet@895e024:models/cotnet.py",
            (
                Rule(r"^key_embed\.", "static."),
                Joined("compare.weight", ("embed.0.weight",), first_half),
                Joined("compare_static.weight", ("embed.0.weight",), second_half),
                Rule(r"^embed\.1\.", "attend.0."),
                Rule(r"^embed\.3\.", "attend.2."),
                Rule(r"^embed\.4\.", "attend.3."),
                Rule(r"^conv1x1\.", "value."),
                Rule(r"^bn\.", "normalize."),
                Rule(r"^se\.0\.weight$", "squash.0.weight", squeezed),
                Rule(r"^se\.1\.", "squash.1."),
                Joined("squash.1.running_mean", ("se.1.running_mean", "se.0.bias"), taken_off),
                Rule(r"^se\.3\.", "excite.", squeezed),
            ),
        ),
    ),
    "RelativeAttention": (
        Published(
            "google-research/maxvit@70a4707:maxvit/models/maxvit.py",
            (
                Rule(r"^attn_layer_norm/gamma$", "norm.weight"),
                Rule(r"^attn_layer_norm/beta$", "norm.bias"),
                Joined(
                    "query_key_value.weight",
                    ("attention/q/weight", "attention/k/weight", "attention/v/weight"),
                    stacked_heads,
                ),
                Joined(
                    "query_key_value.bias",
                    ("attention/q/bias", "attention/k/bias", "attention/v/bias"),
                    stacked_biases,
                ),
                Rule(r"^attention/relative_bias$", "table", turned),
                Rule(r"^attention/o/weight$", "out.weight", out_of_heads),
                Rule(r"^attention/o/bias$", "out.bias"),
                Rule(r"^ffn_layer_norm/gamma$", "feed.0.weight"),
                Rule(r"^ffn_layer_norm/beta$", "feed.0.bias"),
                Rule(r"^ffn/expand_dense/(weight|bias)$", r"feed.1.\1", transposed),
                Rule(r"^ffn/shrink_dense/(weight|bias)$", r"feed.3.\1", transposed),
            ),
            needs="the size of the map as that of the table",
        ),
    ),
}
