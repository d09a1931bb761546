"""Attention and convolution in one block, as its authors compute it."""

import torch
import torch.nn.functional as F

from attention_lib.hybrid import (
    ACmix,
    ContextualTransformer,
    MobileViTBlock,
    ParallelMultiScaleAttention,
    RelativeAttention,
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


def acmix(weights, x):
    """Two heads, of 3 channels each; attention reads 5 × 5 pixels of the mirrored map."""
    batch, _, height, width = x.shape
    query, key, value = (conv(weights, f"conv{i}", x) for i in (1, 2, 3))
    row, column = (torch.linspace(-1, 1, size, dtype=x.dtype) for size in (height, width))
    place = torch.stack(torch.meshgrid(column, row, indexing="xy"))[None]
    place = conv(weights, "conv_p", place)

    def around(maps):
        maps = maps.reshape(-1, 3, height, width)
        seen = F.unfold(F.pad(maps, (2, 2, 2, 2), mode="reflect"), 5)
        return seen.reshape(len(maps), 3, 25, height, width)

    asked = query.reshape(-1, 3, 1, height, width) * 3**-0.5
    logits = (asked * (around(key) + place[:, :, None] - around(place))).sum(dim=1, keepdim=True)
    attended = (logits.softmax(dim=2) * around(value)).sum(dim=2).reshape(x.shape)
    pieces = torch.cat([part.reshape(batch, 2, 3, -1) for part in (query, key, value)], dim=1)
    maps = F.conv2d(pieces, weights["fc.weight"]).transpose(1, 2).reshape(batch, -1, height, width)
    convolved = conv(weights, "dep_conv", maps, groups=3)
    return weights["rate1"] * attended + weights["rate2"] * convolved


def mobilevit(weights, x):
    def block(name, x):
        return F.silu(normed(weights, f"{name}.block.norm", conv(weights, f"{name}.block.conv", x)))

    def attention(name, x):
        joined = linear(weights, f"{name}.qkv_proj", x).unflatten(-1, (3, 4, -1))
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        shares = (query * query.shape[-1] ** -0.5 @ key.mT).softmax(dim=-1)
        return linear(weights, f"{name}.out_proj", (shares @ value).transpose(1, 2).flatten(2))

    near = conv(weights, "local_rep.conv_1x1.block.conv", block("local_rep.conv_3x3", x))
    batch, dim, height, width = near.shape
    patches = near.reshape(batch, dim, height // 2, 2, width // 2, 2)
    tokens = patches.permute(0, 3, 5, 2, 4, 1).reshape(batch * 4, -1, dim)
    for i in range(2):
        name = f"global_rep.{i}.pre_norm_"
        tokens = tokens + attention(name + "mha.1", layer_normed(weights, name + "mha.0", tokens))
        hidden = linear(weights, name + "ffn.1", layer_normed(weights, name + "ffn.0", tokens))
        tokens = tokens + linear(weights, name + "ffn.4", F.silu(hidden))
    tokens = layer_normed(weights, "global_rep.2", tokens)
    patches = tokens.reshape(batch, 2, 2, height // 2, width // 2, dim)
    far = patches.permute(0, 5, 3, 1, 4, 2).reshape(near.shape)
    return block("fusion", torch.cat([x, block("conv_proj", far)], dim=1))


def parallel_multi_scale(weights, x):
    joined = F.linear(x, weights["self_attn.in_proj_weight"], weights["self_attn.in_proj_bias"])
    query, key, value = (part.unflatten(2, (3, -1)) for part in joined.chunk(3, dim=2))
    logits = torch.einsum("bnhd,bmhd->bhnm", query * query.shape[3] ** -0.5, key)
    far = torch.einsum("bhnm,bmhd->bnhd", logits.softmax(dim=-1), value).flatten(2)
    near = 0
    for i, share in enumerate(weights["self_attn.dynamic_gate_para"].softmax(dim=0)):
        taps = linear(weights, f"self_attn.dynamics.{i}.weight_linear", value.flatten(2))
        taps = taps.unflatten(2, (3, -1)).softmax(dim=3)
        beside = taps.shape[3] // 2
        around = F.pad(value, (0, 0, 0, 0, beside, beside)).unfold(1, taps.shape[3], 1)
        near = near + share * (around * taps[:, :, :, None]).sum(dim=-1).flatten(2)
    attended = linear(weights, "self_attn.out_proj", torch.cat([far, near], dim=2))
    return attended + linear(weights, "fc2", linear(weights, "fc1", x).relu())


def contextual(weights, x):
    batch, channels, height, width = x.shape
    static = conv(weights, "key_embed.0", x, groups=4)
    static = normed(weights, "key_embed.1", static).relu()
    both = torch.cat([x, static], dim=1)
    hidden = normed(weights, "embed.1", conv(weights, "embed.0", both)).relu()
    logits = conv(weights, "embed.3", hidden)
    logits = F.group_norm(logits, channels // 8, weights["embed.4.weight"], weights["embed.4.bias"])
    logits = logits.reshape(batch, 1, channels // 8, 9, height, width)
    value = normed(weights, "conv1x1.1", conv(weights, "conv1x1.0", x))
    value = F.unfold(value, 3, padding=1).reshape(batch, 8, channels // 8, 9, height, width)
    dynamic = F.silu(normed(weights, "bn", (logits * value).sum(dim=3).reshape(x.shape)))
    squeezed = means(dynamic + static)[..., None, None]
    hidden = normed(weights, "se.1", conv(weights, "se.0", squeezed)).relu()
    shares = conv(weights, "se.3", hidden).reshape(batch, channels, 2, 1, 1).softmax(dim=2)
    return shares[:, :, 0] * dynamic + shares[:, :, 1] * static


def relative(weights, x):
    def layer_norm(name, x):
        names = f"{name}/gamma", f"{name}/beta"
        return F.layer_norm(x, x.shape[-1:], *(weights[each] for each in names))

    def dense(name, x, *axes):
        return torch.tensordot(x, weights[f"{name}/weight"], *axes) + weights[f"{name}/bias"]

    height, width = x.shape[2:]
    tokens = x.flatten(2).mT
    normed_tokens = layer_norm("attn_layer_norm", tokens)
    query, key, value = (dense(f"attention/{name}", normed_tokens, 1) for name in "qkv")
    logits = torch.einsum("bsnd,btnd->bnst", query * query.shape[-1] ** -0.5, key)
    table, bias = weights["attention/relative_bias"], torch.zeros_like(logits[0])
    for s in range(height * width):
        for t in range(height * width):  # by the steps from query to key
            down, right = t // width - s // width, t % width - s % width
            bias[:, s, t] = table[:, down + height - 1, right + width - 1]
    gathered = torch.einsum("bnst,btnd->bsnd", (logits + bias).softmax(dim=-1), value)
    tokens = tokens + dense("attention/o", gathered, 2)
    hidden = F.gelu(dense("ffn/expand_dense", layer_norm("ffn_layer_norm", tokens), 1))
    tokens = tokens + dense("ffn/shrink_dense", hidden, 1)
    return tokens.mT.unflatten(2, (height, width))


def transformer(i):
    name = f"global_rep.{i}.pre_norm_"
    return (
        norm(name + "mha.0", 8)
        | layer(name + "mha.1.qkv_proj", 24, 8)
        | layer(name + "mha.1.out_proj", 8, 8)
        | norm(name + "ffn.0", 8)
        | layer(name + "ffn.1", 16, 8)
        | layer(name + "ffn.4", 8, 16)
    )


def convolved(name, out, into, size):
    return layer(f"{name}.block.conv", out, into, size, size, bias=False) | batch_norm(
        f"{name}.block.norm", out
    )


def tensorflow_norm(name, size):
    return {f"{name}/gamma": (size,), f"{name}/beta": (size,)}


CASES = [
    Case(
        "LeapLabTHU/ACmix",
        ACmix(6, kernel_attention=5, heads=2, mirror=True),
        layer("conv1", 6, 6, 1, 1)
        | layer("conv2", 6, 6, 1, 1)
        | layer("conv3", 6, 6, 1, 1)
        | layer("conv_p", 3, 2, 1, 1)
        | layer("fc", 9, 6, 1, 1, bias=False)
        | layer("dep_conv", 6, 9, 3, 3, bias=False)
        | {"rate1": (1,), "rate2": (1,)},
        acmix,
        ((2, 6, 7, 5),),
        dispensable=r"^conv_p\.bias$",
    ),
    Case(
        "apple/ml-cvnets",
        MobileViTBlock(7, 8),
        convolved("local_rep.conv_3x3", 7, 7, 3)
        | layer("local_rep.conv_1x1.block.conv", 8, 7, 1, 1, bias=False)
        | transformer(0)
        | transformer(1)
        | norm("global_rep.2", 8)
        | convolved("conv_proj", 7, 8, 1)
        | convolved("fusion", 7, 14, 3),
        mobilevit,
        ((2, 7, 6, 4),),
    ),
    Case(
        "lancopku/MUSE",
        ParallelMultiScaleAttention(12, heads=3, kernel_sizes=(3, 5), expansion=2, bias=True),
        {"self_attn.in_proj_weight": (36, 12), "self_attn.in_proj_bias": (36,)}
        | layer("self_attn.dynamics.0.weight_linear", 9, 12, bias=False)
        | layer("self_attn.dynamics.1.weight_linear", 15, 12, bias=False)
        | {"self_attn.dynamic_gate_para": (2,)}
        | layer("self_attn.out_proj", 12, 24)
        | layer("fc1", 24, 12)
        | layer("fc2", 12, 24)
        | norm("self_attn_layer_norm", 12),
        parallel_multi_scale,
        ((2, 7, 12),),
        dispensable="^self_attn_layer_norm",
    ),
    Case(
        "JDAI-CV/CoTNet",
        ContextualTransformer(16),
        layer("key_embed.0", 16, 4, 3, 3, bias=False)
        | batch_norm("key_embed.1", 16)
        | layer("embed.0", 8, 32, 1, 1, bias=False)
        | batch_norm("embed.1", 8)
        | layer("embed.3", 18, 8, 1, 1)
        | norm("embed.4", 18)
        | layer("conv1x1.0", 16, 16, 1, 1, bias=False)
        | batch_norm("conv1x1.1", 16)
        | batch_norm("bn", 16)
        | layer("se.0", 32, 16, 1, 1)
        | batch_norm("se.1", 32)
        | layer("se.3", 32, 32, 1, 1),
        contextual,
        ((2, 16, 5, 4),),
        dispensable=r"^se\.0\.bias$",  # an answer does, but a convolution may have none
    ),
    Case(
        "google-research/maxvit",
        RelativeAttention(6, table_height=3, table_width=3, head_dim=2),
        tensorflow_norm("attn_layer_norm", 6)
        | {f"attention/{name}/weight": (6, 3, 2) for name in "qkv"}
        | {f"attention/{name}/bias": (3, 2) for name in "qkv"}
        | {"attention/o/weight": (3, 2, 6), "attention/o/bias": (6,)}
        | {"attention/relative_bias": (3, 5, 5)}
        | tensorflow_norm("ffn_layer_norm", 6)
        | {"ffn/expand_dense/weight": (6, 24), "ffn/expand_dense/bias": (24,)}
        | {"ffn/shrink_dense/weight": (24, 6), "ffn/shrink_dense/bias": (6,)},
        relative,
        ((2, 6, 3, 3),),
    ),
]
