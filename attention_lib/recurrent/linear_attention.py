"""Linear attention (Katharopoulos et al., 2020)."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib import properties
from attention_lib.card import Card
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.precision import at_least_float32
from attention_lib.shape import shaped

State = tuple[Float[Tensor, "batch heads head_dim head_dim"], Float[Tensor, "batch heads head_dim"]]


class LinearAttention(nn.Module):
    r"""Replace the softmax by a product of features, so that all of the past fits in one matrix.

    .. math::
        S_i = S_{i-1} + \phi(k_i) v_i^\top, \qquad z_i = z_{i-1} + \phi(k_i), \qquad
        o_i = \frac{S_i^\top \phi(q_i)}{z_i^\top \phi(q_i) + \varepsilon}, \qquad
        \phi(u) = \operatorname{elu}(u) + 1

    The weight of token j for token i is φ(q_i)·φ(k_j), over the sum of all such weights.  A product
    can be regrouped: first sum φ(k_j) v_jᵀ over the past, then multiply by φ(q_i).  So a new token
    costs the same however long the past is.  The same sums are computed in three ways: one token
    after the other (`step`), in chunks of tokens (`forward`, `prefill`), or, if every token may
    read every other (`causal=False`), at once.

    The sums are in float32 or better.  Chunks change the order of a sum, and nothing else.

    Args:
        dim: features of a token, d.
        heads: heads h, each of d / h features.
        causal: whether a token sees only itself and those before it.
        chunk: tokens that are worked on at once, ℓ: within a chunk the pairs are weighed, which
            costs ℓ times N, and the chunks before it are read from S and z.
        eps: what is added to the divisor, ε; 1e-6 in the authors' code.

    Raises:
        ValueError: if `dim` is not a multiple of `heads`, one of `dim`, `heads`, `chunk` is below
            1, or `eps` is below 0; in `prefill` and `step`, if `causal` is False.
    """

    def __init__(
        self, dim: int, heads: int = 8, causal: bool = True, chunk: int = 64, eps: float = 1e-6
    ):
        super().__init__()
        for name, given in dict(dim=dim, heads=heads, chunk=chunk).items():
            if given < 1:
                raise ValueError(f"{name}={given} must be at least 1")
        if dim % heads:
            raise ValueError(f"dim={dim} must be a multiple of heads={heads}")
        if not eps >= 0:
            raise ValueError(f"eps={eps} must be at least 0")
        self.dim, self.heads, self.head_dim = dim, heads, dim // heads
        self.causal, self.chunk, self.eps = causal, chunk, eps
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    @shaped
    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        return self._run(x, None, self._chunks if self.causal else _all)[0]

    @shaped
    def prefill(
        self, x: Float[Tensor, "batch tokens dim"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch tokens dim"], State]:
        """The answers to some tokens that follow on a state, and the state after them."""
        self._need_causal()
        return self._run(x, state, self._chunks)

    @shaped
    def step(
        self, x: Float[Tensor, "batch dim"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch dim"], State]:
        """The answer to one more token, and the state after it."""
        self._need_causal()
        y, state = self._run(x[:, None], state, _all)
        return y[:, 0], state

    def _need_causal(self) -> None:
        if not self.causal:
            raise ValueError("causal=False reads every token at once: it has no past to go on from")

    def _run(self, x: Tensor, state: State | None, read: Callable) -> tuple[Tensor, State]:
        parts = (split_heads(part, self.heads) for part in self.query_key_value(x).chunk(3, dim=-1))
        if state is None:
            memory = x.new_zeros(x.shape[0], self.heads, self.head_dim, self.head_dim + 1)
        else:  # z is one more column of S, as it is the sum of the features times 1
            memory = torch.cat([state[0], state[1][..., None]], dim=-1)
        y, memory = at_least_float32(partial(self._answer, read), *parts, memory)
        return self.out(merge_heads(y.to(x.dtype))), (memory[..., :-1], memory[..., -1])

    def _answer(
        self, read: Callable, query: Tensor, key: Tensor, value: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        query, key = F.elu(query) + 1, F.elu(key) + 1
        sums, memory = read(query, key, F.pad(value, (0, 1), value=1.0), memory)
        return sums[..., :-1] / (sums[..., -1:] + self.eps), memory

    def _chunks(
        self, query: Tensor, key: Tensor, value: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sums over the past of each token, and over all: pairs within a chunk, then the rest."""
        tokens, size = query.shape[-2], self.chunk
        query, key, value = (
            F.pad(part, (0, 0, 0, -tokens % size)).unfold(-2, size, size).mT
            for part in (query, key, value)
        )
        near = (query @ key.mT).tril() @ value
        after = (key.mT @ value).cumsum(dim=2) + memory[:, :, None]
        before = torch.cat([memory[:, :, None], after[:, :, :-1]], dim=2)
        sums = (near + query @ before).flatten(2, 3)
        # a slice does the same, but ties an export to numbers of tokens that chunks do not divide
        return F.pad(sums, (0, 0, 0, tokens - sums.shape[-2])), after[:, :, -1]


def _all(query: Tensor, key: Tensor, value: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over all tokens, for each of them."""
    memory = memory + key.mT @ value
    return query @ memory, memory


CARD = Card(
    LinearAttention,
    paper="katharopoulos2020linear",
    aliases=("linear_attention", "katharopoulos"),
    example=dict(dim=12, heads=3, chunk=5),
    variants=[
        *(dict(causal=False), dict(chunk=1), dict(chunk=8), dict(heads=1), dict(eps=0.5)),
    ],
    sizes=dict(batch=2, tokens=7),
    params="4 * dim**2",
    macs="4 * tokens * dim**2 + 2 * (1 - causal) * tokens * dim * (head_dim + 1)"
    " + causal * heads * chunk * ceiling(tokens / chunk)"
    " * (chunk * (2 * head_dim + 1) + 2 * head_dim * (head_dim + 1))",
    memory="Max(3 * tokens * dim, causal * heads * ceiling(tokens / chunk)"
    " * Max(chunk**2, chunk * (head_dim + 1), head_dim * (head_dim + 1)))",
    state="heads * head_dim * (head_dim + 1)",
    properties={properties.causal},
    rejects=[
        dict(dim=10, heads=4),
        dict(dim=0, heads=1),
        dict(dim=8, heads=0),
        dict(dim=8, chunk=0),
        dict(dim=8, eps=-0.5),
    ],
)
