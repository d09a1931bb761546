"""Linear attention (Katharopoulos et al., 2020)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides
from attention_lib.core.heads import merge_heads, split_heads
from attention_lib.core.precision import at_least_float32

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

    @typed
    def __init__(
        self, dim: int, heads: int = 8, causal: bool = True, chunk: int = 64, eps: float = 1e-6
    ):
        super().__init__()
        divides(heads=heads, dim=dim)
        at_least(1, chunk=chunk)
        at_least(0.0, eps=eps)
        self.dim, self.heads, self.head_dim = dim, heads, dim // heads
        self.causal, self.chunk, self.eps = causal, chunk, eps
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        return self._run(x, None, in_chunks=self.causal)[0]

    @shaped
    def prefill(self, x: Tokens, state: State | None = None) -> tuple[Tokens, State]:
        """The answers to some tokens that follow on a state, and the state after them."""
        self._need_causal()
        return self._run(x, state, in_chunks=True)

    @shaped
    def step(
        self, x: Float[Tensor, "batch dim"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch dim"], State]:
        """The answer to one more token, and the state after it."""
        self._need_causal()
        y, state = self._run(x[:, None], state, in_chunks=False)
        return y[:, 0], state

    def _need_causal(self) -> None:
        if not self.causal:
            raise ValueError("causal=False reads every token at once: it has no past to go on from")

    def _run(self, x: Tensor, state: State | None, in_chunks: bool) -> tuple[Tensor, State]:
        parts = (split_heads(part, self.heads) for part in self.query_key_value(x).chunk(3, dim=-1))
        if state is None:
            memory = x.new_zeros(x.shape[0], self.heads, self.head_dim, self.head_dim + 1)
        else:  # z is one more column of S, as it is the sum of the features times 1
            memory = torch.cat([state[0], state[1][..., None]], dim=-1)
        read = self._read_chunks if in_chunks else self._read_all
        y, memory = at_least_float32(read, *parts, memory)
        return self.out(merge_heads(y.to(x.dtype))), (memory[..., :-1], memory[..., -1])

    def _read_all(
        self, query: Tensor, key: Tensor, value: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The answer of each token, from the memory and all tokens here."""
        query, key, value = _features(query, key, value)
        memory = memory + key.transpose(-2, -1) @ value
        return self._divide(query @ memory), memory

    def _read_chunks(
        self, query: Tensor, key: Tensor, value: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The answer of each token, from its past: pairs within its chunk, and what lies before."""
        query, key, value = _features(query, key, value)
        tokens, size = query.shape[-2], self.chunk
        query, key, value = (
            F.pad(part, (0, 0, 0, -tokens % size)).unflatten(-2, (-1, size))
            for part in (query, key, value)
        )
        near = (query @ key.transpose(-2, -1)).tril() @ value
        after = (key.transpose(-2, -1) @ value).cumsum(dim=2) + memory[:, :, None]
        before = torch.cat([memory[:, :, None], after[:, :, :-1]], dim=2)
        sums = (near + query @ before).flatten(2, 3)
        # a slice does the same, but ties an export to numbers of tokens that chunks do not divide
        sums = F.pad(sums, (0, 0, 0, tokens - sums.shape[-2]))
        return self._divide(sums), after[:, :, -1]

    def _divide(self, sums: Tensor) -> Tensor:
        return sums[..., :-1] / (sums[..., -1:] + self.eps)


def _features(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """φ(q), φ(k), and beside v a column of ones, whose sum is the divisor."""
    return F.elu(query) + 1, F.elu(key) + 1, F.pad(value, (0, 1), value=1.0)


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
    flow="""
        chunks := ceiling(tokens / chunk)
        query, key, value = query_key_value x -> heads tokens head_dim  # project
        query_features = [elu + 1] query -> heads tokens head_dim
        key_features = [elu + 1] key -> heads tokens head_dim
        values = pad value -> heads tokens (head_dim+1)  # append ones
        product query_features key_features -> heads chunks chunk chunk  # query · key
        pairs = tril  # keep the past
        near = product pairs values -> heads chunks chunk (head_dim+1)  # weighted sum
        product key_features values -> heads chunks head_dim (head_dim+1)  # sum of key × value
        S = [sum of the past]
        far = product query_features S -> heads chunks chunk (head_dim+1)  # query · sum
        sums = plus near far
        below = add sums -> heads tokens  # last column + ε
        o = over sums below -> heads tokens head_dim  # divide
        y = out -> tokens dim
    """,
    properties={properties.causal},
    rejects=[
        dict(dim=10, heads=4),
        dict(dim=0, heads=1),
        dict(dim=8, heads=0),
        dict(dim=8, chunk=0),
        dict(dim=8, eps=-0.5),
    ],
)
