"""Deformable attention as its authors first released it, in another package."""

import timm.layers
import torch
from torch import nn

from tests.oracles.bare import bare


class _Table:
    """Their table of biases, left as large as it is: theirs takes it to be made for this map."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __getitem__(self, index):
        return _Table(self.numbers[index])

    def expand(self, *sizes):
        return _Table(self.numbers.expand(*sizes))

    def reshape(self, batch, heads, *_):
        return self.numbers.reshape(batch, heads, *self.numbers.shape[-2:])


class _Clamped:
    """A grid of theirs: what is moved beyond the map is set to its edge, where theirs bends it."""

    def __init__(self, places):
        self.places = places

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), kwargs=None):
        offset, grid = arguments
        return cls(offset + grid.places)

    def tanh(self):
        return self.places.clamp(-1, 1)

    def reshape(self, *sizes):
        return self.places.reshape(sizes)


class _Deformable(nn.Module):
    """The authors' attention, with its points on the grid that the paper describes.

    Theirs puts a point in the middle of a cell, (2i + 1) / n - 1, where it meets no pixel; has one
    kernel size for each stage; has biases in its projections; and divides the offsets in the
    default precision.
    """

    def __init__(self, m):
        super().__init__()
        share, kernel = m.channels // m.groups, m.gather.kernel_size[0]
        helpers = {"timm.models.layers": vars(timm.layers)}  # the old name warns
        theirs = bare("fightingcv_attention.attention.DAT", helpers).DAttentionBaseline(
            *((1, 1), (1, 1), m.heads, m.channels // m.heads, m.groups, 0.0, 0.0),
            *(m.gather.stride[0], -1 if m.clamp else m.offset_range, True, False, False, False, 0),
        )
        theirs.conv_offset[0] = nn.Conv2d(
            share, share, kernel, m.gather.stride, kernel // 2, groups=share
        )
        for name in ("proj_q", "proj_k", "proj_v", "proj_out") if not m.bias else ():
            getattr(theirs, name).bias = None
        del theirs.rpe_table
        theirs._get_ref_points = self._reference
        self.attention, self.groups, self.clamp = theirs, m.groups, m.clamp
        self.table = nn.Parameter(torch.empty_like(m.position_bias))

    def forward(self, x):
        self.attention.rpe_table = _Table(self.table)
        self.of_keys = True  # theirs asks for the grid of the keys, and then for that of the pixels
        before = torch.get_default_dtype()
        torch.set_default_dtype(x.dtype)
        try:
            return self.attention(x)[0]
        finally:
            torch.set_default_dtype(before)

    def _reference(self, rows, columns, batch, dtype, device):
        row, column = (
            torch.linspace(-1, 1, n, dtype=dtype) if n > 1 else torch.zeros(1, dtype=dtype)
            for n in (rows, columns)
        )
        grid = torch.stack(torch.meshgrid(row, column, indexing="ij"), dim=-1)
        grid = grid.expand(batch * self.groups, -1, -1, -1)
        of_keys, self.of_keys = self.of_keys, False
        if not self.clamp or not of_keys:
            return grid
        half = grid.new_tensor([1 / max(n - 1, 1) for n in (rows, columns)])
        return _Clamped(grid + half)


def authors_deformable(m):
    key, value = m.key_value.weight[..., None, None].chunk(2)
    state = {
        "table": m.position_bias,
        "attention.proj_q.weight": m.query.weight,
        "attention.proj_k.weight": key,
        "attention.proj_v.weight": value,
        "attention.proj_out.weight": m.out.weight,
        "attention.conv_offset.0.weight": m.gather.weight,
        "attention.conv_offset.0.bias": m.gather.bias,
        "attention.conv_offset.1.norm.weight": m.norm.weight,
        "attention.conv_offset.1.norm.bias": m.norm.bias,
        "attention.conv_offset.3.weight": m.offset.weight[..., None, None],
    }
    if m.bias:
        key, value = m.key_value.bias.chunk(2)
        state |= {"attention.proj_q.bias": m.query.bias, "attention.proj_out.bias": m.out.bias}
        state |= {"attention.proj_k.bias": key, "attention.proj_v.bias": value}
    return _Deformable(m), state
