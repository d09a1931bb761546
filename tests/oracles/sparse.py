"""Sparse attention in other people's packages."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from vit_pytorch import crossformer

from tests.oracles.bare import bare
from tests.oracles.deformable import authors_deformable


class _InTurn(nn.Module):
    """Theirs has one layer an axis, the height first, and either adds them or applies each once."""

    def __init__(self, m):
        super().__init__()
        from axial_attention import AxialAttention

        self.layers = nn.ModuleList(
            AxialAttention(m.channels, heads=m.heads, dim_index=1).axial_attentions[axis]
            for axis in m.axes
        )
        for layer in self.layers if m.bias else ():  # theirs never has them
            layer.fn.to_q = nn.Linear(m.channels, m.channels)
            layer.fn.to_kv = nn.Linear(m.channels, 2 * m.channels)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def axial_attention(m):
    state = {}
    for i, (project, out) in enumerate(zip(m.query_key_value, m.out, strict=True)):
        query, other = project.weight.tensor_split([m.channels])
        state |= {f"layers.{i}.fn.to_q.weight": query, f"layers.{i}.fn.to_kv.weight": other}
        state |= {f"layers.{i}.fn.to_out.weight": out.weight}
        last = torch.zeros_like(out.weight[0]) if out.bias is None else out.bias
        state |= {f"layers.{i}.fn.to_out.bias": last}  # theirs always has it
        if project.bias is not None:
            query, other = project.bias.tensor_split([m.channels])
            state |= {f"layers.{i}.fn.to_q.bias": query, f"layers.{i}.fn.to_kv.bias": other}
    return _InTurn(m), state


class _Recurrent(nn.Module):
    """Theirs goes over the map once."""

    def __init__(self, once, times):
        super().__init__()
        self.once, self.times = once, times

    def forward(self, x):
        for _ in range(self.times):
            x = self.once(x)
        return x


class _Scale(nn.Module):
    """What they import from the rest of their package: a factor that is learned."""

    def __init__(self, start):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(start))

    def forward(self, x):
        return self.scale * x


class _Registry:
    def register_module(self):
        return lambda module: module


def mmcv_criss_cross(m):
    stubs = {"mmengine.registry": dict(MODELS=_Registry()), "mmcv.cnn": dict(Scale=_Scale)}
    module = bare("mmcv.ops.cc_attention", {"mmengine": {}} | stubs)
    theirs = _Recurrent(module.CrissCrossAttention(m.channels), m.recurrence)
    theirs.once.query_conv = nn.Conv2d(m.channels, m.hidden, 1)  # theirs has always C / 8
    theirs.once.key_conv = nn.Conv2d(m.channels, m.hidden, 1)
    state = {
        "query_conv.weight": m.query.weight,
        "query_conv.bias": m.query.bias,
        "key_conv.weight": m.key.weight,
        "key_conv.bias": torch.zeros_like(m.query.bias),  # without effect, and ours has none
        "value_conv.weight": m.value.weight,
        "value_conv.bias": m.value.bias,
        "gamma.scale": m.scale[0],
    }
    return theirs, {f"once.{name}": tensor for name, tensor in state.items()}


class _ChannelsLast(nn.Module):
    """Theirs takes a map as (batch, height, width, channels)."""

    def __init__(self, theirs):
        super().__init__()
        self.theirs = theirs

    def forward(self, x):
        return self.theirs(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def timm_outlook(m):
    from timm.models.volo import OutlookAttention

    theirs = OutlookAttention(
        m.channels,
        m.heads,
        kernel_size=m.kernel_size,
        padding=m.kernel_size // 2,
        stride=m.stride,
    )
    state = {
        "v.weight": m.value.weight[:, :, 0, 0],
        "attn.weight": m.logits.weight,
        "attn.bias": m.logits.bias,
        "proj.weight": m.out.weight[:, :, 0, 0],
        "proj.bias": m.out.bias,
    }
    return _ChannelsLast(theirs), {f"theirs.{name}": tensor for name, tensor in state.items()}


class _OnlyTheMap(nn.Module):
    """Theirs attends to zeros round the map, or to those that fill up its last blocks.

    One more channel is 1 on the map and 0 beyond, and one more feature of the keys reads it, by
    which every key of the map gains so much that nothing is left for one beyond it.
    """

    def __init__(self, theirs, block_size):
        super().__init__()
        self.theirs, self.block_size = theirs, block_size

    def forward(self, x):
        height, width = x.shape[-2:]
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        x = F.pad(x, (0, -width % self.block_size, 0, -height % self.block_size))
        return self.theirs(x)[..., :height, :width]


GAIN = 30.0  # for query and key alike: exp(-900) is 0


def timm_halo(m):
    from timm.layers.halo_attn import HaloAttn

    theirs = HaloAttn(
        m.channels + 1,
        dim_out=m.channels,
        num_heads=m.heads,
        dim_head=m.head_dim + 1,
        block_size=m.block_size,
        halo_size=m.halo_size,
    )
    theirs.scale = m.head_dim**-0.5
    query, key, value = m.query_key_value.weight.unflatten(0, (3, m.heads, m.head_dim))
    query, key = _mark(query), _mark(key)
    value = F.pad(value, (0, 1))
    # theirs adds offsets to products that are scaled already
    rows, columns = (_offsets(m, table) * m.head_dim**-0.5 for table in (m.rows, m.columns))
    state = {
        "q.weight": query.flatten(0, 1)[..., None, None],
        "kv.weight": torch.cat([key, value], dim=1).flatten(0, 1)[..., None, None],
        "pos_embed.height_rel": rows,
        "pos_embed.width_rel": columns,
    }
    theirs = _OnlyTheMap(theirs, m.block_size)
    return theirs, {f"theirs.{name}": tensor for name, tensor in state.items()}


def halonet(m):
    from halonet_pytorch import HaloAttention
    from halonet_pytorch.halonet_pytorch import RelPosEmb

    theirs = HaloAttention(
        dim=m.channels + 1,
        block_size=m.block_size,
        halo_size=max(m.halo_size, 1),
        dim_head=m.head_dim + 1,
        heads=m.heads,
    )
    theirs.halo_size = m.halo_size  # theirs refuses to be built without a halo
    theirs.rel_pos_emb = RelPosEmb(m.block_size, m.window, m.head_dim + 1)
    theirs.to_out = nn.Linear(m.heads * (m.head_dim + 1), m.channels)  # ours has none
    theirs.scale = m.head_dim**-0.5
    query, key, value = m.query_key_value.weight.unflatten(0, (3, m.heads, m.head_dim))
    query, key = _mark(query), _mark(key)
    value = F.pad(value, (0, 1, 0, 1))
    out = torch.eye(m.head_dim).to(value)
    out = torch.block_diag(*[F.pad(out, (0, 1))] * m.heads)
    state = {
        "to_q.weight": query.flatten(0, 1),
        "to_kv.weight": torch.cat([key, value]).flatten(0, 1),
        "to_out.weight": out,
        "to_out.bias": torch.zeros(m.channels).to(value),
        "rel_pos_emb.rel_height": _offsets(m, m.rows),
        "rel_pos_emb.rel_width": _offsets(m, m.columns),
    }
    theirs = _OnlyTheMap(theirs, m.block_size)
    return theirs, {f"theirs.{name}": tensor for name, tensor in state.items()}


def _mark(weight):
    """One more feature, which is GAIN on the map, read from one more channel, which is 1 there."""
    mark = torch.zeros_like(weight[:, :1])
    mark = F.pad(mark, (0, 1), value=GAIN)
    return torch.cat([F.pad(weight, (0, 1)), mark], dim=1)


def _offsets(m, table):
    """Our table as theirs, which has rows for offsets that cannot be, and the marking feature."""
    return F.pad(table, (0, 1, 2 * m.halo_size, 0))


class _Bias(nn.Module):
    """Their bias network, for every head, on the (2G - 1)² displacements that a group has.

    Theirs is asked for (2G + 1)² of them and read as if it had been for (2G - 1)²; and it makes
    one bias for all heads.  A last entry hides.
    """

    def __init__(self, m):
        super().__init__()
        self.network = crossformer.DynamicPositionBias(m.hidden)
        self.network[-2], self.network[-1] = nn.Linear(m.hidden, m.heads, bias=False), nn.Identity()
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
        theirs.to_qkv = nn.Conv2d(m.channels, 3 * m.channels, 1, bias=m.bias)  # theirs has none
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
    if m.bias:
        state["attention.to_qkv.bias"] = m.query_key_value.bias
    return _CrossFormer(m), state


ORACLES = {
    "HaloAttention": {
        "timm.layers.halo_attn.HaloAttn": timm_halo,
        "halonet_pytorch.HaloAttention": halonet,
    },
    "OutlookAttention": {"timm.models.volo.OutlookAttention": timm_outlook},
    "CrissCrossAttention": {"mmcv.ops.cc_attention.CrissCrossAttention": mmcv_criss_cross},
    "AxialAttention": {"axial_attention.AxialAttention": axial_attention},
    "LongShortDistanceAttention": {"vit_pytorch.crossformer.Attention": vit_pytorch_long_short},
    "DeformableAttention": {
        "fightingcv_attention.attention.DAT.DAttentionBaseline": authors_deformable
    },
}
