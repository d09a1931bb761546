"""Spatial shift (Yu et al., 2021)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.card import Card
from attention_lib.core.branches import blend
from attention_lib.shape import shaped

HEIGHT, WIDTH = 2, 3
# for each quarter of the channels: the axis it is moved along, and the way
FIRST = ((WIDTH, 1), (WIDTH, -1), (HEIGHT, 1), (HEIGHT, -1))
SECOND = ((HEIGHT, 1), (HEIGHT, -1), (WIDTH, 1), (WIDTH, -1))


class SpatialShift(nn.Module):
    r"""Hand features to the four neighbours by moving channels, and weigh three such mixtures.

    .. math::
        [x_1, x_2, x_3] = \mathrm{expand}(x), \qquad
        u_1 = \mathrm{shift}(x_1),\; u_2 = \mathrm{shift}'(x_2),\; u_3 = x_3, \qquad
        a = \mathop{\mathrm{softmax}}_k \Bigl(
        W_2\, \mathrm{GELU}\bigl(W_1 \textstyle\sum_{k,p} u_{kp}\bigr)\Bigr), \qquad
        y = \mathrm{out}\Bigl(\sum_k a_k\, u_k\Bigr)

    Spatial-shift and split attention of S²-MLPv2.  One layer makes three maps of each place's
    features.  A quarter of the channels of the first is moved by one place to the right, one to
    the left, one down, one up; of the second, down, up, right, left; the third stays.  Nothing is
    learned about places: layers that mix channels then see the neighbours.  A softmax over the
    three, one for each channel and set by the sum over all places, weighs them.

    Places at the edge that nothing moves to keep what they had.  The paper leaves the width of the
    middle of the gate open; it is C here unless `reduction` says otherwise.

    Args:
        channels: channels of the map, C; where 4 does not divide it, quarters differ by one.
        reduction: how many times narrower than C the middle of the gate is, r.

    Raises:
        ValueError: if `channels` is below 1, or `reduction` is not between 1 and `channels`.
    """

    def __init__(self, channels: int, reduction: int = 1):
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels={channels} must be at least 1")
        if not 1 <= reduction <= channels:
            raise ValueError(f"reduction={reduction} must lie between 1 and channels={channels}")
        self.channels, self.hidden = channels, channels // reduction
        self.expand = nn.Linear(channels, 3 * channels)
        self.squash = nn.Linear(channels, self.hidden, bias=False)
        self.excite = nn.Linear(self.hidden, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels)

    @shaped
    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        maps = self._branches(x)
        return _everywhere(self.out, blend(maps, self._weigh(maps)))

    @shaped
    def weights(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch branches channels"]:
        """The weight of each of the three maps in each channel; they sum to 1."""
        return self._weigh(self._branches(x))

    def _branches(self, x: Tensor) -> list[Tensor]:
        first, second, third = _everywhere(self.expand, x).chunk(3, dim=1)
        return [_shift(first, FIRST), _shift(second, SECOND), third]

    def _weigh(self, maps: list[Tensor]) -> Tensor:
        # sums over a whole map are beyond float16
        precise = torch.promote_types(maps[0].dtype, torch.float32)
        summed = sum(branch_map.sum(dim=(2, 3), dtype=precise) for branch_map in maps)
        hidden = F.gelu(F.linear(summed, self.squash.weight.to(precise)))
        logits = F.linear(hidden, self.excite.weight.to(precise))
        return logits.unflatten(1, (3, self.channels)).softmax(dim=1).to(maps[0].dtype)


def _everywhere(layer: nn.Linear, x: Tensor) -> Tensor:
    """A layer on the channels of each place, without moving the channels to the end."""
    return F.conv2d(x, layer.weight[..., None, None], layer.bias)


def _shift(x: Tensor, moves: tuple[tuple[int, int], ...]) -> Tensor:
    """A copy with each quarter of the channels moved: in place, it would read what it wrote."""
    channels = x.shape[1]
    quarters = x.tensor_split([channels // 4, channels // 2, channels * 3 // 4], dim=1)
    moved = []
    for quarter, (axis, way) in zip(quarters, moves, strict=True):
        places = quarter.shape[axis]
        parts = [quarter.narrow(axis, 0, 1), quarter.narrow(axis, 0, places - 1)]
        if way < 0:
            parts = [quarter.narrow(axis, 1, places - 1), quarter.narrow(axis, places - 1, 1)]
        moved.append(torch.cat(parts, dim=axis))
    return torch.cat(moved, dim=1)


CARD = Card(
    SpatialShift,
    paper="yu2021s2mlpv2",
    aliases=("spatial_shift", "s2", "s2mlpv2"),
    example=dict(channels=6),
    variants=[dict(channels=8), dict(channels=3), dict(channels=1), dict(reduction=4)],
    sizes=dict(batch=2, height=7, width=5),
    params="4 * channels**2 + 4 * channels + 4 * hidden * channels",
    macs="4 * channels**2 * height * width + 4 * hidden * channels",
    memory="3 * channels * height * width",
    rejects=[
        dict(channels=0),
        dict(channels=-4),
        dict(channels=6, reduction=0),
        dict(channels=6, reduction=7),
    ],
)
