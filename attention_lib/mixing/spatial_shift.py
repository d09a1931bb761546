"""Spatial-shift MLP, version 2 (Yu et al., 2021)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import between
from attention_lib.core.precision import wide

WIDTH, HEIGHT = -2, -3  # axes of (batch, height, width, channels)


class SpatialShift(nn.Module):
    r"""Move parts of the features to the neighbouring places, and weigh three such mixtures.

    .. math::
        [X_1, X_2, X_3] = E\, x + b_E, \qquad
        U_n = \mathrm{shift}_n(X_n), \quad U_3 = X_3, \qquad
        a = \mathop{\mathrm{softmax}}_{n}\Bigl(W_2\, \mathrm{GELU}\bigl(W_1 \textstyle\sum_{n,i,j}
        U_{nij}\bigr)\Bigr), \qquad
        y = V \sum_n a_n \odot U_n + b

    Nothing is compared, and nothing learned says who looks where.  The features of a place are cut
    into quarters, and each quarter is moved by one place: in X₁ two along the width, forth
    and back, then two along the height; in X₂ the other way round.  A layer that then mixes the
    features of a place mixes those of its neighbours.  Which mixture counts, feature by feature, is
    decided once for the whole map by a split attention: a softmax over the three.

    A place at the edge, to which nothing is moved, keeps its own.  Where 4 does not divide C the
    quarters end at C // 4, C // 2 and 3C // 4.  The paper's listing has axes (width, height,
    channels), so its first shifts are taken to be along the width.  How narrow the middle of the
    split attention is, the paper leaves open; C / 4 gives the parameters of its models.

    Args:
        channels: channels of the map, C, coming in and going out.
        reduction: how many times narrower than C the middle of the split attention is, r.

    Raises:
        ValueError: if fewer than one unit is left in the middle.
    """

    @typed
    def __init__(self, channels: int, reduction: int = 4):
        super().__init__()
        between(1, reduction=reduction, channels=channels)
        self.channels, self.hidden = channels, channels // reduction
        self.reduction = reduction
        self.expand = nn.Linear(channels, 3 * channels)
        self.squash = nn.Linear(channels, self.hidden, bias=False)
        self.excite = nn.Linear(self.hidden, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels)

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        branches = self._shifted(x)
        first, second, third = self._compete(branches)[:, :, None, None].unbind(dim=1)
        mixed = torch.addcmul(first * branches[0], second, branches[1])
        mixed = torch.addcmul(mixed, third, branches[2])
        return rearrange(self.out(mixed), "b h w c -> b c h w")

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch branches channels"]:
        """The weight a of each of the three mixtures in each channel; over these they sum to 1."""
        return self._compete(self._shifted(x))

    def _shifted(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second, third = self.expand(rearrange(x, "b c h w -> b h w c")).chunk(3, dim=-1)
        across, down = [(_forth, WIDTH), (_back, WIDTH)], [(_forth, HEIGHT), (_back, HEIGHT)]
        return self._moved(first, across + down), self._moved(second, down + across), third

    def _moved(self, x: Tensor, ways: list[tuple]) -> Tensor:
        cuts = [self.channels // 4, self.channels // 2, self.channels * 3 // 4]
        quarters = x.tensor_split(cuts, dim=-1)
        moved = [step(q, axis) for q, (step, axis) in zip(quarters, ways, strict=True)]
        return torch.cat(moved, dim=-1)

    def _compete(self, branches: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        # sums over all places are too large for float16: the layers, which have no biases, are
        # given means, and what comes out is multiplied by the number of places
        _, height, width, _ = branches[0].shape
        places, dtype = 3 * height * width, branches[0].dtype
        squashed = self.squash(sum(branch.mean(dim=(1, 2)) / 3 for branch in branches))
        hidden = F.gelu(wide(squashed) * places) / places
        logits = wide(self.excite(hidden.to(dtype))) * places
        return logits.unflatten(-1, (3, self.channels)).softmax(dim=1).to(dtype)


def _forth(x: Tensor, axis: int) -> Tensor:
    """A copy in which each place has what was at the one before; the first keeps its own."""
    return torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, x.shape[axis] - 1)], dim=axis)


def _back(x: Tensor, axis: int) -> Tensor:
    """A copy in which each place has what was at the one after; the last keeps its own."""
    last = x.shape[axis] - 1
    return torch.cat([x.narrow(axis, 1, last), x.narrow(axis, last, 1)], dim=axis)


CARD = Card(
    SpatialShift,
    paper="yu2021s2mlpv2",
    aliases=("s2", "s2-mlp", "s2-mlpv2"),
    elsewhere=("S2Attention",),
    networks=[("S²-MLPv2", "yu2021s2mlpv2")],
    example=dict(channels=12),
    variants=[dict(channels=11, reduction=5), dict(channels=2, reduction=1), dict(reduction=12)],
    sizes=dict(batch=2, height=7, width=5),
    params="4 * channels**2 + 4 * channels + 4 * channels * hidden",
    macs="4 * channels**2 * height * width + 4 * channels * hidden",
    memory="3 * channels * height * width",
    flow="""
        X1, X2, X3 = expand x           -> height width 3*channels
        U1 = [shift] X1                 -> height width channels  # shift quarters: W, H
        U2 = [shift] X2                 -> height width channels  # shift quarters: H, W
        first = mean U1                 -> channels               # sum over places
        second = mean U2                -> channels               # sum over places
        third = mean X3                 -> channels               # sum over places
        both = plus first second
        plus both third
        squash                          -> hidden
        gelu
        excite                          -> 3*channels
        weights = softmax               -> 3 channels             # softmax over branches
        [weighted sum] weights U1 U2 X3 -> height width channels  # weighted sum
        y = out                         -> channels height width
    """,
    rejects=[dict(channels=8, reduction=9), dict(channels=8, reduction=0)],
)
