"""Outlook attention (Yuan et al., 2021)."""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.around import neighborhood_attention
from attention_lib.core.guards import between, divides, odd


class OutlookAttention(nn.Module):
    r"""Predict from each pixel alone how the pixels round it should look at one another.

    .. math::
        y = W_o\, \mathrm{fold}\Bigl( \mathop{\mathrm{softmax}}_{j}
        \bigl((A\,\bar{x} + a)_{ij} / \sqrt{d_h}\bigr)\; \mathrm{unfold}(W_v x)_j \Bigr)_i + b_o

    A k × k window lies round every s-th pixel in each direction.  A linear layer turns the pixel
    into k² × k² logits a head: no queries meet keys.  By them each place i of the window gets a
    weighted mean of the values at the places j of it; where windows overlap, what they give a
    pixel adds up (fold).  With a stride s, the layer reads means of s × s pixels in their place.

    Beyond the border lie zeros, which take part as values.  The algorithm printed in the paper
    has one head, no stride, no scale and no W_o; these are as in the authors' models, and so is a
    W_v without a bias.

    Args:
        channels: channels of the map, C, coming in and going out.
        heads: heads, h; each works on d_h = C / h channels; 32 channels a head in its models.
        kernel_size: side of a window, k, odd; 3 in the paper.
        stride: steps from window to window, s; 1 in the paper's algorithm, 2 in its models.

    Raises:
        ValueError: if `channels` is not a multiple of `heads`; if `kernel_size` is even; if
            `stride` exceeds it, so that pixels would lie in no window; if one is below 1.
    """

    @typed
    def __init__(self, channels: int, heads: int = 8, kernel_size: int = 3, stride: int = 1):
        super().__init__()
        divides(heads=heads, channels=channels)
        odd(1, kernel_size=kernel_size)
        between(1, stride=stride, kernel_size=kernel_size)
        self.channels, self.heads = channels, heads
        self.kernel_size, self.stride = kernel_size, stride
        self.value = nn.Conv2d(channels, channels, 1, bias=False)
        self.logits = nn.Linear(channels, heads * kernel_size**4)
        self.out = nn.Conv2d(channels, channels, 1)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        weights, values = self.weights(x), self.value(x)
        mix = self._by_offset if self.stride == 1 else self._by_window
        return self.out(mix(weights, values))

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch windows heads places values"]:
        """How each place of a window, row by row, mixes the values of the window."""
        pooled = F.avg_pool2d(x, self.stride, ceil_mode=True)
        logits = self.logits(rearrange(pooled, "b c h w -> b (h w) c"))
        logits = logits * (self.channels // self.heads) ** -0.5
        places = self.kernel_size**2
        return rearrange(logits, "b n (h i j) -> b n h i j", h=self.heads, i=places).softmax(dim=-1)

    def _by_window(self, weights: Tensor, values: Tensor) -> Tensor:
        """Unfold, mix and fold, as the formula says."""
        window = dict(kernel_size=self.kernel_size, padding=self.kernel_size // 2)
        unfolded = F.unfold(values, stride=self.stride, **window)
        unfolded = rearrange(
            unfolded, "b (h d j) n -> b n h j d", h=self.heads, j=weights.shape[-1]
        )
        mixed = rearrange(weights @ unfolded, "b n h i d -> b (h d i) n")
        return F.fold(mixed, values.shape[-2:], stride=self.stride, **window)

    def _by_offset(self, weights: Tensor, values: Tensor) -> Tensor:
        """The same where a window lies at each pixel, and no window of values is ever laid out.

        Several windows give a pixel the value at one offset: their weights are added up first.
        """
        size, last = self.kernel_size, self.kernel_size - 1
        height, width = values.shape[-2:]
        grid = dict(y=height, c=size)  # of the windows; (c, d) is the place of a value in one
        planes = rearrange(weights, "b (y x) h i (c d) -> i b h c d y x", **grid)
        taken = weights.new_zeros(())
        for place, plane in enumerate(planes):
            # what lies at (c, d) is (c - up, d - left) away from the place that takes
            up, left = divmod(place, size)
            down, right = last - up, last - left
            shifts = (left, right, up, down, right, left, down, up)
            taken = taken + F.pad(plane, shifts)
        edge = size // 2
        taken = taken[..., edge : edge + height, edge : edge + width].flatten(2, 3)
        values = values.unflatten(1, (self.heads, -1))
        return neighborhood_attention(taken[:, :, None], values, size + last).flatten(1, 2)


CARD = Card(
    OutlookAttention,
    paper="yuan2021volo",
    aliases=("volo",),
    networks=[("VOLO", "yuan2021volo")],
    example=dict(channels=12, heads=2),
    variants=[
        dict(stride=2),
        dict(stride=3),
        dict(kernel_size=5, stride=2),
        dict(kernel_size=1),
        dict(heads=3),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels**2 + channels + (channels + 1) * heads * kernel_size**4",
    macs="2 * channels**2 * height * width"
    " + ceiling(height / stride) * ceiling(width / stride) * channels * kernel_size**4"
    " * (heads + Min(1, stride - 1))",
    memory="Max(channels * height * width,"
    " Max(0, 2 - stride) * channels * (height + 2 * kernel_size - 2)"
    " * (width + 2 * kernel_size - 2),"
    " Max(0, 2 - stride) * heads * (height + kernel_size - 1) * (width + kernel_size - 1)"
    " * (2 * kernel_size - 1)**2,"
    " Min(1, stride - 1) * channels * kernel_size**2 * ceiling(height / stride)"
    " * ceiling(width / stride),"
    " heads * kernel_size**4 * ceiling(height / stride) * ceiling(width / stride))",
    flow="""
        tokens := height * width
        avg_pool2d x  # average pool, s × s
        logits -> tokens heads*kernel_size**4
        weights = softmax -> tokens heads kernel_size**2 kernel_size**2  # softmax over values
        value = value x -> channels height width
        taken = [sum over windows] weights -> heads (2*kernel_size-1)**2 height width
        [weighted sum] taken value -> channels height width  # weighted sum around
        y = out
    """,
    rejects=[
        dict(channels=10, heads=4),
        dict(channels=0, heads=1),
        dict(channels=8, heads=0),
        dict(channels=8, heads=2, kernel_size=4),
        dict(channels=8, heads=2, kernel_size=-1),
        dict(channels=8, heads=2, stride=4),
        dict(channels=8, heads=2, stride=0),
    ],
    oracles=("timm.models.volo.OutlookAttention",),
)
