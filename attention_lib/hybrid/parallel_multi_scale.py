"""Parallel multi-scale attention, MUSE (Zhao et al., 2019)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.masks import masked_attention
from attention_lib.core.precision import wide


class ParallelMultiScaleAttention(nn.Module):
    r"""Read a sequence at three distances at once: all of it, a neighbourhood, a single token.

    .. math::
        y = \bigl[\mathrm{softmax}(Q_i K_i^\top / \sqrt{d_h})\, V_i\bigr]_{i=1}^{h} W_o
        + \sum_s \mathrm{softmax}(\alpha)_s\, \mathrm{Conv}_{k_s}(V)\, W_c
        + \mathrm{ReLU}(x W_1 + b_1) W_2 + b_2,
        \qquad \mathrm{Conv}_k(V)_n = \sum_{t=0}^{k-1}
        \mathop{\mathrm{softmax}}_t (V_n P_k)_t\, V_{n + t - \lfloor k/2 \rfloor}

    In deep layers attention tends to settle on single tokens and to lose what stands close by.
    Beside it runs a *dynamic convolution* (Wu et al., 2019) for each kernel size k_s: by P, every
    token makes its own kernel out of its value, one for each head, and softmax(α) weighs the sizes.
    Attention and convolution read the *same* values V, so that near and far are told in the same
    terms; beyond the ends V is zero.  The third term, the feed-forward layer, reads no neighbour.

    Residual sum and LayerNorm belong to the network.  The authors' code has a bias behind the heads
    too, for which that of the feed-forward layer does as well.  It also has a decoder's form, which
    reads only what came before, and leaves out kernel weights at random in training: neither is
    here.

    Args:
        dim: features of a token, d.
        heads: heads, h; each works on d_h = d / h features.
        kernel_sizes: tokens that each convolution reads, k_s; 3 and 15 in the authors' code.
        expansion: how many times wider than d the middle of the feed-forward layer is, e; 4 in
            the authors' larger models, 2 in the smallest.
        bias: whether queries, keys and values have biases, as in the authors' code; the paper's
            formulas have none.
        read_padding: whether the convolutions read the values of padding, as in the authors'
            released models; if not, these are zero.

    Raises:
        ValueError: if `dim` is not a multiple of `heads`, if a number is below 1, or if there is
            no kernel size or one below 2, which would have nothing to share out.
    """

    @typed
    def __init__(
        self,
        dim: int,
        heads: int = 8,
        kernel_sizes: tuple[int, ...] = (3, 15),
        expansion: int = 4,
        bias: bool = False,
        read_padding: bool = False,
    ):
        super().__init__()
        at_least(1, expansion=expansion)
        divides(heads=heads, dim=dim)
        at_least(2, kernel_sizes=kernel_sizes)
        self.dim, self.heads, self.kernel_sizes = dim, heads, kernel_sizes
        self.expansion, self.bias, self.read_padding = expansion, bias, read_padding
        self.scales, self.widest = len(kernel_sizes), max(kernel_sizes)
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=bias)
        self.out_attention = nn.Linear(dim, dim, bias=False)
        self.kernels = nn.ModuleList(nn.Linear(dim, heads * k, bias=False) for k in kernel_sizes)
        equal = torch.zeros(self.scales)
        self.select = nn.Parameter(equal) if self.scales > 1 else None  # alone: nothing to choose
        self.out_convolution = nn.Linear(dim, dim, bias=False)
        self.expand = nn.Linear(dim, expansion * dim)
        self.contract = nn.Linear(expansion * dim, dim)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Tokens:
        """Read the real tokens only: padding is no key, and its value is zero, if it is not read.

        Args:
            x: the tokens.
            key_mask: (batch, tokens), True for a real token, False for padding; None is all True.
        """
        query, key, value = self._project(x, key_mask)
        allowed = None if key_mask is None else key_mask[:, None, None, :]
        queries, keys, values = (split_heads(part, self.heads) for part in (query, key, value))
        gathered = masked_attention(queries, keys, values, allowed)
        far = self.out_attention(merge_heads(gathered))
        near = self.out_convolution(self._convolved(value, self._kernel(value)))
        feed = self.contract(self.expand(x).relu())
        return (wide(far) + near + feed).to(far.dtype)  # two of three may be beyond float16

    @shaped
    def kernel(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens heads widest"]:
        """The kernel that each head of a token makes, all sizes weighed and added; it sums to 1."""
        return self._kernel(self._project(x, key_mask)[2])

    def _project(self, x: Tensor, key_mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.query_key_value(x).chunk(3, dim=-1)
        if key_mask is not None and not self.read_padding:
            value = value.masked_fill(~key_mask[..., None], 0)
        return query, key, value

    def _kernel(self, value: Tensor) -> Tensor:
        shares = [1] if self.select is None else self.select.softmax(dim=0)
        total = value.new_zeros(())
        for share, size, predict in zip(shares, self.kernel_sizes, self.kernels, strict=True):
            taps = predict(value).unflatten(-1, (self.heads, size)).softmax(dim=-1)
            before = self.widest // 2 - size // 2
            total = total + share * F.pad(taps, (before, self.widest - size - before))
        return total

    def _convolved(self, value: Tensor, kernel: Tensor) -> Tensor:
        """Tap by tap: the neighbourhoods of all tokens are never laid out side by side."""
        tokens, before = value.shape[1], self.widest // 2
        around = F.pad(value, (0, 0, before, before))
        around = around.unflatten(-1, (self.heads, -1))
        total = torch.zeros_like(around[:, :tokens])
        for tap, weight in enumerate(kernel[..., None].unbind(dim=-2)):
            total = torch.addcmul(total, weight, around[:, tap : tap + tokens])
        return total.flatten(-2)


CARD = Card(
    ParallelMultiScaleAttention,
    paper="zhao2019muse",
    aliases=("muse",),
    elsewhere=("MUSEAttention",),
    networks=[("MUSE", "zhao2019muse")],
    example=dict(dim=12, heads=3, kernel_sizes=(3, 5), expansion=2),
    variants=[
        dict(kernel_sizes=(4,)),
        dict(kernel_sizes=(2, 3, 7)),
        dict(heads=1),
        dict(expansion=4),
        dict(heads=6, kernel_sizes=(31,)),
        dict(bias=True),
        dict(read_padding=True),
    ],
    sizes=dict(batch=2, tokens=7),
    params="5 * dim**2 + bias * 3 * dim + Min(scales - 1, 1) * scales"
    " + dim * heads * Sum(kernel_sizes[i], (i, 0, scales - 1))"
    " + 2 * expansion * dim**2 + (expansion + 1) * dim",
    macs="5 * tokens * dim**2 + 2 * tokens**2 * dim"
    " + tokens * dim * heads * Sum(kernel_sizes[i], (i, 0, scales - 1))"
    " + 2 * expansion * tokens * dim**2",
    memory="tokens * Max(3 * dim, expansion * dim, heads * widest)",
    flow="""
        head_dim := dim / heads
        query, key, value = query_key_value x -> heads tokens head_dim  # project
        [attention] query key value -> heads tokens head_dim  # softmax(q · k) v
        far = out_attention -> tokens dim  # out
        short = kernels.0 value -> tokens heads kernel_sizes[0]  # kernel
        long = kernels.1 value -> tokens heads kernel_sizes[1]  # kernel
        kernel = [softmax over taps, mix] short long select -> tokens heads widest
        [weighted sum] kernel value -> tokens dim  # weighted sum around
        near = out_convolution  # out
        expand x -> tokens expansion*dim
        relu
        feed = contract -> tokens dim
        both = plus far near
        y = plus both feed
    """,
    rejects=[
        dict(dim=10, heads=4),
        dict(dim=8, heads=0),
        dict(dim=-8),
        dict(dim=8, expansion=0),
        dict(dim=8, kernel_sizes=()),
        dict(dim=8, kernel_sizes=(3, 1)),
    ],
)
