"""Every kind of module is held to the checks that apply to it, and to no other."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_lib import find
from attention_lib.cards.card import Card
from attention_lib.cards.shape import shaped
from attention_lib.checks import CONTRACT, checks_for, verdict


class Pictures(nn.Module):
    r"""Look at a picture through one convolution, and average.

    .. math::
        y = W \operatorname{mean}(K * x)

    Args:
        features: channels of the convolution.
        classes: logits that come out.
    """

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.features, self.classes = features, classes
        self.stem = nn.Conv2d(3, features, 3, stride=2, padding=1)
        self.classify = nn.Linear(features, classes)

    @shaped
    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        return self.classify(self.stem(x).tanh().mean(dim=(-2, -1)))


class Ids(nn.Module):
    r"""Guess the next of some numbers from the mean of those so far.

    .. math::
        y_i = W \frac{1}{i} \sum_{j \le i} E_{x_j}

    Args:
        vocabulary: how many different numbers there are.
        dim: features of each.
    """

    def __init__(self, vocabulary: int, dim: int):
        super().__init__()
        self.vocabulary, self.dim = vocabulary, dim
        self.embed = nn.Embedding(vocabulary, dim)
        self.guess = nn.Linear(dim, vocabulary)

    @shaped
    def forward(self, x: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens vocabulary"]:
        places = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]
        return self.guess((self.embed(x).cumsum(dim=1) / places).tanh())


class Twice(Ids):
    """The same, with the features beside the logits."""

    @shaped
    def forward(
        self, x: Int[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch tokens vocabulary"]]:
        features = self.embed(x).tanh()
        return features, self.guess(features)


PICTURES = Card(
    Pictures,
    paper="",
    example=dict(features=4, classes=5),
    sizes=dict(batch=2, height=7, width=9),
)
IDS = Card(Ids, paper="", example=dict(vocabulary=11, dim=6), sizes=dict(batch=2, tokens=7))
TWICE = replace(IDS, mechanism=Twice)
BESIDE = {"nonsense_is_refused", "declared_cost", "properties", "steps", "declared_state", "flow"}
BESIDE |= {"causal", "key_mask"}


def results(card):
    return {check.__name__.removeprefix("check_"): verdict(check, card) for check in CONTRACT}


@pytest.mark.parametrize(
    ("card", "kind", "beside"),
    [
        (PICTURES, "pictures → logits", BESIDE),
        (IDS, "ids → logits", BESIDE | {"extremes", "float16_to_its_end"}),
        (TWICE, "ids → logits", BESIDE | {"extremes", "float16_to_its_end"}),
    ],
)
def test_a_small_network_passes_what_applies_to_it(card, kind, beside):
    assert card.kind == kind
    found = results(card)
    assert {name for name, (status, _) in found.items() if status == "not applicable"} == beside
    failed = {name: why for name, (status, why) in found.items() if status == "failed"}
    # the docstring of a subclass here describes no arguments
    assert not failed.keys() - ({"docstring"} if card is TWICE else set()), failed


def test_each_kind_is_known_by_its_signature():
    names = ("mha", "se", "csra")
    assert [find(name).kind for name in names] == ["tokens", "maps", "head"]
    assert [find(name).layout for name in names] == ["tokens", "maps", "maps"]


def test_inputs_follow_the_kind():
    [ids] = IDS.inputs(torch.float64, tokens=1000)
    assert ids.shape == (2, 1000) and ids.dtype == torch.int64
    assert (ids.min(), ids.max()) == (0, 10)
    [pictures] = PICTURES.inputs(torch.float64)
    assert pictures.shape == (2, 3, 7, 9) and pictures.dtype == torch.float64
    assert TWICE.answers(batch=3) == [(3, 7, 6), (3, 7, 11)]


def test_what_does_not_apply_is_not_run():
    names = [check.__name__ for check in checks_for(find("simam"))]
    assert "check_wrong_type_is_named" in names
    for check in ("check_trains", "check_causal", "check_key_mask", "check_steps"):
        assert check not in names
    assert "check_properties" not in [check.__name__ for check in checks_for(find("csra"))]


def test_what_a_card_says_must_fail_has_to_fail():
    def fails(card):
        raise AssertionError("wrong")

    def passes(card):
        pass

    card = replace(find("se"), cannot=dict(fails="too hard", passes="too hard"))
    assert verdict(fails, card) == ("xfail", "too hard")
    assert verdict(passes, card) == ("failed", "the card says it cannot: too hard")
    assert verdict(fails, find("se")) == ("failed", "AssertionError: wrong")
    assert verdict(passes, find("se")) == ("passed", "")
