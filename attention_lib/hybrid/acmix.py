"""ACmix: self-attention and convolution mixed (Pan et al., 2021)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, SignatureError, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.around import neighborhood_attention, shifted_views
from attention_lib.core.guards import at_least, divides, odd
from attention_lib.core.precision import wide


class ACmix(nn.Module):
    r"""Project once, and make both a local attention and a convolution of what comes out.

    .. math::
        y = \alpha \Bigl[\sum_{j \in \mathcal N_K(i)} \mathop{\mathrm{softmax}}_j\Bigl(
        \frac{q_i^\top (k_j + p_i - p_j)}{\sqrt{d_h}}\Bigr)\, v_j\Bigr]^{\text{heads}}
        + \beta \sum_{t \in k \times k} S_t * \sum_u W_{tu}\, z_u, \qquad z = [q, k, v]

    A k × k convolution is k² convolutions 1 × 1, shifted and added; attention begins with 1 × 1
    convolutions too.  So both share q, k and v, in 3 h pieces z_u of d_h channels.  Attention
    weighs the K × K pixels N_K(i) around a pixel i.  For the convolution, W mixes the pieces into
    k² maps of d_h channels, and k² learned kernels S_t, shifts at first, make h channels of each.
    The position p = W_p (column, row), both from -1 to 1, says where a key lies; what p_i adds, all
    logits of a pixel share, and so it is not computed.  α and β are learned, from ½ on.  The
    channels of z lie feature by feature, so that neither path moves a map; those of the authors'
    code lie head by head.  It loses the bias of S, which is kept here.

    Args:
        channels: channels of the map, C, coming in and going out.
        kernel_attention: side of the square that attention gathers from, K, odd; 7 in the authors'
            code.
        heads: heads, h; each works on d_h = C / h channels; 4 in the authors' code.
        kernel_convolution: side of the convolution's kernels, k, odd; 3 in the authors' code.
        stride: steps between the pixels that are answered, s, so ⌈H / s⌉ × ⌈W / s⌉ of them.
        mirror: whether attention sees the map mirrored beyond its border, as in the authors' code;
            it must then be more than K // 2 pixels high and wide.  If not, no key lies there.

    Raises:
        ValueError: if a kernel is even, a number too small, or C not a multiple of `heads`; if a
            map is too small to be mirrored.
    """

    @typed
    def __init__(
        self,
        channels: int,
        kernel_attention: int = 7,
        heads: int = 4,
        kernel_convolution: int = 3,
        stride: int = 1,
        mirror: bool = False,
    ):
        super().__init__()
        at_least(1, stride=stride)
        divides(heads=heads, channels=channels)
        odd(3, kernel_attention=kernel_attention)
        odd(1, kernel_convolution=kernel_convolution)
        self.channels, self.heads, self.head_dim = channels, heads, channels // heads
        self.kernel_attention, self.kernel_convolution = kernel_attention, kernel_convolution
        self.stride, self.mirror, maps = stride, mirror, kernel_convolution**2
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.position = nn.Conv2d(2, self.head_dim, 1, bias=False)
        self.mix = nn.Conv2d(3 * heads, maps, 1, bias=False)
        self.shift = nn.Conv2d(
            maps * self.head_dim,
            channels,
            kernel_convolution,
            stride,
            padding=kernel_convolution // 2,
            groups=self.head_dim,
        )
        nn.init.zeros_(self.shift.get_parameter("bias"))
        with torch.no_grad():  # map t reads the t-th place of the kernel
            self.shift.weight.copy_(torch.eye(maps).view(maps, *self.shift.kernel_size))
        self.attention_rate = nn.Parameter(torch.tensor([0.5]))
        self.convolution_rate = nn.Parameter(torch.tensor([0.5]))

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self, x: Maps
    ) -> Float[Tensor, "batch channels ceil(height/stride) ceil(width/stride)"]:
        pieces, query, key, value = self._project(x)
        weights = self._weights(query, key)[:, :, None]  # a head's features share them
        gathered = neighborhood_attention(weights, value, **self._square()).flatten(1, 2)
        mixed = self.mix(pieces.unflatten(1, (self.head_dim, -1)).flatten(0, 1))
        mixed = mixed.unflatten(0, (-1, self.head_dim)).flatten(1, 2)
        return self.attention_rate * gathered + self.convolution_rate * self.shift(mixed)

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch heads places rows columns"]:
        """What each answered pixel gathers of the K × K around it, row by row; outside, zeros."""
        _, query, key, _ = self._project(x)
        return self._weights(query, key)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        """z, one feature of the heads after another; q, k, v: (batch, heads, head_dim, …) of it."""
        reach = self.kernel_attention // 2
        if self.mirror and min(x.shape[-2:]) <= reach:
            raise SignatureError(
                f"ACmix: x must be more than kernel_attention // 2 = {reach} pixels high and wide"
                f" to be mirrored, got {tuple(x.shape)}"
            )
        pieces = self.query_key_value(x)
        parts = pieces.unflatten(1, (self.head_dim, 3, self.heads)).transpose(1, 3)
        return pieces, *parts.unbind(dim=2)

    def _weights(self, query: Tensor, key: Tensor) -> Tensor:
        query = query[..., :: self.stride, :: self.stride]
        query = wide(query) / self.head_dim**0.5  # products may be too large for half
        keys = shifted_views(key - self._position(key), **self._square())
        around = self._square() | dict(outside=-torch.inf)
        edges = shifted_views(key.new_zeros(key.shape[-2:]), **around)
        pairs = zip(keys, edges, strict=True)
        logits = [(query * near).sum(dim=2) + edge for near, edge in pairs]
        return torch.stack(logits, dim=2).softmax(dim=2).to(key.dtype)

    def _square(self) -> dict:
        """Around which pixels, and how far, attention sees what."""
        return dict(size=self.kernel_attention, stride=self.stride, mirror=self.mirror)

    def _position(self, like: Tensor) -> Tensor:
        """p of each pixel, (1, head_dim, height, width)."""
        sides, kind, device = like.shape[-2:], like.dtype, like.device
        numbers = [torch.arange(side, dtype=kind, device=device) for side in sides]
        down, right = (2 * n / n[-1:].clamp(min=1) - 1 for n in numbers)
        grid = torch.stack(torch.meshgrid(right, down, indexing="xy"))
        return self.position(grid[None])


CARD = Card(
    ACmix,
    paper="pan2021acmix",
    aliases=("ac-mix",),
    example=dict(channels=6, kernel_attention=3, heads=2),
    variants=[
        *(dict(kernel_attention=5), dict(kernel_attention=7), dict(heads=1), dict(heads=3)),
        *(dict(kernel_convolution=1), dict(kernel_convolution=5), dict(stride=2), dict(stride=3)),
        *(dict(mirror=True), dict(mirror=True, kernel_attention=7, stride=2)),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="3 * channels**2 + 4 * channels + 2 * head_dim + 2"
    " + kernel_convolution**2 * (3 * heads + channels * kernel_convolution**2)",
    macs="height * width * (3 * channels**2 + 3 * channels * kernel_convolution**2)"
    " + 2 * head_dim * height * width / batch"
    " + ceiling(height / stride) * ceiling(width / stride) * channels * kernel_convolution**4",
    memory="Max(3 * channels * height * width, kernel_convolution**2 * head_dim * height * width,"
    " kernel_attention**2 * heads * ceiling(height / stride) * ceiling(width / stride))",
    flow="""
        z = query_key_value x -> 3*channels height width  # project
        query, key, value = unbind z -> heads head_dim height width  # split
        place = position position -> head_dim height width  # position of pixels
        moved = minus key place -> heads head_dim height width
        logits = [query · key around] query moved -> heads kernel_attention**2 height width
        weights = softmax  # softmax over keys
        gathered = [weighted sum] weights value -> channels height width  # weighted sum around
        attended = times gathered attention_rate
        mixed = mix z -> kernel_convolution**2*head_dim height width  # mix: 1 × 1
        shifted = shift -> channels height width  # k × k convolution
        convolved = times shifted convolution_rate
        y = plus attended convolved
    """,
    rejects=[
        *(dict(channels=6), dict(channels=0), dict(channels=8, stride=0)),
        *(dict(channels=8, kernel_attention=1), dict(channels=8, kernel_convolution=2)),
    ],
)
