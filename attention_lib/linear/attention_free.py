"""Attention Free Transformer (Zhai et al., 2021)."""

import torch
from einops import rearrange
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import SignatureError, Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least
from attention_lib.core.precision import at_least_float32


class AttentionFree(nn.Module):
    r"""Average the values by weights that each feature of the keys sets for itself, and gate it.

    .. math::
        y_i = \sigma(q_i) \odot
        \frac{\sum_j e^{k_j + w_{ij}} \odot v_j}{\sum_j e^{k_j + w_{ij}}},
        \qquad w_{ij} = u_i \cdot u'_j, \quad q, k, v = x W

    No query meets a key: what token i takes of a feature of token j depends on that feature of
    the key and on a bias w for both places, each of which has learned features, u and u'.  So
    both sums over the N tokens are matrix products of exp(w), with exp(k) ⊙ v and with exp(k),
    and nothing is larger than N × N.  AFT-simple has no w and no N × N.  Exponents are relative
    to the largest, in float32 or better: keys may be of any size; the biases of one token may
    lie 80 apart.  Causal sums cannot share one largest key, as beside a later one nothing may be
    left of those before.  They go by halves: in each block of 2, 4, 8, … tokens the second half
    reads the first.  The steps depend on the tokens: an exported one is for one length.

    Args:
        dim: features of a token, d.
        max_tokens: the most tokens there are positions for; None is AFT-simple, w = 0.
        window: AFT-local: where |i - j| is `window` or more, w is 0, but nothing is hidden.
        rank: features of a position, r; 128 in the paper.
        causal: whether a token sees only itself and those before it.

    Raises:
        ValueError: if a number is below 1; if there is a `window` but no `max_tokens`; if a call
            has more than `max_tokens` tokens.
    """

    @typed
    def __init__(
        self,
        dim: int,
        max_tokens: int | None = None,
        window: int | None = None,
        rank: int = 128,
        causal: bool = False,
    ):
        super().__init__()
        at_least(1, dim=dim, rank=rank)
        if max_tokens is not None:
            at_least(1, max_tokens=max_tokens)
        if window is not None:
            at_least(1, window=window)
        if max_tokens is None and window is not None:
            raise ValueError(f"window={window} is for position biases: max_tokens is missing")
        self.dim, self.max_tokens, self.window, self.causal = dim, max_tokens, window, causal
        self.rank = 0 if max_tokens is None else rank
        # three layers: the values of a fused one would keep queries and keys in memory
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.query_position = self.key_position = None
        if max_tokens is not None:
            self.query_position = nn.Parameter(torch.randn(max_tokens, rank) / 10)
            self.key_position = nn.Parameter(torch.randn(max_tokens, rank) / 10)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        query = self.query(x)
        mean = self._mean(x)
        return query.sigmoid() * mean

    def _mean(self, x: Tensor) -> Tensor:
        weights = self._position_weights(x.shape[1])
        # the features of all samples side by side: one matrix product for the batch
        key, value = (rearrange(part(x), "b n d -> n (b d)") for part in (self.key, self.value))
        sums = _sums_before if self.causal else _sums
        _, above, below = at_least_float32(sums, key, value, *weights)
        return rearrange((above / below).to(x.dtype), "n (b d) -> b n d", d=self.dim)

    def _position_weights(self, tokens: int) -> list[Tensor]:
        """exp(w), divided by the largest of each row; nothing if w = 0."""
        query, key = self.query_position, self.key_position
        if query is None or key is None:
            return []
        most = len(query)
        if tokens > most:
            raise SignatureError(f"AttentionFree: tokens={tokens} is more than max_tokens={most}")
        bias = at_least_float32(torch.matmul, query[:tokens], key[:tokens].transpose(-2, -1))
        if self.window is not None:
            bias = bias.triu(1 - self.window).tril(self.window - 1)
        return [(bias - bias.detach().amax(dim=-1, keepdim=True)).exp_()]


def _sums(key: Tensor, value: Tensor, weights: Tensor | None = None) -> tuple[Tensor, ...]:
    """An exponent m, Σ exp(k + w - m) v and Σ exp(k + w - m) over all keys."""
    top = key.detach().amax(dim=-2, keepdim=True)
    power = (key - top).exp_()
    if weights is None:
        return top, (power * value).sum(dim=-2, keepdim=True), power.sum(dim=-2, keepdim=True)
    return top, weights @ (power * value), weights @ power


def _sums_before(key: Tensor, value: Tensor, weights: Tensor | None = None) -> tuple[Tensor, ...]:
    """The same over the keys up to each token."""
    own = (key - key.detach()).exp() * (1 if weights is None else weights.diagonal()[:, None])
    sums: tuple[Tensor, ...] = (key.detach(), own * value, own)
    tokens, half = len(key), 1
    while half < tokens:
        cut = tokens - tokens % (2 * half)  # behind it, a block that is not full
        parts = []
        for s in (slice(0, cut), slice(cut, tokens)):
            if s.start < s.stop:
                near = None if weights is None else weights[s, s]
                parts.append(_read_halves(half, near, *(x[s] for x in (key, value, *sums))))
        sums = tuple(torch.cat(part) for part in zip(*parts, strict=True))
        half *= 2
    return sums


def _read_halves(half: int, weights: Tensor | None, *rest: Tensor) -> tuple[Tensor, ...]:
    """Add to the sums of each second half those over the first half of its block."""
    size = min(2 * half, len(rest[0]))
    key, value, *sums = (x.unflatten(0, (-1, size)) for x in rest)
    if weights is not None:
        pairs = weights.unflatten(0, (-1, size)).unflatten(2, (-1, size))
        weights = pairs.diagonal(dim1=0, dim2=2).movedim(-1, 0)[:, half:, :half]
    first, (top, above, below) = zip(*(x.tensor_split([half], dim=1) for x in sums), strict=True)
    more_top, more_above, more_below = _sums(key[:, :half], value[:, :half], weights)
    new = torch.maximum(top, more_top)
    old, more = (top - new).exp(), (more_top - new).exp()
    second = new, above * old + more_above * more, below * old + more_below * more
    return tuple(torch.cat(both, 1).flatten(0, 1) for both in zip(first, second, strict=True))


CARD = Card(
    AttentionFree,
    paper="zhai2021aft",
    aliases=("aft",),
    elsewhere=("AFT_FULL",),
    networks=[("AFT", "zhai2021aft")],
    example=dict(dim=12, max_tokens=448, rank=5),
    variants=[
        *(dict(window=3), dict(rank=1), dict(max_tokens=None)),
        *(dict(causal=True), dict(causal=True, window=3), dict(causal=True, max_tokens=None)),
    ],
    sizes=dict(batch=2, tokens=7),
    params="3 * dim**2 + 2 * rank * max_tokens",
    macs="3 * tokens * dim**2 + tokens**2 * rank / batch"
    " + (2 * tokens**2 - causal * tokens * (tokens + 1)) * dim * Min(rank, 1)",
    memory="Max(tokens**2 * Min(rank, 1) / batch, tokens * dim)",
    flow="""
        q = query x
        k = key x
        v = value x
        w = product query_position key_position -> tokens tokens  # bias u·u′
        near = [exp] w                                            # exp(w − max_{N})
        power = [exp] k                                           # exp(k − max_{N})
        each = times power v
        above = product near each               -> tokens dim     # weighted sum
        below = product near power              -> tokens dim     # total
        mean = over above below                                   # sum / total
        gate = sigmoid q
        y = times gate mean
    """,
    rejects=[dict(dim=0), dict(dim=8, max_tokens=0), dict(dim=8, window=3), dict(dim=8, rank=0)],
    oracles=("aft_pytorch.AFTFull", "aft_pytorch.AFTSimple"),
)
