"""Calls drawn at random are answered rightly or refused by name; and the drawing finds faults."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Maps, shaped
from attention_lib.catalog import every_card
from tools import fuzz

FINE = {"answered", "refused", "only made"}


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_what_is_drawn_is_answered_or_refused_by_name(card):
    calls = fuzz.fuzz([card], 8)
    assert {call.outcome for call in calls} <= FINE, "\n".join(map(str, calls))


class Untyped(nn.Module):
    def __init__(self, channels: int, reduction: int = 2):
        super().__init__()
        self.channels, self.reduction = channels, reduction
        if reduction > channels:
            raise ValueError(f"reduction={reduction} must be at most channels={channels}")

    @shaped
    def forward(self, x: Maps) -> Maps:
        return x / (channels_left(self) - 1)


def channels_left(gate: Untyped) -> float:
    return gate.channels / gate.reduction


class Unchecked(Untyped):
    def forward(self, x: Maps) -> Maps:
        return x * torch.ones(self.channels, 1, 1)


class Narrow(Untyped):
    @shaped
    def forward(self, x: Maps) -> Float[Tensor, "batch channels height 1"]:
        return x


class Halved(Untyped):
    @shaped
    def forward(self, x: Maps) -> Maps:
        return x.half()


@pytest.mark.parametrize(
    ("mechanism", "found"),
    [
        (Untyped, "TypeError: '>' not supported between instances of"),
        (Untyped, "gives numbers that are not finite"),
        (Unchecked, "must match the size of tensor"),
        (Unchecked, "takes x of "),
        (Narrow, "where (2, 2, 3, 1) is declared"),
        (Halved, "gives torch.float16 on cpu for torch.float32 on cpu"),
    ],
)
def test_a_planted_fault_is_found_and_can_be_repeated(mechanism, found):
    card = Card(
        mechanism, paper="", example=dict(channels=2), sizes=dict(batch=2, height=3, width=3)
    )
    wrong = [call for call in fuzz.fuzz([card], 200) if found in call.outcome]
    assert wrong
    assert all(call.text.startswith(f"{mechanism.__name__}(channels=") for call in wrong)


def test_a_seed_draws_the_same_calls_again():
    cards = every_card()[:3]
    assert fuzz.fuzz(cards, 12, seed=1) == fuzz.fuzz(cards, 12, seed=1)
    assert fuzz.fuzz(cards, 12, seed=1) != fuzz.fuzz(cards, 12, seed=2)


def test_the_command_says_what_it_drew(capsys):
    with pytest.raises(SystemExit) as stopped:
        fuzz.main(["se", "--calls", "5"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.count("\n") == 1
    with pytest.raises(SystemExit, match="no mechanism 'sse'"):
        fuzz.main(["sse"])


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ValueError("channels=3 must be a multiple of heads=2"), True),
        (ValueError("Gate: x must be (batch, channels=3), got (2, 4)"), True),
        (TypeError("missing a required argument: 'x'"), True),
        (TypeError("'<' not supported between instances of 'tuple' and 'int'"), False),
        (TypeError("empty(): argument 'channels' must be tuple of ints"), False),
        (RuntimeError("channels=3 cannot be"), False),
        (ValueError("axis 3 out of range"), False),
    ],
)
def test_an_error_is_clear_if_it_names_an_argument(error, named):
    assert (fuzz._judged(error, ["channels", "heads", "x"]) == "refused") is named
