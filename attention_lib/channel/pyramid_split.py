"""Pyramid Split Attention (Zhang et al., 2021)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least, between, divides, odd


class PyramidSplitAttention(nn.Module):
    r"""Read the map at several scales, and weigh the scales against each other.

    .. math::
        U_n = K_n * x, \qquad
        g_n = \sigma\bigl(W_2\, \mathrm{ReLU}(W_1\, \mathrm{mean}_{ij} U_n + b_1) + b_2\bigr),
        \qquad a_n = \mathop{\mathrm{softmax}}_{n}(g_n), \qquad
        y = [\,a_1 U_1, \dots, a_S U_S\,]

    Each of S branches sees every channel of the map with a kernel of its own size, and makes
    C / S channels.  One squeeze-and-excitation, shared by the branches, gives each of these a
    gate; a softmax over the branches makes the gates compete; the branches are laid side by
    side.  Larger kernels have more groups, which keeps their cost down.

    The authors' code lays the branches down from last to first: `kernel_sizes=(9, 7, 5, 3)` and
    `groups=(16, 8, 4, 1)` give its order.  As there, the layers of the gate have biases.

    Args:
        channels: channels of the map, C, coming in and going out.
        kernel_sizes: the size of each branch's kernel, odd; 3, 5, 7, 9 in the paper.
        groups: the groups of each branch's convolution; 1, 4, 8, 16 in the paper.
        reduction: the gate narrows C / S numbers to C / S // r, r; 16 in the paper.
        stride: steps between the positions that are answered; 2 where the authors' networks halve a
            map.

    Raises:
        ValueError: if `kernel_sizes` and `groups` do not pair up; if C is not a multiple of S, or
            C / S of each entry of `groups`; if a kernel size is even or below 1; or if fewer than
            one unit is left in the middle of the gate, or `stride` is below 1.
    """

    @typed
    def __init__(
        self,
        channels: int,
        kernel_sizes: tuple[int, ...] = (3, 5, 7, 9),
        groups: tuple[int, ...] = (1, 4, 8, 16),
        reduction: int = 16,
        stride: int = 1,
    ):
        super().__init__()
        if len(kernel_sizes) != len(groups):
            raise ValueError(f"kernel_sizes={kernel_sizes} and groups={groups} must pair up")
        odd(1, kernel_sizes=kernel_sizes)
        at_least(1, stride=stride)
        divides(branches=len(groups), channels=channels)
        width = channels // len(groups)
        divides(groups=groups, **{"channels / branches": width})
        between(1, reduction=reduction, **{"channels / branches": width})
        self.channels, self.kernel_sizes, self.groups = channels, kernel_sizes, groups
        self.reduction, self.stride = reduction, stride
        self.branches, self.hidden = len(groups), width // reduction
        self.split = nn.ModuleList(
            nn.Conv2d(channels, width, size, stride, size // 2, groups=group, bias=False)
            for size, group in zip(kernel_sizes, groups, strict=True)
        )
        self.squash = nn.Linear(width, self.hidden)
        self.excite = nn.Linear(self.hidden, width)

    extra_repr = constructor_arguments

    @shaped
    def forward(
        self, x: Maps
    ) -> Float[Tensor, "batch channels ceil(height/stride) ceil(width/stride)"]:
        maps = [branch(x) for branch in self.split]
        weights = self._compete(maps)[..., None, None].unbind(dim=1)
        return torch.cat([w * branch_map for w, branch_map in zip(weights, maps, strict=True)], 1)

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch branches branch_channels"]:
        """The weight a of each branch in each of its channels; over the branches they sum to 1."""
        return self._compete([branch(x) for branch in self.split])

    def _compete(self, maps: list[Tensor]) -> Tensor:
        squeezed = torch.stack([branch_map.mean(dim=(-2, -1)) for branch_map in maps], dim=1)
        gates = self.excite(self.squash(squeezed).relu()).sigmoid()
        return gates.softmax(dim=1)


CARD = Card(
    PyramidSplitAttention,
    paper="zhang2021epsanet",
    aliases=("epsa", "epsanet", "psa"),
    networks=[("EPSANet", "zhang2021epsanet")],
    example=dict(channels=16, kernel_sizes=(3, 5), groups=(1, 4), reduction=3),
    variants=[
        dict(kernel_sizes=(3, 5, 7, 9), groups=(1, 2, 1, 4)),
        dict(kernel_sizes=(1,), groups=(2,)),
        dict(stride=2),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="channels**2 / branches * Sum(kernel_sizes[i]**2 / groups[i], (i, 0, branches - 1))"
    " + 2 * hidden * channels / branches + hidden + channels / branches",
    macs="channels**2 / branches * Sum(kernel_sizes[i]**2 / groups[i], (i, 0, branches - 1))"
    " * ceiling(height / stride) * ceiling(width / stride) + 2 * hidden * channels",
    memory="channels * ceiling(height / stride) * ceiling(width / stride)",
    flow="""
        rows := ceiling(height / stride)
        columns := ceiling(width / stride)
        U1 = split.0 x      -> channels/branches rows columns  # 3 × 3 convolution
        U2 = split.1 x      -> channels/branches rows columns  # 5 × 5 convolution
        first = mean U1     -> channels/branches               # mean over places
        second = mean U2    -> channels/branches               # mean over places
        squash first second -> branches hidden
        relu
        excite              -> branches channels/branches
        g = sigmoid
        a1, a2 = softmax                                       # softmax over branches
        near = times a1 U1  -> channels/branches rows columns
        far = times a2 U2   -> channels/branches rows columns
        y = join near far   -> channels rows columns
    """,
    rejects=[
        dict(channels=64, kernel_sizes=(3, 4), groups=(1, 1)),
        dict(channels=64, kernel_sizes=(3, 5), groups=(1, 3)),
        dict(channels=64, kernel_sizes=(3, 5), groups=(1,)),
        dict(channels=66),
        dict(channels=64, reduction=17),
        dict(channels=64, reduction=0),
        dict(channels=64, stride=0),
    ],
)
