"""Hybrid attention in kecam and timm."""

import inspect
import os
from functools import partial

import torch
from timm.layers import ConvNormAct, RelPosBias
from timm.models.byobnet import LayerFn
from timm.models.maxxvit import MaxxVitTransformerCfg, TransformerBlock2d
from timm.models.mobilevit import MobileVitBlock
from torch import nn
from torch.func import functional_call


class _AnySize(nn.Module):
    """A model that is built for one height and width, built again for each that it meets."""

    def __init__(self, build):
        super().__init__()
        self.model = build(7, 5)
        self.build, self.built = build, {}

    def forward(self, x):
        height, width = x.shape[-2:]
        if (height, width) not in self.built:
            self.built[height, width] = self.build(height, width).eval()
        return functional_call(self.built[height, width], self.model.state_dict(keep_vars=True), x)


def kecam_contextual(m):
    os.environ["KECAM_BACKEND"] = "torch"
    from keras_cv_attention_models.backend import layers, models
    from keras_cv_attention_models.cotnet import cotnet

    # four numbers are fixed in their text
    text = inspect.getsource(cotnet.cot_attention)
    middle = m.compare.out_channels
    for theirs, ours in {
        "groups=4": f"groups={m.static[0].groups}",
        "reduction = 8": f"reduction = {m.share}",
        "conv2d_no_bias(qk, filters // randix": f"conv2d_no_bias(qk, {middle}",
        "max(filters * randix // 4, 32)": f"{m.hidden}",
    }.items():
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, ours)
    place = dict(vars(cotnet))
    exec(text, place)

    def build(height, width):
        x = layers.Input([m.channels, height, width])
        return models.Model(x, place["cot_attention"](x, kernel_size=m.kernel_size, name="cot_"))

    joined = torch.cat([m.compare.weight, m.compare_static.weight], dim=1)
    state = _renamed(m.static[0], "key_conv") | _renamed(m.static[1], "key_bn")
    state |= _renamed(m.value[0], "embed_1_conv") | _renamed(m.value[1], "embed_1_bn")
    state |= {"embed_ww_1_conv.weight": joined} | _renamed(m.attend[0], "embed_ww_1_bn")
    state |= _renamed(m.attend[2], "embed_ww_2_conv") | _renamed(m.attend[3], "embed_ww_group_norm")
    state |= _renamed(m.normalize, "embed_2_bn")
    # the batch normalisation behind it takes their bias away again
    state |= {"attn_se_1_conv.weight": m.squash[0].weight[..., None, None]}
    state |= {"attn_se_1_conv.bias": torch.zeros_like(m.squash[1].bias)}
    state |= _renamed(m.squash[1], "attn_se_bn")
    state |= {"attn_se_2_conv.weight": m.excite.weight[..., None, None]}
    state |= {"attn_se_2_conv.bias": m.excite.bias}
    return _AnySize(build), {f"model.cot_{name}": tensor for name, tensor in state.items()}


def timm_mobilevit(m):
    dim, channels = m.norm.normalized_shape[0], m.channels
    theirs = MobileVitBlock(
        channels,
        kernel_size=m.near[0].kernel_size[0],
        transformer_dim=dim,
        transformer_depth=len(m.layers),
        patch_size=m.patch_size,
        num_heads=m.layers[0].heads,
        layers=LayerFn(act=nn.SiLU, conv_norm_act=partial(ConvNormAct, act_layer=nn.SiLU)),
    )
    state = _renamed(m.near[0], "conv_kxk.conv") | _renamed(m.near[1], "conv_kxk.bn")
    state |= _renamed(m.near[3], "conv_1x1") | _renamed(m.norm, "norm")
    state |= _renamed(m.far[0], "conv_proj.conv") | _renamed(m.far[1], "conv_proj.bn")
    state |= _renamed(m.fuse[0], "conv_fusion.conv") | _renamed(m.fuse[1], "conv_fusion.bn")
    for i, layer in enumerate(m.layers):
        at = f"transformer.{i}"
        state |= _renamed(layer.norm, f"{at}.norm1") | _renamed(layer.feed[0], f"{at}.norm2")
        state |= _renamed(layer.query_key_value, f"{at}.attn.qkv")
        state |= _renamed(layer.out, f"{at}.attn.proj")
        state |= _renamed(layer.feed[1], f"{at}.mlp.fc1")
        state |= _renamed(layer.feed[3], f"{at}.mlp.fc2")
    return theirs, state


class _Relative(nn.Module):
    """timm's transformer block with its bias, for a map of any size.

    Its table is resized bicubically, once and for all; here bilinearly, at each call.
    """

    def __init__(self, m):
        super().__init__()
        rate = m.feed[1].out_features / m.channels
        numbers = dict(dim_head=m.head_dim, expand_ratio=rate, norm_eps=m.norm.eps)
        self.block = TransformerBlock2d(
            m.channels, m.channels, cfg=MaxxVitTransformerCfg(**numbers)
        )
        self.table = nn.Parameter(torch.empty_like(m.table))
        self.biases = {}

    def forward(self, x):
        size = tuple(x.shape[-2:])
        if size not in self.biases:
            self.biases[size] = RelPosBias(size, len(self.table))
            index = self.biases[size].relative_position_index  # kept, and so to be counted
            self.register_buffer("index", index, persistent=False)
        rows, columns = (2 * side - 1 for side in size)
        table = nn.functional.interpolate(self.table[None], (rows, columns), mode="bilinear")
        table = {"relative_position_bias_table": table[0].flatten(1).mT}
        nothing = torch.zeros((), dtype=x.dtype)
        bias = functional_call(self.biases[size], table, nothing)
        return self.block(x, shared_rel_pos=bias)


def timm_relative(m):
    def by_head(tensor):
        """Theirs has query, key and value of a head side by side."""
        return tensor.unflatten(0, (3, m.heads, m.head_dim)).transpose(0, 1).flatten(0, 2)

    def as_convolution(layer, name, order=lambda tensor: tensor):
        weight, bias = order(layer.weight)[..., None, None], order(layer.bias)
        return {f"block.{name}.weight": weight, f"block.{name}.bias": bias}

    norm, expand, _, contract = m.feed
    state = {"table": m.table} | _renamed(m.norm, "block.norm1") | _renamed(norm, "block.norm2")
    state |= as_convolution(m.query_key_value, "attn.qkv", by_head)
    state |= as_convolution(m.out, "attn.proj") | as_convolution(expand, "mlp.fc1")
    return _Relative(m), state | as_convolution(contract, "mlp.fc2")


def _renamed(layer, name):
    """The parameters and buffers of our `layer` under their name."""
    return {f"{name}.{key}": value for key, value in layer.state_dict(keep_vars=True).items()}


ORACLES = {
    "ContextualTransformer": {
        "keras_cv_attention_models.cotnet.cotnet.cot_attention": kecam_contextual,
    },
    "RelativeAttention": {"timm.models.maxxvit.TransformerBlock2d": timm_relative},
    "MobileViTBlock": {"timm.models.mobilevit.MobileVitBlock": timm_mobilevit},
}
