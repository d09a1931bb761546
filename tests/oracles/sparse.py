"""Sparse attention in vit-pytorch."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from vit_pytorch import crossformer


class _Bias(nn.Module):
    """Their bias network, for every head, on the (2G - 1)² displacements that a group has.

    Theirs is asked for (2G + 1)² of them and read as if it had been for (2G - 1)²; and it makes
    one bias for all heads.  A last entry hides.
    """

    def __init__(self, m):
        super().__init__()
        self.network = crossformer.DynamicPositionBias(m.hidden)
        self.network[-2:] = nn.Sequential(nn.Linear(m.hidden, m.heads, bias=False))
        self.side = 2 * m.group_size + 1

    def forward(self, steps):
        made = self.network(steps.to(self.network[0].weight.dtype))
        inner = made.view(self.side, self.side, -1)[1:-1, 1:-1]
        return F.pad(inner.permute(2, 0, 1).flatten(), (0, 1), value=-torch.inf)


class _CrossFormer(nn.Module):
    """Their attention on a map that is padded and, for the long distance, cut into blocks.

    Theirs begins with a norm, wants a map that the groups divide, hides nothing, and spans the
    whole map with each long-distance group.
    """

    def __init__(self, m):
        super().__init__()
        self.heads, self.size, self.interval = m.heads, m.group_size, m.interval
        kind, head_dim = "short" if m.interval == 1 else "long", m.channels // m.heads
        theirs = crossformer.Attention(m.channels, kind, m.group_size, dim_head=head_dim)
        theirs.norm, theirs.dpb = nn.Identity(), _Bias(m)
        self.attention, self.places = theirs, theirs.rel_pos_indices

    def forward(self, x):
        height, width = x.shape[-2:]
        block = self.size * self.interval
        x = F.pad(x, (0, -width % block, 0, -height % block))
        real = torch.zeros_like(x[:1, :1], dtype=torch.bool)
        real[..., :height, :width] = True
        sides = dict(r=x.shape[-2] // block, s=x.shape[-1] // block)
        if self.interval == 1:
            groups = rearrange(real, "1 1 (r g) (s k) -> (r s) (g k)", **sides)
            self.attention.rel_pos_indices = self._looked_up(groups, len(x))
            return self.attention(x)[..., :height, :width]
        groups = rearrange(
            *(real, "1 1 (r g i) (s k j) -> (r s i j) (g k)"),
            **sides | dict(i=self.interval, j=self.interval),
        )
        self.attention.rel_pos_indices = self._looked_up(groups, len(x))
        y = self.attention(rearrange(x, "b c (r u) (s v) -> (b r s) c u v", **sides))
        y = rearrange(y, "(b r s) c u v -> b c (r u) (s v)", **sides)
        return y[..., :height, :width]

    def _looked_up(self, real, batch):
        """Where in their table the bias of a head stands for each pair of a group."""
        number = (2 * self.size - 1) ** 2
        places = self.places + number * torch.arange(self.heads)[:, None, None]
        if real.all():
            return places
        hidden = ~real[:, None, None, :] & real[:, None, :, None]
        return places.where(~hidden, number * self.heads).repeat(batch, 1, 1, 1)


def vit_pytorch_long_short(m):
    bias = m.position_bias.state_dict(prefix="attention.dpb.network.", keep_vars=True)
    state = dict(bias) | {
        "attention.to_qkv.weight": m.query_key_value.weight[..., None, None],
        "attention.to_out.weight": m.out.weight[..., None, None],
        "attention.to_out.bias": m.out.bias,
    }
    return _CrossFormer(m), state


ORACLES = {
    "LongShortDistanceAttention": {"vit_pytorch.crossformer.Attention": vit_pytorch_long_short}
}
