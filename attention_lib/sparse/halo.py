"""Halo attention (Vaswani et al., 2021)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides
from attention_lib.core.precision import biased_attention, biased_weights


class HaloAttention(nn.Module):
    r"""Let the pixels of a block attend to the block and to a rim of pixels round it.

    .. math::
        y_{ij} = \Bigl[\sum_{(a, b) \in \mathcal{N}_{ij}}
        \mathop{\mathrm{softmax}}_{(a, b) \in \mathcal{N}_{ij}}
        \Bigl(\frac{q_{ij}^\top (k_{ab} + r^H_{a-i} + r^W_{b-j})}{\sqrt{d_h}}\Bigr)\,
        v_{ab}\Bigr]_{\mathrm{heads}}

    All pixels of a block share one neighbourhood N: the block and a halo of η pixels on each
    side.  A block is read once for all its queries, not once for each; in return, a pixel at its
    rim sees less far to one side than to the other.  Learned vectors r^H for the rows and r^W for
    the columns from query to key say where a key lies; the heads share them.

    What lies beyond the map is masked, and so is what completes the last blocks of a map that
    blocks do not divide.  The paper writes no scale, and one vector r for both offsets; no code
    of the authors was found.  Here keys and offsets meet scaled queries, and r is a sum, as in
    the code of BoTNet (Srinivas et al., 2021); in Stand-Alone Self-Attention (Ramachandran et
    al., 2019) r^H and r^W stand side by side, each of half the width.  The layer replaces a
    convolution between two 1×1 ones: no projection follows.

    Args:
        channels: channels of the map, C, coming in and going out.
        heads: heads, h; each works on d_h = C / h features; 8 in most stages of the paper.
        block_size: side of a block, β; 8 in the paper's smaller networks.
        halo_size: how far a block sees beyond itself, η; 3 in these.

    Raises:
        ValueError: if `channels` is no multiple of `heads`, the halo negative, a number below 1.
    """

    @typed
    def __init__(self, channels: int, heads: int = 8, block_size: int = 8, halo_size: int = 3):
        super().__init__()
        divides(heads=heads, channels=channels)
        at_least(1, block_size=block_size)
        at_least(0, halo_size=halo_size)
        self.channels, self.heads, self.head_dim = channels, heads, channels // heads
        self.block_size, self.halo_size = block_size, halo_size
        self.window = block_size + 2 * halo_size
        self.query_key_value = nn.Linear(channels, 3 * channels, bias=False)
        offsets = 2 * (block_size + halo_size) - 1  # from the last pixel of a block to the first
        self.rows, self.columns = (
            nn.Parameter(torch.randn(offsets, self.head_dim) * self.head_dim**-0.5)
            for _ in range(2)
        )

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        query, key, value, bias = self._blocks(x)
        gathered = biased_attention(
            query.flatten(0, 2), key.flatten(0, 2), value.flatten(0, 2), bias.flatten(0, 2)
        )
        gathered = gathered.unflatten(0, query.shape[:3])
        y = rearrange(gathered, "b y x h (i j) d -> b (h d) (y i) (x j)", i=self.block_size)
        # a slice does the same, but ties an export to sizes that blocks do (or do not) divide
        return F.pad(y, (0, x.shape[-1] - y.shape[-1], 0, x.shape[-2] - y.shape[-2]))

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch down across heads places keys"]:
        """How each pixel of each block mixes its neighbourhood, both row by row.

        What lies beyond the map has the weight 0; the last blocks may hold pixels beyond it.
        """
        query, key, _, bias = self._blocks(x)
        return biased_weights(query, key, bias)

    def _blocks(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries of each block, keys and values of its neighbourhood, and what places add."""
        height, width = x.shape[-2:]
        block, halo = self.block_size, self.halo_size
        down, right = -height % block, -width % block
        parts = self.query_key_value(rearrange(x, "b c h w -> b h w c"))
        query, source = parts.tensor_split([self.channels], dim=-1)
        query = F.pad(query, (0, 0, 0, right, 0, down))
        query = query.unfold(1, block, block).unfold(2, block, block)
        query = rearrange(query, "b y x (h d) i j -> b y x h (i j) d", h=self.heads)
        source = F.pad(source, (0, 0, halo, halo + right, halo, halo + down))
        source = source.unfold(1, self.window, block).unfold(2, self.window, block)
        key, value = rearrange(
            source, "b y x (part h d) i j -> part b y x h (i j) d", part=2, h=self.heads
        )
        return query, key, value, self._bias(query, height, width)

    def _bias(self, query: Tensor, height: int, width: int) -> Tensor:
        """Of each pair, the logit of the offset; -inf where the key lies beyond the map."""
        place = torch.arange(self.window, device=query.device)
        offset = place - place[: self.block_size, None] + self.block_size - 1
        query = query.unflatten(-2, (self.block_size, self.block_size)) * self.head_dim**-0.5
        rows = torch.einsum("...ijd,iad->...ija", query, self.rows[offset])
        columns = torch.einsum("...ijd,jbd->...ijb", query, self.columns[offset])
        rows = rows.masked_fill(~self._inside(place, height)[:, None, None, None, None], -torch.inf)
        columns = columns.masked_fill(~self._inside(place, width)[:, None, None, None], -torch.inf)
        return (rows[..., None] + columns[..., None, :]).flatten(-4, -3).flatten(-2)

    def _inside(self, place: Tensor, size: int) -> Tensor:
        """Which of the rows (or columns) round each block are of the map, and not beyond it."""
        first = torch.arange(0, size, self.block_size, device=place.device) - self.halo_size
        place = first[:, None] + place
        return (place >= 0) & (place < size)


CARD = Card(
    HaloAttention,
    paper="vaswani2021halonet",
    aliases=("halo", "halonet"),
    elsewhere=("HaloAttn",),
    networks=[("HaloNet", "vaswani2021halonet")],
    example=dict(channels=12, heads=2, block_size=3, halo_size=1),
    variants=[
        dict(block_size=2, halo_size=3),
        dict(block_size=1, halo_size=2),
        dict(halo_size=0),
        dict(block_size=8),
        dict(heads=3),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="3 * channels**2 + 2 * (2 * block_size + 2 * halo_size - 1) * head_dim",
    macs="3 * channels**2 * height * width"
    " + 2 * ceiling(height / block_size) * ceiling(width / block_size)"
    " * channels * block_size**2 * window * (window + 1)",
    memory="Max(3 * channels * height * width, ceiling(height / block_size)"
    " * ceiling(width / block_size) * window**2 * Max(heads * block_size**2, 2 * channels))",
    flow="""
        blocks := ceiling(height / block_size) * ceiling(width / block_size)
        query, around = query_key_value x -> height width 3*channels  # project
        q = unfold query -> blocks heads block_size**2 head_dim  # cut into blocks
        key, value = unfold around -> blocks heads window**2 head_dim  # blocks with halo
        bias = [query · offset] q rows columns -> blocks heads block_size**2 window**2
        logits = product q key -> blocks heads block_size**2 window**2  # query · key
        plus logits bias
        weights = softmax  # softmax over keys
        product weights value -> blocks heads block_size**2 head_dim  # weighted sum
        y = pad -> channels height width  # put together
    """,
    rejects=[
        dict(channels=10, heads=4),
        dict(channels=0, heads=1),
        dict(channels=8, heads=0),
        dict(channels=8, block_size=0),
        dict(channels=8, halo_size=-1),
    ],
    oracles=("timm.layers.halo_attn.HaloAttn", "halonet_pytorch.HaloAttention"),
    cannot=dict(
        check_torchscript="the older ONNX exporter cuts overlapping windows only out of what it"
        " knows the size of, and loses that where the map is filled up to whole blocks"
    ),
)
