"""Axial attention (Ho et al., 2019)."""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import divides
from attention_lib.core.heads import merge_heads, split_heads


class AxialAttention(nn.Module):
    r"""Let every pixel attend to its own row, and then to its own column.

    .. math::
        y = A_H(A_W(x)), \qquad
        A_W(x)_{ij} = \Bigl[\,\sum_{b=1}^{W} \mathop{\mathrm{softmax}}_{b}
        \bigl(q_{ij}^\top k_{ib} / \sqrt{d_h}\bigr)\, v_{ib}\Bigr]_{\mathrm{heads}} W_o, \qquad
        q = x W^q,\; k = x W^k,\; v = x W^v

    A layer is self-attention along one axis: the other axes only make more sequences of the
    batch.  After a layer along each axis every pixel has heard from every other, by way of the
    pixel where the row of one meets the column of the other, for H + W comparisons a pixel in
    place of H · W.  Each layer has weights of its own.

    Layers follow one another, as in the paper; other implementations add up the axes' answers.
    What the paper puts around each layer (LayerNorm, the residual sum, a feed-forward layer) is
    left to the network, as is the mask of its decoder: `axes=(-1,)` is a layer for such a block.

    Args:
        channels: channels of the map, C, coming in and going out; 2048 in the paper's largest.
        heads: heads, h; each works on d_h = C / h features; 16 in the paper.
        axes: the axes to attend along, one layer each: -1 the width, -2 the height; in the
            paper rows and columns take turns, rows first.
        bias: whether the projections have biases, as in the authors' code; the paper's formulas
            have none.

    Raises:
        ValueError: if `channels` is not a multiple of `heads`, or one of them is below 1; if
            there are no `axes`, or others than -1 and -2.
    """

    @typed
    def __init__(
        self,
        channels: int,
        heads: int = 16,
        axes: tuple[int, ...] = (-1, -2),
        bias: bool = False,
    ):
        super().__init__()
        divides(heads=heads, channels=channels)
        if not axes or not {*axes} <= {-1, -2}:
            raise ValueError(f"axes={axes} must be -1, the width, or -2, the height")
        self.channels, self.heads, self.axes, self.bias = channels, heads, axes, bias
        self.row_layers, self.column_layers = axes.count(-1), axes.count(-2)
        self.query_key_value = nn.ModuleList(
            nn.Linear(channels, 3 * channels, bias=bias) for _ in axes
        )
        self.out = nn.ModuleList(nn.Linear(channels, channels, bias=bias) for _ in axes)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        for layer, axis in enumerate(self.axes):
            x = self._attend(x.transpose(axis, -1), layer).transpose(axis, -1)
        return x

    def _attend(self, x: Tensor, layer: int) -> Tensor:
        """Attention along the last axis of a map."""
        lines = rearrange(x, "b c other along -> (b other) along c")
        parts = self.query_key_value[layer](lines).chunk(3, dim=-1)
        query, key, value = (split_heads(part, self.heads) for part in parts)
        gathered = F.scaled_dot_product_attention(query, key, value)
        mixed = self.out[layer](merge_heads(gathered))
        return rearrange(mixed, "(b other) along c -> b c other along", other=x.shape[2])


CARD = Card(
    AxialAttention,
    paper="ho2019axial",
    aliases=("axial",),
    elsewhere=("AxialImageTransformer",),
    networks=[("Axial Transformer", "ho2019axial")],
    example=dict(channels=8, heads=4),
    variants=[dict(axes=(-1,)), dict(axes=(-2, -1, -2)), dict(heads=1), dict(bias=True)],
    sizes=dict(batch=2, height=5, width=3),
    params="4 * (channels**2 + bias * channels) * (row_layers + column_layers)",
    macs="4 * channels**2 * height * width * (row_layers + column_layers)"
    " + 2 * channels * height * width * (row_layers * width + column_layers * height)",
    memory="3 * channels * height * width",
    flow="""
        head_dim := channels / heads
        query, key, value = query_key_value.0 x -> height heads width head_dim  # project
        product query key -> height heads width width  # query · key, rows
        weights = softmax  # softmax over keys
        product weights value -> height heads width head_dim  # weighted sum
        z = out.0 -> channels height width  # out
        query_2, key_2, value_2 = query_key_value.1 -> width heads height head_dim  # project
        product query_2 key_2 -> width heads height height  # query · key, columns
        weights_2 = softmax  # softmax over keys
        product weights_2 value_2 -> width heads height head_dim  # weighted sum
        y = out.1 -> channels height width  # out
    """,
    properties={properties.shift_equivariant, properties.mirror_equivariant},
    rejects=[
        dict(channels=10, heads=4),
        dict(channels=8, heads=0),
        dict(channels=-8),
        dict(channels=16, axes=()),
        dict(channels=16, axes=(1,)),
        dict(channels=16, axes=(-1, -3)),
    ],
    oracles=("axial_attention.AxialAttention",),
)
