"""Class-specific residual attention (Zhu and Wu, 2021)."""

from math import inf

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import above, at_least
from attention_lib.core.precision import wide


class ClassSpecificResidualAttention(nn.Module):
    r"""Score every place for every class, and let the places that a class likes count more.

    .. math::
        s^t_{kp} = \frac{w^t_k \cdot x_p}{\lVert w^t_k \rVert}, \qquad
        a^t_k = \mathop{\mathrm{softmax}}_p(T_t\, s^t_k), \qquad
        y_k = \sum_t \Bigl(\frac{1}{HW} \sum_p s^t_{kp}
        + \lambda \sum_p a^t_{kp}\, s^t_{kp}\Bigr)

    A classifier head: it turns a map into one logit for each class, and no map comes out.  The
    mean score over the places p is what a plain classifier gives; the residual adds the scores
    of the places where the class k itself scores high, λ times.  The temperature T says how
    sharply: T = 0 would be the mean again, and T = ∞ is the maximum.  Each head t has a
    temperature and a classifier w of its own, and their logits are added.

    As in the authors' code each w is divided by its length, so that only its direction counts.
    That code writes 99 for T = ∞; here it is `math.inf`, and 99 is 99.

    Args:
        channels: channels of the map, C.
        classes: logits that come out, K.
        temperatures: T of each head.  The paper's are 1; 1, ∞; 1, 2, 4, ∞; 1, 2, 3, 4, 5, ∞; and
            1, 2, 3, 4, 5, 6, 7, ∞.
        lam: how much the attended score counts beside the mean, λ; the authors' commands have 0.1
            for VOC, 0.4 and 0.5 for COCO, and 0.3 for WIDER.

    Raises:
        ValueError: if `channels` or `classes` is below 1, if there is no temperature or one is not
            above 0, or if `lam` is below 0.
    """

    @typed
    def __init__(
        self,
        channels: int,
        classes: int,
        temperatures: tuple[float, ...] = (1.0,),
        lam: float = 0.1,
    ):
        super().__init__()
        at_least(1, channels=channels, classes=classes)
        above(0, infinite=True, temperatures=temperatures)
        at_least(0.0, lam=lam)
        self.channels, self.classes, self.heads = channels, classes, len(temperatures)
        self.temperatures, self.lam = temperatures, lam
        self.classify = nn.ParameterList(  # no layers: their directions alone count
            nn.Linear(channels, classes, bias=False).weight for _ in temperatures
        )

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: Maps) -> Float[Tensor, "batch classes"]:
        logits = []
        for head, temperature in enumerate(self.temperatures):
            scores = self._scores(x, head)
            attended = (self._attend(scores, temperature) * scores).sum(dim=-1)
            logits.append(wide(scores.mean(dim=-1)) + self.lam * attended)
        return (self.channels**0.5 * sum(logits[1:], start=logits[0])).to(x.dtype)

    @shaped
    def scores(self, x: Maps) -> Float[Tensor, "batch heads classes height width"]:
        """How much each place speaks for each class, by the classifier of each head."""
        scores = torch.stack([self._scores(x, head) for head in range(self.heads)], dim=1)
        return (self.channels**0.5 * scores).unflatten(-1, x.shape[2:])

    @shaped
    def weights(self, x: Maps) -> Float[Tensor, "batch heads classes height width"]:
        """The weight of each place in the attended score; over the places they sum to 1."""
        heads = enumerate(self.temperatures)
        weights = [self._attend(self._scores(x, head), t) for head, t in heads]
        return torch.stack(weights, dim=1).unflatten(-1, x.shape[2:])

    def _scores(self, x: Tensor, head: int) -> Tensor:
        """s / √C, which is nowhere larger than x: float16 holds it."""
        classifier = self.classify[head]
        length = torch.linalg.vector_norm(classifier, dim=1, keepdim=True)
        direction = classifier / length / self.channels**0.5
        return F.conv2d(x, direction[..., None, None]).flatten(2)

    def _attend(self, scores: Tensor, temperature: float) -> Tensor:
        """The softmax of T times the scores, or its limit, in which the best places share."""
        best = scores.amax(dim=-1, keepdim=True).detach()
        if temperature == inf:
            is_best = (scores == best).to(scores.dtype)
            return is_best / is_best.sum(dim=-1, keepdim=True)
        # subtracted first, since T times a large score is beyond float16
        return (temperature * self.channels**0.5 * (scores - best)).softmax(dim=-1)


CARD = Card(
    ClassSpecificResidualAttention,
    paper="zhu2021csra",
    aliases=("class_specific", "csra"),
    elsewhere=("ResidualAttention", "CSRAModule"),
    example=dict(channels=16, classes=3),
    variants=[
        dict(temperatures=(inf,)),
        dict(temperatures=(0.5, 7.0)),
        dict(temperatures=(1.0, 2.0, 4.0, inf)),
        dict(lam=1.5),
        dict(lam=0.0),
        dict(classes=1),
    ],
    sizes=dict(batch=2, height=7, width=5),
    params="heads * classes * channels",
    macs="heads * classes * channels * height * width",
    memory="classes * height * width",
    flow="""
        s = [score] x classify.0 -> classes height*width  # w · x / |w|
        a = [softmax] s                                   # softmax over places
        times a s
        attended = sum           -> classes               # sum over places
        average = mean s         -> classes               # mean over places
        y = add average attended                          # mean + λ · sum
    """,
    rejects=[
        dict(channels=0, classes=3),
        dict(channels=16, classes=-3),
        dict(channels=16, classes=3, temperatures=()),
        dict(channels=16, classes=3, temperatures=(1.0, 0.0)),
        dict(channels=16, classes=3, lam=-0.5),
    ],
    oracles=("mmpretrain.models.heads.multi_label_csra_head.CSRAModule",),
)
