"""Attention Free Transformer with convolutions (Zhai et al., 2021)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import divides, odd
from attention_lib.core.precision import at_least_float32


class AttentionFreeConvolution(nn.Module):
    r"""Average the values of the whole map, with a learned bias for how far away a place is.

    .. math::
        y_p = \sigma(q_p) \odot
        \frac{\sum_r e^{k_r} v_r + \sum_{r \in \mathcal{W}_p} (e^{w_{r-p}} - 1)\, e^{k_r} v_r}
        {\sum_r e^{k_r} + \sum_{r \in \mathcal{W}_p} (e^{w_{r-p}} - 1)\, e^{k_r}},
        \qquad w = \gamma\, \frac{\theta - \bar\theta}{\sqrt{\mathrm{var}(\theta) + \varepsilon}}
        + \beta, \quad q, k, v = W x

    This is attention-free averaging with one key a head, and a bias that depends on the offset of
    two places alone and is 0 outside a window W.  So two sums are the same for all places, and
    two are depthwise convolutions with exp(w) - 1.  Each head has a window θ of learned numbers,
    which are normed over the window; its γ and β are 0 at the start, and so is w.

    Keys may be of any size: their largest is subtracted, and sums are float32 or better.  Where
    the place of that largest key has a bias below -10, float32 loses what is left beside it.

    Args:
        channels: channels of the map, C.
        heads: heads, h; each has a key and a window of biases for its C / h channels;
            from 16 up to one a channel in the paper.
        kernel_size: width and height of the window, k, odd; 11 in most of the paper's models.

    Raises:
        ValueError: if `channels` is not a multiple of `heads`, if one of them is below 1, or if
            `kernel_size` is even or below 3: a single bias has no variance.
    """

    eps = 1e-6  # ours, as is the count in the variance

    @typed
    def __init__(self, channels: int, heads: int = 32, kernel_size: int = 11):
        super().__init__()
        divides(heads=heads, channels=channels)
        odd(3, kernel_size=kernel_size)
        self.channels, self.heads, self.kernel_size = channels, heads, kernel_size
        self.query_key_value = nn.Conv2d(channels, 2 * channels + heads, 1, bias=False)
        self.position = nn.Parameter(torch.randn(heads, kernel_size, kernel_size))
        self.gain = nn.Parameter(torch.zeros(heads))
        self.shift = nn.Parameter(torch.zeros(heads))

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        sizes = self.channels, self.heads, self.channels
        query, key, value = self.query_key_value(x).split(sizes, dim=1)
        mean = at_least_float32(self._mean, key, value, self.position, self.gain, self.shift)
        return query.sigmoid() * mean.to(x.dtype)

    def _mean(
        self, key: Tensor, value: Tensor, position: Tensor, gain: Tensor, shift: Tensor
    ) -> Tensor:
        """The weighted mean of the values around each place."""
        even = F.layer_norm(position, position.shape[1:], eps=self.eps)
        kernel = (gain[:, None, None] * even + shift[:, None, None]).exp()[:, None] - 1
        power = (key - key.detach().amax(dim=(-2, -1), keepdim=True)).exp()
        above = power[:, :, None] * value.unflatten(1, (self.heads, -1))
        size, share = self.kernel_size, self.channels // self.heads
        shared = kernel.expand(-1, share, -1, -1).reshape(self.channels, 1, size, size)
        above = self._sums(above.flatten(1, 2), shared).unflatten(1, (self.heads, -1))
        return (above / self._sums(power, kernel)[:, :, None]).flatten(1, 2)

    def _sums(self, maps: Tensor, kernel: Tensor) -> Tensor:
        """Over the whole map, plus what the window adds."""
        near = F.conv2d(maps, kernel, padding=self.kernel_size // 2, groups=kernel.shape[0])
        return maps.sum(dim=(-2, -1), keepdim=True) + near


CARD = Card(
    AttentionFreeConvolution,
    paper="zhai2021aft",
    aliases=("aft-conv",),
    networks=[("AFT-conv", "zhai2021aft")],
    example=dict(channels=12, heads=3, kernel_size=3),
    variants=[dict(heads=12), dict(heads=1), dict(kernel_size=11)],
    sizes=dict(batch=2, height=7, width=5),
    params="channels * (2 * channels + heads) + heads * (kernel_size**2 + 2)",
    macs="height * width"
    " * (channels * (2 * channels + heads) + kernel_size**2 * (channels + heads))",
    memory="height * width * (2 * channels + heads)",
    flow="""
        query, key, value = query_key_value x -> (2*channels+heads) height width  # project
        normed = layer_norm position          -> heads kernel_size kernel_size
        scaled = times gain normed            -> heads kernel_size kernel_size
        w = plus scaled shift
        exp
        kernel = sub                                                              # minus 1
        power = [exp] key                     -> heads height width               # exp(key − max)
        each = times power value              -> channels height width
        above = [sum + k × k depthwise] each kernel
        below = [sum + k × k depthwise] power kernel
        mean = over above below               -> channels height width            # divide
        gate = sigmoid query                  -> channels height width
        y = times gate mean
    """,
    rejects=[
        dict(channels=8, heads=3),
        dict(channels=8, heads=0),
        dict(channels=0),
        dict(channels=32, kernel_size=4),
        dict(channels=32, kernel_size=1),
    ],
)
