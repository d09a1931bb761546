"""External attention (Guo et al., 2021)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, divides


class ExternalAttention(nn.Module):
    r"""Let tokens compare themselves with a small learned memory instead of with one another.

    .. math::
        \hat a_{is} = \frac{\exp(K_s \cdot f_i)}{\sum_j \exp(K_s \cdot f_j)}, \qquad
        a_{is} = \frac{\hat a_{is}}{\sum_t \hat a_{it}}, \qquad
        y_i = \sum_s a_{is} V_s

    A memory has S slots, each with a key K and a value V that are learned and the same for every
    input.  The *double normalisation* divides first over the tokens, slot by slot, and then over
    the slots: without the first, a token with large features would favour the same slots
    whatever it says.  The tokens meet in the S sums over j alone.

    One head reads the tokens as they are, f = x.  Several cut f = x Wᵠ, which is `expansion` times
    as wide as x, into heads that share one memory, and join what they read by a last layer.

    The division in two steps is 0 / 0 once a token is so far ahead in every slot that the shares
    of another vanish; the authors' code adds 1e-9 to the second divisor.  Here both steps are
    taken among logarithms, where nothing vanishes: the second is a softmax of what the first left.

    Query and memories have no biases: the sum over the tokens would cancel those of query and
    keys, and the last layer has one for the values.  The authors' classifiers keep all three.
    In their segmentation model both memories begin as one tensor, which a move to a GPU divides in
    two and training on a CPU keeps one; here they are two, with different numbers.

    Args:
        dim: features of a token, d; 512 in the authors' segmentation model.
        slots: keys and values of the memory, S; 64 in the same model.
        heads: heads, h; one has no query and no last layer.  The authors' classifiers have
            8 `expansion` = 32, on 256 / `expansion` = 64 slots.
        expansion: how many times wider than d the h heads are together, e; 4 in those classifiers.

    Raises:
        ValueError: if a number is below 1, if the heads do not divide their width, or if a single
            head is to be wider than a token.
    """

    @typed
    def __init__(self, dim: int, slots: int = 64, heads: int = 1, expansion: int = 1):
        super().__init__()
        at_least(1, dim=dim, slots=slots, heads=heads, expansion=expansion)
        if heads == 1 and expansion > 1:
            raise ValueError(f"expansion={expansion} needs a query, which heads=1 has not")
        divides(heads=heads, **{"dim * expansion": dim * expansion})
        self.dim, self.slots, self.heads = dim, slots, heads
        self.expansion = expansion
        width = dim * expansion
        self.query = nn.Linear(dim, width, bias=False) if heads > 1 else nn.Identity()
        self.key_memory = nn.Linear(width // heads, slots, bias=False)
        self.value_memory = nn.Linear(slots, width // heads, bias=False)
        self.out = nn.Linear(width, dim) if heads > 1 else nn.Identity()

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Tokens:
        """Read the memory; only real tokens count in the sums over j.

        Args:
            x: the tokens.
            key_mask: (batch, tokens), True for a real token, False for padding; None is all True.
        """
        return self.out(self.value_memory(self.weights(x, key_mask)).flatten(2))

    @shaped
    def weights(
        self,
        x: Tokens,
        key_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens heads slots"]:
        """The weights a by which each head of a token mixes the values of the memory."""
        logits = self.key_memory(self.query(x).unflatten(-1, (self.heads, -1)))
        return _log_share(logits, key_mask).softmax(dim=-1)


def _log_share(logits: Tensor, key_mask: Tensor | None) -> Tensor:
    """The logarithm of â: of each number, as a share of its slot over the real tokens."""
    if key_mask is None:
        return logits.log_softmax(dim=1)
    hidden = ~key_mask & key_mask.any(dim=1, keepdim=True)  # with no real token, none is hidden
    seen = logits.masked_fill(hidden[..., None, None], -torch.inf)
    return logits - seen.logsumexp(dim=1, keepdim=True)


CARD = Card(
    ExternalAttention,
    paper="guo2021external",
    aliases=("ea", "external"),
    elsewhere=("eanet",),
    networks=[("EANet", "guo2021external")],
    example=dict(dim=12, slots=5),
    variants=[dict(slots=16), dict(heads=3), dict(heads=4, expansion=2)],
    sizes=dict(batch=2, tokens=7),
    params="2 * slots * dim * expansion / heads"
    " + Min(heads - 1, 1) * (2 * expansion * dim**2 + dim)",
    macs="2 * tokens * slots * dim * expansion"
    " + Min(heads - 1, 1) * 2 * tokens * expansion * dim**2",
    memory="tokens * Max(dim * expansion, heads * slots)",
    flow="""
        logits = key_memory x -> tokens slots  # token · key
        log_softmax                            # log softmax over tokens
        a = softmax                            # softmax over slots
        y = value_memory      -> tokens dim    # weighted sum
    """,
    properties={properties.token_permutation_equivariant},
    rejects=[
        dict(dim=0),
        dict(dim=8, slots=0),
        dict(dim=8, heads=0),
        dict(dim=8, heads=2, expansion=0),
        dict(dim=8, heads=3),
        dict(dim=8, expansion=2),
    ],
    oracles=("fightingcv_attention.attention.ExternalAttention.ExternalAttention",),
)
