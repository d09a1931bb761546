"""Multi-resolution overlapped attention (Patel et al., 2022)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, SignatureError, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, between, divides
from attention_lib.core.precision import biased_attention, biased_weights
from attention_lib.core.relative_position import relative_bias
from attention_lib.core.windows import add_to_windows


class MultiResolutionOverlappedAttention(nn.Module):
    r"""Let the windows of a map attend to one another, each read with a margin of its neighbours.

    .. math::
        y_p = x_p + W_o \Bigl[\, \sum_b \mathop{\mathrm{softmax}}_{b} \Bigl(
        \frac{Q_{ia}^\top K_{ib}}{\sqrt{d_h}} + B_i(a - b) \Bigr)\, V_{ib} \,\Bigr]_{i=1}^{h}
        + b_o, \qquad p \in a, \quad z = W_r\, x + b_r, \\
        Q_a = W_q\, z(a) + b_q, \quad K_b = W_k\, z(\bar b), \quad V_b = W_v\, z(\bar b)

    It follows layers that attend within windows of w × w places, which know nothing of each other.
    Here a window a is one token: its query is made of all its places, z(a), which have few channels
    each; key and value of a window b reach o places further on each side, z(b̄), so that windows
    overlap.  A learned bias B belongs to the steps from window to window.  What a window gathers
    is added to all its places.

    Places outside the map are zeros of z, also where w does not divide its size.  What the authors'
    code has around it (norms, one more residual sum, a convolution) is left to the network.  There,
    tokens are reshaped to a map (and windows to tokens) without moving an axis, which mixes places
    and channels; and keys and values have biases, which softmax ignores and b_o makes up for.

    Args:
        channels: channels of the map, C, coming in and going out; 128 in the first stage of MOA-B.
        heads: heads, h; each works on d_h = C / h channels; 4 in that stage.
        window_size: places along a side of a window, w; 14 in the paper.
        overlap: places by which keys and values reach further on each side, o; 1 in their code.
        reduction: z has C / r channels, r; 32 in the authors' code.
        max_windows: the most windows along an axis, g; 4 in that stage, for a map of 56 × 56.

    Raises:
        ValueError: if C is not a multiple of `heads`; if a number is below 1, or `overlap` below 0;
            if `reduction` leaves no channel; if a map has more than `max_windows` along an axis.
    """

    @typed
    def __init__(
        self,
        channels: int,
        heads: int = 4,
        window_size: int = 14,
        overlap: int = 1,
        reduction: int = 32,
        max_windows: int = 4,
    ):
        super().__init__()
        divides(heads=heads, channels=channels)
        at_least(1, window_size=window_size, max_windows=max_windows)
        at_least(0, overlap=overlap)
        between(1, reduction=reduction, channels=channels)
        self.channels, self.heads, self.max_windows = channels, heads, max_windows
        self.reduction = reduction
        self.window_size, self.overlap, self.hidden = window_size, overlap, channels // reduction
        self.reduce = nn.Conv2d(channels, self.hidden, 1)
        self.query = nn.Linear(self.hidden * window_size**2, channels)
        wide = window_size + 2 * overlap
        self.key_value = nn.Linear(self.hidden * wide**2, 2 * channels, bias=False)
        steps = 2 * max_windows - 1
        self.position_bias = nn.Parameter(torch.zeros(heads, steps, steps))
        self.out = nn.Conv2d(channels, channels, 1)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        query, key, value, bias = self._project(x)
        rows, columns = self._sides(x)
        gathered = biased_attention(query, key, value, bias)
        gathered = rearrange(gathered, "b h (r s) d -> b (h d) r s", r=rows, s=columns)
        return add_to_windows(x, self.out(gathered), self.window_size)

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch heads tokens keys"]:
        """The weights of all windows in each, row by row; made for looking, not for speed."""
        query, key, _, bias = self._project(x)
        return biased_weights(query, key, bias)

    def _sides(self, x: Tensor) -> tuple[int, int]:
        """Rows and columns of windows."""
        w, most = self.window_size, self.max_windows
        if x.shape[-2] > most * w or x.shape[-1] > most * w:
            raise SignatureError(
                f"MultiResolutionOverlappedAttention: x must be at most max_windows={most} times "
                f"window_size={w} pixels high and wide, got {tuple(x.shape)}"
            )
        rows, columns = ((side + w - 1) // w for side in x.shape[-2:])
        return rows, columns

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Query, key and value of each window, by head, and the bias of each pair of windows."""
        rows, columns = self._sides(x)
        below, right = (-side % self.window_size for side in x.shape[-2:])
        z = F.pad(self.reduce(x), (0, right, 0, below))
        query = self.query(self._windows(z))
        both = self.key_value(self._windows(z, self.overlap))
        query = rearrange(query, "b n (h d) -> b h n d", h=self.heads)
        key, value = rearrange(both, "b n (t h d) -> t b h n d", t=2, h=self.heads)
        return query, key, value, relative_bias(self.position_bias, rows, columns)[None]

    def _windows(self, z: Tensor, margin: int = 0) -> Tensor:
        """All that lies in each window and its margin, (batch, windows, numbers)."""
        wide = self.window_size + 2 * margin
        return F.unfold(z, wide, padding=margin, stride=self.window_size).transpose(1, 2)


CARD = Card(
    MultiResolutionOverlappedAttention,
    paper="patel2022moa",
    aliases=("moa",),
    elsewhere=("MOATransformer",),
    example=dict(channels=12, heads=3, window_size=3, reduction=5, max_windows=150),
    variants=[
        dict(heads=1),
        dict(window_size=2, max_windows=224),
        dict(overlap=0),
        dict(overlap=4),
        dict(reduction=12),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="hidden * channels + hidden + channels * hidden * window_size**2 + channels"
    " + 2 * channels * hidden * (window_size + 2 * overlap)**2 + heads * (2 * max_windows - 1)**2"
    " + channels**2 + channels",
    macs="channels * hidden * height * width + ceiling(height / window_size)"
    " * ceiling(width / window_size) * (channels * hidden * window_size**2"
    " + 2 * channels * hidden * (window_size + 2 * overlap)**2 + channels**2"
    " + 2 * channels * ceiling(height / window_size) * ceiling(width / window_size))",
    memory="Max(heads * ceiling(height / window_size)**2 * ceiling(width / window_size)**2 / batch,"
    " 2 * channels * hidden * (window_size + 2 * overlap)**2 / batch,"
    " Max(channels * window_size**2, hidden * (window_size + 2 * overlap)**2)"
    " * ceiling(height / window_size) * ceiling(width / window_size))",
    flow="""
        head_dim := channels / heads
        rows := ceiling(height / window_size)
        columns := ceiling(width / window_size)
        blocks := rows * columns
        z = reduce x -> hidden height width
        im2col -> blocks hidden*window_size**2  # windows
        query = query -> heads blocks head_dim
        im2col z -> blocks hidden*(window_size+2*overlap)**2  # wider windows
        key, value = key_value -> heads blocks head_dim  # project
        bias = index_select position_bias -> heads blocks blocks  # look up each pair
        logits = product query key -> heads blocks blocks  # query · key
        plus logits bias
        weights = softmax  # softmax over keys
        product weights value -> heads blocks head_dim  # weighted sum
        out -> channels rows columns
        added = upsample_nearest2d -> channels rows*window_size columns*window_size  # spread
        y = plus x added
    """,
    rejects=[
        dict(channels=12, heads=5, reduction=1),
        dict(channels=-12, heads=4),
        dict(channels=12, reduction=13),
        dict(channels=12, reduction=0),
        dict(channels=12, reduction=1, window_size=0),
        dict(channels=12, reduction=1, max_windows=0),
        dict(channels=12, reduction=1, overlap=-1),
    ],
)
