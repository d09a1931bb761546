"""Spatial group-wise enhance (Li et al., 2019)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib import properties
from attention_lib.card import Card
from attention_lib.shape import shaped


class SpatialGroupEnhance(nn.Module):
    r"""Turn down the places that look less like the average of their map, group by group.

    .. math::
        c_p = x_p \cdot \frac{1}{HW} \sum_q x_q, \qquad
        a_p = \gamma\, \frac{c_p - \mathrm{mean}_q\, c_q}{\mathrm{std}_q\, c_q + \epsilon} + \beta,
        \qquad y_p = \sigma(a_p)\, x_p

    The channels are cut into G groups, each taken for one thing that may be seen on the map.
    Within a group, the average of all places says what it looks like; how like it a place p is,
    c, is normalised over the places and becomes the gate of that place, for all channels of
    the group.  Two numbers a group are all that is learned.

    At the start γ = 0 and β = 1: every gate is σ(1) = 0.73, whatever the map.  The deviation is
    the paper's, over HW; the authors' code divides by HW - 1, which a single pixel does not have.

    Args:
        channels: channels of the map, C.
        groups: groups of channels, G; 64 in the paper's best models.

    Raises:
        ValueError: if a number is below 1, or `channels` is not a multiple of `groups`.
    """

    def __init__(self, channels: int, groups: int = 64):
        super().__init__()
        for name, given in dict(channels=channels, groups=groups).items():
            if given < 1:
                raise ValueError(f"{name}={given} must be at least 1")
        if channels % groups:
            raise ValueError(f"channels={channels} is not a multiple of groups={groups}")
        self.channels, self.groups = channels, groups
        self.scale = nn.Parameter(torch.zeros(groups))
        self.shift = nn.Parameter(torch.ones(groups))

    @shaped
    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        return (self._grouped(x) * self.gate(x)[:, :, None]).flatten(1, 2)

    @shaped
    def gate(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch groups height width"]:
        """The gate of each place in each group, between 0 and 1."""
        likeness = self._likeness(x)
        centred = likeness - likeness.mean(dim=-1, keepdim=True)
        # of a norm, unlike a root, the slope at 0 is 0: so it is where all places are alike
        spread = torch.linalg.vector_norm(centred, dim=-1, keepdim=True) / likeness.shape[-1] ** 0.5
        factor = self.scale[:, None] / (spread + 1e-5)
        gate = torch.addcmul(self.shift[:, None], factor, centred).sigmoid()
        return gate.to(x.dtype).unflatten(2, x.shape[2:])

    def _likeness(self, x: Tensor) -> Tensor:
        """c of each group and place, in float32 at least."""
        average = self._grouped(x).mean(dim=(3, 4))
        # large numbers squared are beyond float16: they are made smaller, and larger again
        size = average.abs().amax(dim=2, keepdim=True).clamp(min=1).detach()
        products = (average / size)[:, :, None] @ self._grouped(x).flatten(3)
        precise = torch.promote_types(x.dtype, torch.float32)
        return products.squeeze(2).to(precise) * size

    def _grouped(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.groups, self.channels // self.groups))


CARD = Card(
    SpatialGroupEnhance,
    paper="li2019sge",
    aliases=("spatial_group", "sge"),
    example=dict(channels=12, groups=3),
    variants=[dict(groups=1), dict(groups=12), dict(channels=9)],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * groups",
    macs="channels * height * width",
    memory="channels * height * width",
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
        properties.only_attenuates,
    },
    rejects=[
        dict(channels=12, groups=5),
        dict(channels=0, groups=1),
        dict(channels=12, groups=0),
        dict(channels=12, groups=-3),
    ],
    oracles=("fightingcv_attention.attention.SGE.SpatialGroupEnhance",),
)
