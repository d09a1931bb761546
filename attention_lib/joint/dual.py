"""Dual Attention (Fu et al., 2019)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import between
from attention_lib.core.precision import at_least_float32


class DualAttention(nn.Module):
    r"""Let the places of a map attend to one another, and so its channels; add what both find.

    .. math::
        p_{\cdot i} = x_{\cdot i} + \alpha \sum_j \mathop{\mathrm{softmax}}_j(q_i^\top k_j)\, v_j,
        \qquad
        c_{a\cdot} = x_{a\cdot} + \beta \sum_b \mathop{\mathrm{softmax}}_b(x_a^\top x_b)\, x_b,
        \qquad y = p + c

    *Position attention*: each place gathers from all that are alike, however far.  Queries and
    keys, of C // r numbers each, and values are made at each place by a 1×1 convolution.
    *Channel attention*: each channel gathers from the channels that respond where it does, by
    itself: nothing is learned but β.  Neither product is scaled down.  α and β start at 0.

    In the authors' network each module has a 3×3 convolution of its own before it and after it,
    and the sum is taken behind these.  They belong to the head of that network: to build it, use
    `position` and `channel` apart.  In the paper queries and keys have C numbers; C / 8 is from the
    authors' code.  The keys have no bias: it would add the same to all logits of a place, which a
    softmax does not see.

    Args:
        channels: channels of the map, C.
        reduction: how many times shorter than C queries and keys are, r; 8 in the authors' code.
        least_alike: whether a channel gathers from those least alike, by the softmax of their
            likeness subtracted from its maximum, as in the authors' code.  They say that they tried
            the paper's form too, and that it did less well.

    Raises:
        ValueError: if queries and keys would have fewer than one number.
    """

    @typed
    def __init__(self, channels: int, reduction: int = 8, least_alike: bool = False):
        super().__init__()
        between(1, reduction=reduction, channels=channels)
        self.channels, self.hidden = channels, channels // reduction
        self.reduction, self.least_alike = reduction, least_alike
        self.query = nn.Linear(channels, self.hidden)
        self.key = nn.Linear(channels, self.hidden, bias=False)
        self.value = nn.Linear(channels, channels)
        self.position_scale = nn.Parameter(torch.zeros(1))
        self.channel_scale = nn.Parameter(torch.zeros(1))

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        return self.position(x) + self.channel(x)

    @shaped
    def position(self, x: Maps) -> Maps:
        """The map p: x and, α-fold, what each place gathers from the places."""
        tokens = x.flatten(-2).transpose(-2, -1)
        query, key, value = self.query(tokens), self.key(tokens), self.value(tokens)
        # One quarter of the places after another, so that the logits of all pairs are never there
        # at once.  Torch's fused kernels would store none, but they take only queries as long as
        # the values: filled up with zeros, those cost half as much time again.
        size, parts = tokens.shape[1], []
        for quarter in range(4):
            some = query[:, size * quarter // 4 : size * (quarter + 1) // 4]
            parts.append(_attend(some, key, value))
        gathered = torch.cat(parts, dim=1).transpose(-2, -1)
        return torch.addcmul(x, self.position_scale, gathered.unflatten(-1, x.shape[-2:]))

    @shaped
    def channel(self, x: Maps) -> Maps:
        """The map c: x and, β-fold, what each channel gathers from the channels."""
        maps = x.flatten(-2)
        gathered = _attend(self._sought(maps), maps, maps)
        return torch.addcmul(x, self.channel_scale, gathered.unflatten(-1, x.shape[-2:]))

    @shaped
    def position_weights(self, x: Maps) -> Float[Tensor, "batch tokens keys"]:
        """The weights by which places mix places; made for looking, not for speed."""
        tokens = x.flatten(-2).transpose(-2, -1)
        return _weights(self.query(tokens), self.key(tokens))

    @shaped
    def channel_weights(self, x: Maps) -> Float[Tensor, "batch channels keys"]:
        """The weights by which channels mix channels; made for looking."""
        maps = x.flatten(-2)
        return _weights(self._sought(maps), maps)

    def _sought(self, maps: Tensor) -> Tensor:
        """What each channel looks for among the channels: its own map, or the opposite."""
        return -maps if self.least_alike else maps


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return _weights(query, key) @ value


def _weights(query: Tensor, key: Tensor) -> Tensor:
    # in float16, which ends at 65504, products that are not scaled down would overflow
    return at_least_float32(_softmax, query, key).to(query.dtype)


def _softmax(query: Tensor, key: Tensor) -> Tensor:
    return (query @ key.transpose(-2, -1)).softmax(dim=-1)


CARD = Card(
    DualAttention,
    paper="fu2019dual",
    aliases=("danet",),
    elsewhere=("DAModule", "DANetHead"),
    networks=[("DANet", "fu2019dual")],
    example=dict(channels=12, reduction=5),
    variants=[
        dict(reduction=8),
        dict(reduction=3),
        dict(reduction=12),
        dict(reduction=1),
        dict(least_alike=True),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels * hidden + hidden + channels**2 + channels + 2",
    macs="(2 * channels * hidden + channels**2) * height * width"
    " + (hidden + channels) * (height * width)**2 + 2 * channels**2 * height * width",
    memory="height * width * ceiling(height * width / 4)",
    flow="""
        logits = product x x                   -> channels channels      # channel · channel
        weights = softmax                                                # softmax over channels
        value = value x                        -> height*width channels
        query = query x                        -> height*width hidden
        key = key x                            -> height*width hidden
        gathered = [attention] query key value -> height*width channels  # softmax(q · k) v
        p = addcmul x gathered position_scale  -> channels height width  # x + α · sum
        found = product weights x              -> channels height*width  # weighted sum
        c = addcmul x found channel_scale      -> channels height width  # x + β · sum
        y = plus p c
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
    },
    rejects=[dict(channels=7), dict(channels=8, reduction=9), dict(channels=8, reduction=0)],
    oracles=("pytorchcv.models.danet.DANetHead",),
)
