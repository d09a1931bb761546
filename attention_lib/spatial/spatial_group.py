"""Spatial Group-wise Enhance (Li et al., 2019)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import divides
from attention_lib.core.precision import wide


class SpatialGroupEnhance(nn.Module):
    r"""Let each group of channels attend to the places that look like its own average.

    .. math::
        \ell_p = \bar x^\top x_p, \quad \bar x = \frac{1}{HW} \sum_p x_p, \qquad
        t_p = \frac{\ell_p - \mathop{\mathrm{mean}}_p \ell}
        {\mathop{\mathrm{std}}_p \ell + \epsilon}, \qquad
        y_p = \sigma(\gamma\, t_p + \beta)\, x_p

    The channels are cut into G groups, each meant to become one semantic part, such as an eye.
    Within a group the mean over all places, x̄, stands for that part: a place p whose features x_p
    point its way is likely to show it.  The likeness ℓ is normalised over the map, since its size
    says nothing, and two numbers for each group, γ and β, make it a gate.  Nothing else is learned.

    As in the paper the standard deviation divides by the number of places, so that a single place
    has one; the authors' code divides by one less.  As there, ε = 0.00001 is added to it, γ starts
    at 0 and β at 1: at first every place passes alike.

    Args:
        channels: channels of the map, C.
        groups: groups of channels, G; 64 in the authors' networks.

    Raises:
        ValueError: if `channels` is not a multiple of `groups`, or one of them is below 1.
    """

    @typed
    def __init__(self, channels: int, groups: int = 64):
        super().__init__()
        divides(groups=groups, channels=channels)
        self.channels, self.groups, self.eps = channels, groups, 1e-5
        self.scale = nn.Parameter(torch.zeros(groups))
        self.shift = nn.Parameter(torch.ones(groups))

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        groups = x.unflatten(1, (self.groups, -1))
        return (self.gate(x)[:, :, None] * groups).flatten(1, 2)

    @shaped
    def gate(self, x: Maps) -> Float[Tensor, "batch groups height width"]:
        """The gate of each place in each group, between 0 and 1."""
        likeness = self._likeness(x.unflatten(1, (self.groups, -1)).flatten(-2))
        gate = (self.scale[:, None] * likeness + self.shift[:, None]).sigmoid()
        return gate.to(x.dtype).unflatten(-1, x.shape[-2:])

    def _likeness(self, groups: Tensor) -> Tensor:
        """How much each place is like the mean of its group, with mean 0 and deviation 1."""
        mean = groups.mean(dim=-1, keepdim=True)
        # quadratic in x, it may leave float16: its size is taken out, and put back in float32, so
        # that on the whole it does not depend on that size, and no gradient is due
        channels = groups.shape[-2]
        top = mean.detach().abs().amax(dim=-2, keepdim=True).clamp(min=1)
        alike = (mean / top / channels).transpose(-2, -1) @ groups
        alike = (wide(alike) * top * channels).squeeze(-2)
        centred = alike - alike.mean(dim=-1, keepdim=True)
        # a norm has a gradient where all places are alike, the root of a mean has none
        deviation = centred.norm(dim=-1, keepdim=True) / centred.shape[-1] ** 0.5
        return centred / (deviation + self.eps)


CARD = Card(
    SpatialGroupEnhance,
    paper="li2019sge",
    aliases=("sge",),
    networks=[("ResNet-50 with it", "li2019sge")],
    example=dict(channels=12, groups=3),
    variants=[dict(groups=1), dict(groups=12), dict(channels=6, groups=2)],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * groups",
    macs="channels * height * width",
    memory="channels * height * width",
    flow="""
        average = mean x             -> groups channels/groups  # mean over places
        alike = [likeness] average x -> groups height*width     # mean · x at each place
        t = [normalize]                                         # normalize over places
        scaled = times t scale
        plus scaled shift
        gate = sigmoid
        y = times gate x             -> channels height width
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
        properties.only_attenuates,
    },
    rejects=[dict(channels=12, groups=5), dict(channels=0), dict(channels=12, groups=0)],
    oracles=("fightingcv_attention.attention.SGE.SpatialGroupEnhance",),
)
