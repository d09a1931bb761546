"""Dense attention in torch itself."""

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
        "attention.in_proj_weight": m.query_key_value.weight,
        "attention.out_proj.weight": m.out.weight,
    }
    if m.out.bias is not None:
        state["attention.in_proj_bias"] = m.query_key_value.bias
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


ORACLES = {
    "MultiHeadAttention": {"torch.nn.MultiheadAttention": torch_multi_head},
    "SimplifiedSelfAttention": {
        "torch.nn.functional.scaled_dot_product_attention": torch_simplified
    },
}
