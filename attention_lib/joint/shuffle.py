"""Shuffle Attention (Zhang & Yang, 2021)."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides


class ShuffleAttention(nn.Module):
    r"""Gate half of the channels by what they are and half by where, and shuffle them.

    .. math::
        x'_{1} = \sigma(W_1\, \mathrm{mean}_{ij}(x_1) + b_1)\, x_1, \qquad
        x'_{2} = \sigma(W_2\, \mathrm{GN}(x_2) + b_2)\, x_2, \qquad
        y = \mathrm{shuffle}\bigl([\,x'_1, x'_2\,]_{g=1}^{G}\bigr)

    The channels are cut into G groups, and each group into two halves.  In the first half each
    channel has a gate, from its mean over the map; in the second each number has its own, from how
    far it lies from the mean of its channel, which GN (GroupNorm) normalises by itself.  W, b, and
    the scale and the shift of GN are a number for each channel of a half, and all groups share
    them: 3 C / G parameters in all.  Then the first C / 2 channels and the last C / 2 are
    interleaved, so that groups meet in the layers that follow.

    W starts at 0 and b at 1, as in the authors' code: at first every gate is σ(1) = 0.73.

    Args:
        channels: channels of the map, C.
        groups: groups that are gated alike, G; 64 in the paper.

    Raises:
        ValueError: if `groups` is below 1, or `channels` not a multiple of 2 G or below 1.
    """

    @typed
    def __init__(self, channels: int, groups: int = 64):
        super().__init__()
        at_least(1, groups=groups)
        divides(**{"2 * groups": 2 * groups}, channels=channels)
        self.channels, self.groups = channels, groups
        self.share = channels // (2 * groups)
        self.channel_scale = nn.Parameter(torch.zeros(self.share))
        self.channel_shift = nn.Parameter(torch.ones(self.share))
        self.spatial_scale = nn.Parameter(torch.zeros(self.share))
        self.spatial_shift = nn.Parameter(torch.ones(self.share))
        self.norm_scale = nn.Parameter(torch.ones(self.share))
        self.norm_shift = nn.Parameter(torch.zeros(self.share))

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        # halved once: the gradients of each halving are joined and added, in a map more
        first, second = self._halves(x)
        first = self._channel_gate(first)[..., None, None] * first
        second = self._spatial_gate(second) * second
        joined = torch.stack([first, second], dim=2).view_as(x)
        return rearrange(joined, "b (sides c) h w -> b (c sides) h w", sides=2)

    @shaped
    def channel_gate(self, x: Maps) -> Float[Tensor, "batch groups share"]:
        """The gate of each channel in the first half of a group, between 0 and 1."""
        return self._channel_gate(self._halves(x)[0])

    @shaped
    def spatial_gate(self, x: Maps) -> Float[Tensor, "batch groups share height width"]:
        """The gate of each number in the second half of a group, between 0 and 1."""
        return self._spatial_gate(self._halves(x)[1])

    def _channel_gate(self, first: Tensor) -> Tensor:
        means = first.mean(dim=(-2, -1))
        return torch.addcmul(self.channel_shift, self.channel_scale, means).sigmoid()

    def _spatial_gate(self, second: Tensor) -> Tensor:
        # the norm's scale and shift, and then ours, are one scale and one shift
        scale = self.spatial_scale * self.norm_scale
        shift = torch.addcmul(self.spatial_shift, self.spatial_scale, self.norm_shift)
        normed = torch.group_norm(second.flatten(0, 1), self.share, scale, shift)
        return normed.sigmoid().view_as(second)

    def _halves(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.unflatten(1, (self.groups, 2, self.share)).unbind(dim=2)


CARD = Card(
    ShuffleAttention,
    paper="zhang2021shuffle",
    aliases=("sanet",),
    elsewhere=("sa",),
    networks=[("SA-Net", "zhang2021shuffle")],
    example=dict(channels=12, groups=2),
    variants=[dict(groups=3), dict(groups=1), dict(groups=6)],
    sizes=dict(batch=2, height=7, width=5),
    params="3 * channels / groups",
    macs="0",
    memory="channels * height * width",
    flow="""
        x1, x2 = unbind x    -> groups share height width                 # split
        mean = mean x1       -> groups share                              # mean over places
        addcmul mean channel_scale channel_shift                          # scale and shift
        g1 = sigmoid
        first = times g1 x1  -> groups share height width
        [normalize] x2 norm_scale norm_shift spatial_scale spatial_shift  # normalize and scale
        g2 = sigmoid
        second = times g2 x2 -> groups share height width
        join first second    -> groups 2 share height width
        y = permute          -> channels height width                     # shuffle
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
    },
    rejects=[
        dict(channels=12, groups=4),
        dict(channels=12, groups=0),
        dict(channels=0, groups=1),
        dict(channels=192),
    ],
    oracles=("fightingcv_attention.attention.ShuffleAttention.ShuffleAttention",),
)
