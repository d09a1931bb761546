"""Coordinate attention (Hou et al., 2021)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least


class CoordinateAttention(nn.Module):
    r"""Rescale each number by a gate for its row and a gate for its column.

    .. math::
        f = \delta\Bigl(\mathrm{BN}\bigl(W_1 \bigl[\tfrac{1}{W} \textstyle\sum_j x_{ij},\;
        \tfrac{1}{H} \sum_i x_{ij}\bigr]\bigr)\Bigr) = [f^h, f^w], \qquad
        g^h_i = \sigma(W_h f^h_i + b_h), \quad g^w_j = \sigma(W_w f^w_j + b_w), \qquad
        y_{cij} = g^h_{ci}\, g^w_{cj}\, x_{cij}

    Squeeze-and-Excitation takes the mean of the whole map and forgets where things are.  Here
    the mean is taken along each row, and along each column: H + W short descriptions that keep
    the place along one axis.  All of them go through one narrow layer W₁, batch normalisation and
    δ; then rows f^h and columns f^w have each a layer of their own, and a gate for every channel.

    Hard swish for δ, biases, and a middle of at least 8 units are taken from the authors' code.
    Its bias before BN is left out here: the normalisation takes it away again, and no gradient
    would reach it in training.

    Args:
        channels: channels of the map, C.
        reduction: how many times narrower than C the middle is, r; 32 in the paper.
        min_hidden: the least width of the middle, L; 8 in the authors' code.

    Raises:
        ValueError: if a number is below 1.
    """

    @typed
    def __init__(self, channels: int, reduction: int = 32, min_hidden: int = 8):
        super().__init__()
        at_least(1, channels=channels, reduction=reduction, min_hidden=min_hidden)
        self.channels, self.hidden = channels, max(channels // reduction, min_hidden)
        self.reduction, self.min_hidden = reduction, min_hidden
        self.squash = nn.Sequential(
            nn.Conv1d(channels, self.hidden, 1, bias=False),
            nn.BatchNorm1d(self.hidden),
            nn.Hardswish(),
        )
        self.excite_rows = nn.Conv1d(self.hidden, channels, 1)
        self.excite_columns = nn.Conv1d(self.hidden, channels, 1)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        rows, columns = self._gates(x)
        return x * rows[..., None] * columns[..., None, :]

    @shaped
    def row_gate(self, x: Maps) -> Float[Tensor, "batch channels height"]:
        """The gate of each row in each channel, between 0 and 1."""
        return self._gates(x)[0]

    @shaped
    def column_gate(self, x: Maps) -> Float[Tensor, "batch channels width"]:
        """The gate of each column in each channel, between 0 and 1."""
        return self._gates(x)[1]

    def _gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _, _, height, width = x.shape
        squashed = self.squash(torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2))
        rows, columns = squashed.split([height, width], dim=2)
        return self.excite_rows(rows).sigmoid(), self.excite_columns(columns).sigmoid()


CARD = Card(
    CoordinateAttention,
    paper="hou2021coordinate",
    aliases=("coordinate", "coord", "ca"),
    elsewhere=("CoordAtt", "CoordAttn"),
    networks=[("MobileNetV2 with it", "hou2021coordinate")],
    example=dict(channels=16, min_hidden=3),
    variants=[dict(reduction=3), dict(min_hidden=8), dict(channels=1, min_hidden=1)],
    sizes=dict(batch=2, height=7, width=5),
    params="3 * hidden * channels + 2 * hidden + 2 * channels",
    macs="2 * hidden * channels * (height + width)",
    memory="channels * height * width",
    flow="""
        down = mean x      -> channels height        # mean of each row
        across = mean x    -> channels width         # mean of each column
        join down across   -> channels (height+width)
        squash.0           -> hidden (height+width)  # squash
        squash.1                                     # batch norm
        fh, fw = hardswish
        excite_rows fh     -> channels height
        gh = sigmoid
        excite_columns fw  -> channels width
        gw = sigmoid
        gated = times gh x -> channels height width
        y = times gw gated -> channels height width
    """,
    properties={
        properties.shift_equivariant,
        properties.mirror_equivariant,
        properties.only_attenuates,
    },
    rejects=[
        dict(channels=0),
        dict(channels=-16),
        dict(channels=16, reduction=0),
        dict(channels=16, min_hidden=0),
    ],
    oracles=("timm.layers.coord_attn.CoordAttn",),
)
