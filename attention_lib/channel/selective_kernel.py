"""Selective Kernel (Li et al., 2019)."""

from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.branches import weighted_sum
from attention_lib.core.guards import at_least, divides


class SelectiveKernel(nn.Module):
    r"""Look at several scales, and let each channel choose among them.

    .. math::
        U_n = \mathrm{ReLU}(\mathrm{BN}(K_n * x)), \qquad
        h = \mathrm{ReLU}\Bigl(\mathrm{BN}\Bigl(W_1 \mathrm{mean}_{ij} \sum_n U_n\Bigr)\Bigr),
        \qquad a_{nc} = \mathop{\mathrm{softmax}}_{n}(A_n h)_c, \qquad
        y_c = \sum_n a_{nc}\, U_{nc}

    *Split*: each branch n is a grouped 3×3 convolution with dilation n: its nine places span
    3×3, 5×5 or 7×7, for the same number of weights.  *Fuse*: the branches are added, and the
    mean of the sum over all places goes through a narrow layer to one short description h of the
    map.  *Select*: from h, a softmax over the branches, one for each channel.

    Args:
        channels: channels of the map, C, coming in and going out.
        branches: scales, S; 2 in the paper (there M).
        groups: groups of each 3×3 convolution, G; 32 in the paper.
        reduction: how much shorter than C the description h is, r; 16 in the paper.
        min_hidden: the least that h is shortened to, L; 32 in the paper.
        stride: steps between the positions that are answered; 2 where the authors' networks halve a
            map.

    Raises:
        ValueError: if `channels` is not a multiple of `groups`, or a number is below 1.

    In training mode, a batch of one has no statistics for the normalisation of h, and
    BatchNorm says so.
    """

    @typed
    def __init__(
        self,
        channels: int,
        branches: int = 2,
        groups: int = 32,
        reduction: int = 16,
        min_hidden: int = 32,
        stride: int = 1,
    ):
        super().__init__()
        at_least(1, branches=branches, reduction=reduction, min_hidden=min_hidden, stride=stride)
        divides(groups=groups, channels=channels)
        self.channels, self.branches, self.stride = channels, branches, stride
        self.hidden = max(channels // reduction, min_hidden)
        self.groups, self.reduction, self.min_hidden = groups, reduction, min_hidden
        self.split = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, stride, scale, scale, groups, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            )
            for scale in range(1, branches + 1)
        )
        self.fuse = nn.Sequential(
            nn.Linear(channels, self.hidden, bias=False), nn.BatchNorm1d(self.hidden), nn.ReLU()
        )
        self.select = nn.Linear(self.hidden, branches * channels, bias=False)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self, x: Maps
    ) -> Float[Tensor, "batch channels ceil(height/stride) ceil(width/stride)"]:
        maps = [branch(x) for branch in self.split]
        return weighted_sum(maps, self._choose(maps))

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch branches channels"]:
        """The weight a of each branch in each channel; over the branches they sum to 1."""
        return self._choose([branch(x) for branch in self.split])

    def _choose(self, maps: list[Tensor]) -> Tensor:
        # the mean of the sum is the sum of the means: the summed map is never made
        squeezed = sum(branch_map.mean(dim=(-2, -1)) for branch_map in maps)
        logits = self.select(self.fuse(squeezed))
        return logits.unflatten(-1, (self.branches, self.channels)).softmax(dim=1)


CARD = Card(
    SelectiveKernel,
    paper="li2019selective",
    aliases=("sk", "sknet"),
    elsewhere=("SKAttention", "SKConvBlock"),
    networks=[("SKNet", "li2019selective")],
    example=dict(channels=9, groups=3, reduction=3, min_hidden=2),
    variants=[
        dict(branches=3),
        dict(branches=1),
        dict(min_hidden=11),
        dict(groups=1),
        dict(stride=2),
    ],
    sizes=dict(batch=2, height=5, width=4),
    params="branches * (9 * channels**2 / groups + 2 * channels)"
    " + hidden * channels + 2 * hidden + branches * hidden * channels",
    macs="branches * 9 * channels**2 / groups * ceiling(height / stride) * ceiling(width / stride)"
    " + hidden * channels + branches * hidden * channels",
    memory="channels * ceiling(height / stride) * ceiling(width / stride)",
    flow="""
        rows := ceiling(height / stride)
        columns := ceiling(width / stride)
        split.0.0 x          -> channels rows columns  # 3 × 3 convolution
        split.0.1                                      # batch norm
        U1 = relu
        split.1.0 x          -> channels rows columns  # dilated 3 × 3
        split.1.1                                      # batch norm
        U2 = relu
        first = mean U1      -> channels               # mean over places
        second = mean U2     -> channels               # mean over places
        plus first second
        fuse.0               -> hidden                 # squash
        fuse.1                                         # batch norm
        h = relu
        logits = select      -> branches channels
        a1, a2 = softmax                               # softmax over branches
        chosen = times a1 U1 -> channels rows columns
        y = addcmul chosen a2 U2                       # plus a₂ · U₂
    """,
    rejects=[
        dict(channels=16, groups=5),
        dict(channels=-32),
        dict(channels=16, groups=4, branches=0),
        dict(channels=16, groups=4, reduction=0),
        dict(channels=16, groups=4, min_hidden=0),
        dict(channels=16, groups=4, stride=0),
    ],
    oracles=("timm.layers.SelectiveKernel", "pytorchcv.models.sknet.SKConvBlock"),
)
