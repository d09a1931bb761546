"""SimAM (Yang et al., 2021)."""

import torch
from torch import Tensor, nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import above, at_least
from attention_lib.core.precision import at_least_float32


class SimAM(nn.Module):
    r"""Turn each number down, the less the more it differs from the mean of its channel.

    .. math::
        y_{cij} = x_{cij}\; \sigma\Bigl(\frac{1}{e_{cij}}\Bigr), \qquad
        \frac{1}{e_{cij}} = \frac{(x_{cij} - \mu_c)^2}{4 (s_c^2 + \lambda)} + \frac{1}{2}, \qquad
        s_c^2 = \frac{1}{HW - 1} \sum_{i,j} (x_{cij} - \mu_c)^2

    A neuron that fires apart from its neighbours is taken to matter.  How badly a line would
    separate it from the others of its channel is an energy e, with a closed form: it is low where
    the distance from the mean μ is large beside the spread s.  A number at the mean has the gate
    σ(½) = 0.62; that of one far away comes near to 1.  Nothing is learned.

    The paper's listing divides the squares by HW − 1, as here, its equation by HW.  A map of one
    place has no spread, and all its gates are σ(½).

    Args:
        channels: channels of the map, C.
        regularization: what is added to the squared spread, λ; 1e-4 is the default of the authors'
            code, with which they trained on CIFAR; on ImageNet they trained with 0.1.

    Raises:
        ValueError: if `channels` is below 1, or `regularization` is not above 0.
    """

    @typed
    def __init__(self, channels: int, regularization: float = 1e-4):
        super().__init__()
        at_least(1, channels=channels)
        above(0, regularization=regularization)
        self.channels, self.regularization = channels, regularization

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Maps:
        return self.gate(x) * x

    @shaped
    def gate(self, x: Maps) -> Maps:
        """The gate σ(1/e) of each number, between 0.62 and 1."""
        if torch.compiler.is_compiling():  # what the compiler fuses is faster than its norm
            return at_least_float32(self._as_written, x).to(x.dtype)
        places = x.shape[-2] * x.shape[-1]
        unbiased = 1 + 1 / max(places - 1, 1)  # HW / (HW - 1); nothing is spread at one place
        # s² and λ are halved alike, so that no number grows: in half precision it could become
        # infinite, as could its square, which the norm takes in a wider one
        lines = (unbiased / 2) ** 0.5 * x.flatten(-2)
        weight = lines.new_full((self.channels,), (1 / (4 * unbiased)) ** 0.5)
        distance = torch.group_norm(lines, self.channels, weight, eps=self.regularization / 2)
        half = torch.full_like(distance[..., :1], 0.5)
        return torch.addcmul(half, distance, distance).sigmoid().view_as(x)

    def _as_written(self, x: Tensor) -> Tensor:
        squares = (x - x.mean(dim=(-2, -1), keepdim=True)).square()
        others = max(x.shape[-2] * x.shape[-1] - 1, 1)
        spread = squares.sum(dim=(-2, -1), keepdim=True) / others
        return (squares / (4 * (spread + self.regularization)) + 0.5).sigmoid()


CARD = Card(
    SimAM,
    paper="yang2021simam",
    aliases=("parameter_free",),
    example=dict(channels=12),
    variants=[dict(regularization=0.5), dict(channels=1)],
    sizes=dict(batch=2, height=7, width=5),
    params="0",
    macs="0",
    memory="channels * height * width",
    flow="""
        μ = mean x   -> channels               # mean over places
        minus x μ    -> channels height width
        d = square
        s² = sum     -> channels               # sum / (HW − 1)
        wider = add                            # plus λ
        over d wider -> channels height width  # d / 4 (s² + λ)
        add                                    # plus ½
        gate = sigmoid
        y = times gate x
    """,
    properties={
        properties.pixel_permutation_equivariant,
        properties.shift_equivariant,
        properties.mirror_equivariant,
        properties.only_attenuates,
    },
    rejects=[dict(channels=0), dict(channels=8, regularization=0.0)],
    oracles=("fightingcv_attention.attention.SimAM.SimAM",),
)
