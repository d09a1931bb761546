"""Separable self-attention (Mehta and Rastegari, 2022)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least


class SeparableAttention(nn.Module):
    r"""Score each token once, gather all of them into one context vector, and hand it to each.

    .. math::
        a_j = \frac{\exp(x_j \cdot w_s)}{\sum_i \exp(x_i \cdot w_s)}, \qquad
        c = \sum_j a_j\, x_j W_k, \qquad
        y_i = \bigl(\mathrm{ReLU}(x_i W_v) \odot c\bigr) W_o

    Tokens are not compared with one another, only with the learned latent token :math:`w_s`: N
    scores a in place of N × N.  All receive the same context c, each through its own value.
    The scores sum to one, so the key may be applied to the mean :math:`\sum_j a_j x_j` of the
    tokens as well as to each of them, and one token is cheaper than N.

    The layers have biases, as in the published weights, but for the score: the softmax would cancel
    it.  The released code applies this to each of the P places within the patches of a map, over
    the N patches.

    Args:
        dim: features of a token, d; 128, 192 and 256 in the authors' models, times their width.

    Raises:
        ValueError: if `dim` is below 1.
    """

    @typed
    def __init__(self, dim: int):
        super().__init__()
        at_least(1, dim=dim)
        self.dim = dim
        self.score = nn.Linear(dim, 1, bias=False)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Tokens:
        """Gather from the real tokens; with none the context is zero.

        Args:
            x: the tokens.
            key_mask: (batch, tokens), True for a real token, False for padding; None is all True.
        """
        weights = _softmax(self.score(x), key_mask)
        context = self.key(weights.transpose(-2, -1) @ x)
        if key_mask is not None:
            context = context * key_mask.any(dim=1)[:, None, None]
        return self.out(self.value(x).relu() * context)

    @shaped
    def weights(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens"]:
        """The share a of each token in the context."""
        return _softmax(self.score(x), key_mask).squeeze(-1)


def _softmax(scores: Tensor, key_mask: Tensor | None) -> Tensor:
    """Over the real tokens; zeros where there is none."""
    if key_mask is None:
        return scores.softmax(dim=1)
    blind = ~key_mask.any(dim=1, keepdim=True)
    hidden = ~(key_mask | blind)
    return scores.masked_fill(hidden[..., None], -torch.inf).softmax(dim=1) * ~blind[..., None]


CARD = Card(
    SeparableAttention,
    paper="mehta2022separable",
    aliases=("mobilevitv2", "separable"),
    elsewhere=("MobileViTv2Attention", "LinearSelfAttention"),
    networks=[("MobileViTv2", "mehta2022separable")],
    example=dict(dim=12),
    sizes=dict(batch=2, tokens=7),
    params="3 * dim**2 + 4 * dim",
    macs="2 * tokens * dim**2 + 2 * tokens * dim + dim**2",
    memory="tokens * dim",
    flow="""
        score x     -> tokens
        a = softmax         # softmax over tokens
        product a x -> dim  # weighted sum
        c = key
        value x
        kept = relu
        times kept c
        y = out
    """,
    properties={properties.token_permutation_equivariant},
    rejects=[dict(dim=0), dict(dim=-12)],
    oracles=("timm.models.mobilevit.LinearSelfAttention",),
    cannot=dict(
        check_extremes="value times context is quadratic in x: the answer to an input a thousand"
        " times larger is a million times larger, which float16 has no number for"
    ),
)
