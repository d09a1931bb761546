"""Linear attention in other people's packages."""

import torch
from torch import nn


class _Heads(nn.Module):
    """Their single head without projections, shared by several heads between a query and a last
    layer, as in the paper's Algorithm 2, which their package has not."""

    def __init__(self, m):
        super().__init__()
        from fightingcv_attention.attention.ExternalAttention import ExternalAttention

        slots, head_dim = m.key_memory.weight.shape
        width = m.heads * head_dim
        self.heads = m.heads
        self.query = nn.Linear(m.dim, width, bias=False) if m.heads > 1 else nn.Identity()
        self.attention = ExternalAttention(head_dim, slots)
        self.out = nn.Linear(width, m.dim) if m.heads > 1 else nn.Identity()

    def forward(self, x):
        parts = self.query(x).chunk(self.heads, dim=-1)
        return self.out(torch.cat([self.attention(part) for part in parts], dim=-1))


def ancestor_external(m):
    state = {
        "attention.mk.weight": m.key_memory.weight,
        "attention.mv.weight": m.value_memory.weight,
    }
    state |= {f"query.{k}": v for k, v in m.query.state_dict(keep_vars=True).items()}
    state |= {f"out.{k}": v for k, v in m.out.state_dict(keep_vars=True).items()}
    return _Heads(m), state


ORACLES = {
    "ExternalAttention": {
        "fightingcv_attention.attention.ExternalAttention.ExternalAttention": ancestor_external,
    },
}
