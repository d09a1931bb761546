"""MobileViT block (Mehta and Rastegari, 2021)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides, odd
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.precision import scaled_products
from attention_lib.core.resize import resize


class MobileViTBlock(nn.Module):
    r"""Look near by convolution, and far by attention among pixels at one place of their patches.

    .. math::
        u = W_d\, f(K_1 * x), \qquad
        v_t = \mathrm{LN}\bigl(F_L \circ \dots \circ F_1\,(u_t)\bigr), \qquad
        y = f\bigl(K_2 * [\,x, f(W_C\, v)\,]\bigr), \qquad
        f = \mathrm{SiLU} \circ \mathrm{BN}

    K_1, K_2 are k × k convolutions, W_d, W_C 1 × 1.  The map u is cut into N patches of p × p
    pixels; the u_t at one place t of all patches attend to one another in L transformer layers F,
    F(u) = a + W_2 SiLU(W_1 LN(a)), a = u + MultiHead(LN(u)), W_1 from d to 2 d features.  So p²
    attentions among N tokens replace one among N p².  If p ≤ k, K_1 lets each hear of all.
    Like the authors' code, the block resizes u bilinearly to a size that patches tile, and v back.

    Args:
        channels: channels of the map, C.
        dim: features of a token, d; 144, 192 and 240 for C = 96, 128 and 160 in MobileViT-S.
        depth: transformer layers, L; 2, 4 and 3 in the paper's three blocks.
        heads: heads of each attention, h; 4 in the authors' code.
        patch_size: side of a patch, p; 2 in the paper.
        kernel_size: side of both convolutions' kernels, k, odd; 3 in the paper.

    Raises:
        ValueError: if a number is below 1, `kernel_size` even, or `dim` not a multiple of `heads`.
    """

    @typed
    def __init__(
        self,
        channels: int,
        dim: int,
        depth: int = 2,
        heads: int = 4,
        patch_size: int = 2,
        kernel_size: int = 3,
    ):
        super().__init__()
        at_least(1, channels=channels, depth=depth, patch_size=patch_size)
        odd(1, kernel_size=kernel_size)
        divides(heads=heads, dim=dim)
        self.channels, self.patch_size, self.places = channels, patch_size, patch_size**2
        self.dim, self.depth, self.heads, self.kernel_size = dim, depth, heads, kernel_size
        self.near = _convolution(channels, channels, kernel_size)
        self.near.append(nn.Conv2d(channels, dim, 1, bias=False))
        self.layers = nn.Sequential(*(_Layer(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.far = _convolution(dim, channels, 1)
        self.fuse = _convolution(2 * channels, channels, kernel_size)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        p, (height, width) = self.patch_size, x.shape[-2:]
        far = self.norm(self.layers(self._unfold(x)))
        rows = (height + p - 1) // p  # -(-height // p) is another number in an ONNX file
        far = rearrange(far, "(b p q) (i j) d -> b d (i p) (j q)", p=p, q=p, i=rows)
        far = self.far(resize(far, height, width))
        return self.fuse(torch.cat([x, far], dim=1))

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch depth places heads patches keys"]:
        """What the patches give one another, in each layer, at each place; made for looking."""
        tokens, found = self._unfold(x), []
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            query, key, _ = layer.project(tokens)
            weights = scaled_products(query, key).softmax(dim=-1).to(x.dtype)
            found.append(weights.unflatten(0, (-1, self.places)))
            tokens = layer(tokens)
        return torch.stack(found, dim=1)

    def _unfold(self, x: Tensor) -> Tensor:
        """The tokens of each place in a patch: (batch * places, patches, dim)."""
        p, near = self.patch_size, self.near(x)
        near = resize(near, *(side + -side % p for side in x.shape[-2:]))
        return rearrange(near, "b d (i p) (j q) -> (b p q) (i j) d", p=p, q=p)


class _Layer(nn.Module):
    """A transformer layer: attention and two dense layers, each added to what it is given."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.feed = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.out(merge_heads(F.scaled_dot_product_attention(*self.project(x))))
        return x + self.feed(x)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.query_key_value(self.norm(x)).chunk(3, dim=-1)
        query, key, value = (split_heads(part, self.heads) for part in parts)
        return query, key, value


def _convolution(channels: int, out: int, kernel_size: int) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.SiLU())


CARD = Card(
    MobileViTBlock,
    paper="mehta2021mobilevit",
    aliases=("mobilevit",),
    elsewhere=("MobileViTAttention",),
    networks=[("MobileViT", "mehta2021mobilevit")],
    example=dict(channels=7, dim=8, heads=4, depth=1),
    variants=[
        *(dict(depth=2), dict(depth=3), dict(heads=2)),
        *(dict(patch_size=3), dict(patch_size=1), dict(kernel_size=1), dict(kernel_size=5)),
    ],
    sizes=dict(batch=2, height=5, width=3),
    params="3 * kernel_size**2 * channels**2 + 2 * channels * dim + 6 * channels"
    " + depth * (8 * dim**2 + 11 * dim) + 2 * dim",
    macs="height * width * (3 * kernel_size**2 * channels**2 + 2 * channels * dim) + 2 * depth"
    " * dim * patch_size**2 * ceiling(height / patch_size) * ceiling(width / patch_size)"
    " * (4 * dim + ceiling(height / patch_size) * ceiling(width / patch_size))",
    memory="Max(2 * channels * height * width,"
    " 3 * dim * patch_size**2 * ceiling(height / patch_size) * ceiling(width / patch_size))",
    flow="""
        rows := ceiling(height / patch_size)
        columns := ceiling(width / patch_size)
        near.0 x            -> channels height width                   # k × k convolution
        near.1                                                         # batch norm
        silu
        u = near.3          -> dim height width                        # 1 × 1 convolution
        upsample_bilinear2d -> dim rows*patch_size columns*patch_size  # resize
        reshape             -> places rows*columns dim                 # group by place
        layers                                                         # transformer layers
        v = norm                                                       # layer norm
        upsample_bilinear2d -> dim height width                        # resize
        far.0               -> channels height width                   # 1 × 1 convolution
        far.1                                                          # batch norm
        far = silu
        join x far          -> 2*channels height width
        fuse.0              -> channels height width                   # k × k convolution
        fuse.1                                                         # batch norm
        y = silu
    """,
    rejects=[
        *(dict(channels=8, dim=6), dict(channels=8, dim=8, kernel_size=2)),
        *(dict(channels=channels, dim=dim) for channels, dim in ((0, 8), (8, 0))),
        *(dict(channels=8, dim=8) | {name: 0} for name in ("depth", "heads", "patch_size")),
    ],
    oracles=("timm.models.mobilevit.MobileVitBlock",),
)
