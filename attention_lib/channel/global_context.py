"""Global Context (Cao et al., 2019)."""

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.attention_pooling import pooled, position_weights
from attention_lib.core.guards import between


class GlobalContext(nn.Module):
    r"""Add to each channel a number that a weighted mean of the whole map has made.

    .. math::
        a_j = \mathop{\mathrm{softmax}}_j(w^\top x_j), \qquad
        c = \sum_j a_j\, x_j, \qquad
        t = W_2\, \mathrm{ReLU}\bigl(\mathrm{LN}(W_1 c + b_1)\bigr) + b_2, \qquad
        y_j = x_j + t \quad\text{or}\quad \sigma(t) \odot x_j

    *Context*: each position j has a weight, by how well it fits one learned query w.  All that is
    read of the map is the mean c with these weights.  *Transform*: two layers, narrow in the
    middle, with LayerNorm (LN) between them.  *Fusion*: their answer t has one number for each
    channel, which is added at every position.  W₂ and b₂ start at 0, so that at first nothing
    is added.

    In non-local attention each position weighs all others by a query of its own; the authors found
    that these weights come out nearly alike, and so one set serves all positions.  In their code w
    has a bias too, which a softmax ignores.  To multiply in place of adding is an option of that
    code; all gates are then ½ at first.  If one unit is left in the middle, LN makes it a
    constant, and so t does not depend on the map.

    Args:
        channels: channels of the map, C.
        reduction: how many times narrower the middle is, r; the middle has C // r units.
            16 in the paper.
        multiply: whether the map is multiplied by the gates σ(t); if not, t is added to it.

    Raises:
        ValueError: if fewer than one unit is left in the middle.
    """

    @typed
    def __init__(self, channels: int, reduction: int = 16, multiply: bool = False):
        super().__init__()
        between(1, reduction=reduction, channels=channels)
        self.channels, self.hidden = channels, channels // reduction
        self.reduction, self.multiply = reduction, multiply
        self.query = nn.Conv2d(channels, 1, 1, bias=False)
        self.squash = nn.Linear(channels, self.hidden)
        self.norm = nn.LayerNorm(self.hidden)
        self.excite = nn.Linear(self.hidden, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        context = pooled(x, position_weights(self.query(x)))
        term = self.excite(self.norm(self.squash(context)).relu())[..., None, None]
        return term.sigmoid() * x if self.multiply else x + term

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch height width"]:
        """The weight a of each position; over the map they sum to 1."""
        weights = position_weights(self.query(x))
        return weights.squeeze(1).unflatten(-1, x.shape[-2:])


CARD = Card(
    GlobalContext,
    paper="cao2019gcnet",
    aliases=("gc", "gcnet"),
    elsewhere=("ContextBlock",),
    networks=[("GCNet", "cao2019gcnet")],
    example=dict(channels=12, reduction=3),
    variants=[dict(multiply=True), dict(reduction=5), dict(reduction=12)],
    sizes=dict(batch=2, height=7, width=5),
    params="2 * channels * hidden + 3 * hidden + 2 * channels",
    macs="2 * channels * height * width + 2 * channels * hidden",
    memory="channels * height * width",
    flow="""
        logits = query x -> height width
        a = softmax      -> height*width  # softmax over places
        c = product x a  -> channels      # weighted sum
        squash           -> hidden
        norm                              # layer norm
        relu
        t = excite       -> channels
        y = plus x t     -> channels height width
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
    },
    rejects=[dict(channels=8, reduction=9), dict(channels=8, reduction=0)],
    oracles=("timm.layers.GlobalContext", "mmcv.cnn.bricks.context_block.ContextBlock"),
)
