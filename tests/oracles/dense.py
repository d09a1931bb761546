"""Dense attention in torch itself, and in the collection that this library began from."""

import torch
import torch.nn.functional as F
from torch import nn


class _Attend(nn.Module):
    """nn.MultiheadAttention called as self-attention on one argument."""

    def __init__(self, m):
        super().__init__()
        bias = m.out.bias is not None
        self.attention = nn.MultiheadAttention(m.dim, m.heads, bias=bias, batch_first=True)
        self.causal = m.causal

    def forward(self, x):
        unseen = None
        if self.causal:
            unseen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.attention(x, x, x, attn_mask=unseen, need_weights=True)[0]


def torch_multi_head(m):
    state = {
        "attention.in_proj_weight": torch.cat([m.query.weight, m.key_value.weight]),
        "attention.out_proj.weight": m.out.weight,
    }
    if m.out.bias is not None:
        state["attention.in_proj_bias"] = torch.cat([m.query.bias, m.key_value.bias])
        state["attention.out_proj.bias"] = m.out.bias
    return _Attend(m), state


class _Compare(nn.Module):
    """Torch's attention, called for one head after another on slices of the argument itself."""

    def __init__(self, m):
        super().__init__()
        self.out = nn.Linear(m.dim, m.dim)
        self.heads, self.causal = m.heads, m.causal

    def forward(self, x):
        seen = None
        if self.causal:
            seen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        attend = F.scaled_dot_product_attention
        heads = [attend(s, s, s, attn_mask=seen) for s in x.chunk(self.heads, dim=2)]
        return self.out(torch.cat(heads, dim=2))


def torch_simplified(m):
    return _Compare(m), {"out.weight": m.out.weight, "out.bias": m.out.bias}


class _Reduce(nn.Module):
    """Their EMSA, which is told the size of the map when it is built, told it at every call."""

    def __init__(self, m):
        super().__init__()
        from fightingcv_attention.attention.EMSA import EMSA

        size = m.dim // m.heads
        self.attention = EMSA(m.dim, size, size, m.heads, dropout=0.0, ratio=m.sr_ratio)
        if m.heads == 1 and not m.plain:  # theirs leaves out mixing and norm of a single head
            self.attention.apply_transform = True
            self.attention.transform = nn.Sequential()
            self.attention.transform.add_module("conv", nn.Conv2d(1, 1, 1))
            self.attention.transform.add_module("softmax", nn.Softmax(-1))
            self.attention.transform.add_module("in", nn.InstanceNorm2d(1))
        if m.sr_ratio > 1 and m.sr_ratio % 2:  # theirs cuts off the last row and column
            self.attention.sr_conv.register_forward_pre_hook(
                lambda _, inputs: F.pad(inputs[0], (0, 1, 0, 1))
            )

    def forward(self, x, height, width):
        self.attention.H, self.attention.W = height, width
        return self.attention(x, x, x)


def fightingcv_efficient_multi_head(m):
    theirs = _Reduce(m)
    key, value = m.key_value.weight.chunk(2)
    state = {
        "fc_q.weight": m.query.weight,
        "fc_k.weight": key,
        "fc_v.weight": value,
        "fc_o.weight": m.out.weight,
        "fc_o.bias": m.out.bias,
    }
    if not m.plain:
        state["transform.conv.weight"] = m.mix_heads[..., None, None]
    if m.query.bias is not None:
        state["fc_q.bias"] = m.query.bias
    if m.sr_ratio > 1:
        state["sr_conv.weight"], state["sr_conv.bias"] = m.reduce.weight, m.reduce.bias
        state["sr_ln.weight"] = m.norm_weight
    state = {f"attention.{name}": value for name, value in state.items()}
    for name, bias in theirs.state_dict().items():  # ours leaves out the biases without effect
        if name not in state and name.endswith("bias"):
            state[name] = torch.zeros_like(bias, dtype=m.out.bias.dtype)
    return theirs, state


ORACLES = {
    "MultiHeadAttention": {"torch.nn.MultiheadAttention": torch_multi_head},
    "SimplifiedSelfAttention": {
        "torch.nn.functional.scaled_dot_product_attention": torch_simplified
    },
    "EfficientMultiHeadAttention": {
        "fightingcv_attention.attention.EMSA.EMSA": fightingcv_efficient_multi_head
    },
}
