"""What only class-specific residual attention promises."""

from dataclasses import replace
from math import inf

import pytest
import torch
from torch.testing import assert_close

from attention_lib.catalog import find
from attention_lib.checks import checks_for, randomize
from attention_lib.spatial import ClassSpecificResidualAttention

HEADS = dict(channels=16, classes=3, temperatures=(1.0, 2.0, 4.0, inf))
SEVERAL = replace(find("csra"), example=HEADS, flow="")  # the flow is that of one head


@pytest.mark.parametrize("check", [*checks_for(SEVERAL)], ids=lambda check: check.__name__)
def test_heads_of_several_temperatures_keep_the_contract(check):
    check(SEVERAL)


@pytest.fixture
def x():
    return torch.randn(2, 8, 7, 5, dtype=torch.float64)


def make(*temperatures, lam=1.0):
    head = ClassSpecificResidualAttention(8, 3, temperatures, lam)
    return randomize(head).double()


def test_defaults_are_the_papers():
    head = ClassSpecificResidualAttention(8, 3)
    assert head.temperatures == (1.0,) and head.lam == 0.1
    assert [name for name, _ in head.named_parameters()] == ["classify.0"]


@pytest.mark.parametrize("name", ["channels", "classes"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        ClassSpecificResidualAttention(**{"channels": 8, "classes": 3, name: number})
    assert ClassSpecificResidualAttention(1, 1).classify[0].numel() == 1


@pytest.mark.parametrize("temperatures", [(), (0.0,), (1.0, -1.0), (float("nan"),)])
def test_a_temperature_must_be_above_zero(temperatures):
    with pytest.raises(ValueError, match=r"temperatures=\(.*must be above 0"):
        ClassSpecificResidualAttention(8, 3, temperatures)


@pytest.mark.parametrize("lam", [-0.1, float("nan")])
def test_a_negative_strength_is_refused(lam):
    with pytest.raises(ValueError, match=f"lam={lam} must be at least 0"):
        ClassSpecificResidualAttention(8, 3, lam=lam)


def test_temperatures_may_come_as_a_list():
    assert ClassSpecificResidualAttention(8, 3, [1.0, inf]).temperatures == (1.0, inf)


def test_only_the_direction_of_a_classifier_counts(x):
    head = make(1.0, inf)
    expected = head(x)
    with torch.no_grad():
        for classifier in head.classify:
            classifier *= 10 * torch.rand(3, 1, dtype=torch.float64)
    assert_close(head(x), expected)


def test_at_an_infinite_temperature_the_best_place_is_added(x):
    head = make(inf, lam=0.7)
    scores = head.scores(x)[:, 0].flatten(-2)
    assert_close(head(x), scores.mean(dim=-1) + 0.7 * scores.amax(dim=-1))


def test_the_higher_the_temperature_the_nearer_to_the_best_place(x):
    """From the mean at T → 0 to the maximum at T = ∞."""

    def answer(temperature):
        return make(temperature)(x)  # every head made like this has the same weights

    scores = make(1.0).scores(x).flatten(-2)[:, 0]
    assert_close(answer(1e-9), 2 * scores.mean(dim=-1))
    answers = torch.stack([answer(t) for t in (1e-9, 0.5, 1.0, 2.0, inf)])
    assert (answers.diff(dim=0) > 0).all()
    assert_close(answer(1e9), answer(inf))


def test_without_strength_it_is_a_plain_classifier(x):
    head = make(1.0, lam=0.0)
    weight = head.classify[0]
    plain = x.mean(dim=(2, 3)) @ (weight / weight.norm(dim=1, keepdim=True)).mT
    assert_close(head(x), plain)


def test_heads_are_added_and_keep_to_their_own_temperature(x):
    heads = make(1.0, 4.0, inf)
    expected = 0
    for i, temperature in enumerate(heads.temperatures):
        alone = make(temperature)
        alone.classify[0] = heads.classify[i]
        expected = expected + alone(x)
    assert_close(heads(x), expected)


def test_each_class_attends_for_itself():
    """To the place that shows what its classifier looks for."""
    head = make(4.0)
    head.classify[0].data = torch.eye(3, 8, dtype=torch.float64)
    x = torch.zeros(1, 8, 2, 5, dtype=torch.float64)
    x[0, 0, 1, 2] = x[0, 1, 0, 4] = x[0, 2, 1, 0] = 1
    assert head.weights(x).flatten(-2).argmax(dim=-1).tolist() == [[[7, 4, 5]]]


def test_weights_sum_to_one_and_are_those_that_forward_uses(x):
    head = make(1.0, inf, lam=0.7)
    weights, scores = head.weights(x), head.scores(x)
    assert_close(weights.sum(dim=(-2, -1)), torch.ones(2, 2, 3, dtype=torch.float64))
    attended = (weights * scores).sum(dim=(-2, -1))
    assert_close(head(x), (scores.mean(dim=(-2, -1)) + 0.7 * attended).sum(dim=1))


def test_equally_good_places_share_the_weight():
    """As a softmax does, whatever its temperature."""
    weights = make(2.0, inf).weights(torch.ones(1, 8, 2, 5, dtype=torch.float64))
    assert_close(weights, torch.full_like(weights, 0.1))


def test_a_large_score_times_a_temperature_does_not_overflow():
    head = ClassSpecificResidualAttention(8, 3, (7.0,)).half()
    torch.nn.init.constant_(head.classify[0], 0.1)
    x = torch.full((1, 8, 2, 3), 2e4).half()  # T times the score is beyond float16
    assert head(x).isfinite().all()
