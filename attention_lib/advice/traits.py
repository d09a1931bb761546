"""What a mechanism is and does, read off its signature, its formulas, or a small map.

The questions rest on these tests, so a new mechanism needs no entry anywhere.
"""

import inspect
import math
from dataclasses import dataclass, replace
from functools import cache

import torch

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.catalog import find
from attention_lib.checks import randomize
from attention_lib.measure.sizes import sized

SIDE = 33  # pixels of the square map on which it is measured how far content travels


def on_tokens(card: Card) -> bool:
    return card.layout == "tokens"


def on_maps(card: Card) -> bool:
    return card.layout == "maps"


def can_be_causal(card: Card) -> bool:
    return "causal" in inspect.signature(card.mechanism).parameters


def takes_key_mask(card: Card) -> bool:
    return "key_mask" in inspect.signature(card.mechanism.forward).parameters


def gives_a_map(card: Card) -> bool:
    return len(card.shapes["return"]) == 4


def asks_for_rows(card: Card) -> bool:
    """Whether its tokens must be the pixels of a map."""
    return on_tokens(card) and {"height", "width"} <= card.sizes.keys()


def is_a_gate(card: Card) -> bool:
    return footprint(str(card)).places == 1


def is_flat(card: Card) -> bool:
    return footprint(str(card)).flat


def reads_far(card: Card) -> bool:
    return footprint(str(card)).distance >= SIDE // 2


def is_square(card: Card) -> bool:
    return growth(card) > 1.75


def is_between(card: Card) -> bool:
    return 1.25 < growth(card) <= 1.75


@dataclass(frozen=True)
class Footprint:
    """Where the content of one pixel of an otherwise empty map goes."""

    places: int  # that it reaches from the middle
    distance: int  # of the farthest of them, in rows or columns
    flat: bool  # output / input is the same at all places of a channel


@cache
def footprint(name: str) -> Footprint:
    """Measured on the card's small example with random weights; one that strides is made not to.

    Biases and running means are zero: an empty place then stays empty unless it receives content,
    however large the factor is that it is multiplied by.
    """
    card = find(name)
    if not card.comparable:  # its example answers with another size: what else it has by default
        card = replace(card, example=card.needed)
    square = {side: SIDE for side in ("height", "width") if side in card.example}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        mechanism = randomize(card.build(**square)).double().eval()
        for part, tensor in [*mechanism.named_parameters(), *mechanism.named_buffers()]:
            if part.endswith(("bias", "running_mean")):
                tensor.zero_()
        x = torch.randn(1, card.words()["channels"], SIDE, SIDE, dtype=torch.float64)
        ratio = mechanism(x) / x
        middle, empty = SIDE // 2, torch.zeros_like(x)
        empty[..., middle, middle] = x[..., middle, middle]
        rows, columns = mechanism(empty).abs().amax((0, 1)).gt(1e-12).nonzero(as_tuple=True)
    distance = torch.maximum((rows - middle).abs(), (columns - middle).abs()).max()
    flat = (ratio - ratio[..., :1, :1]).abs().max() < 1e-9
    return Footprint(len(rows), int(distance), bool(flat))


@cache
def unchanged_at_start(name: str) -> bool:
    """Whether a new instance returns its input, so that it can join a network already trained."""
    card = find(name)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        mechanism, [x, *rest] = card.build().double().eval(), card.inputs(torch.float64)
        y = mechanism(x, *rest)
    return y.shape == x.shape and bool((y - x).abs().max() < 1e-12)


def growth(card: Card) -> float:
    """The power of the number of places with which the counted multiply-adds grow at last."""
    return _growth(str(card))


@cache
def _growth(name: str) -> float:
    card = sized(find(name), 256, 8, 8, 64)
    axes = ("height", "width") if on_maps(card) or asks_for_rows(card) else ("tokens",)
    few, many = (card.cost("macs", **dict.fromkeys(axes, side)) for side in (2**13, 2**14))
    return math.log(many / few, 2 ** len(axes)) if few else 0.0


def properties_in_words(card: Card) -> list[str]:
    """What measured properties mean for the choice."""
    kept = card.properties or ()
    notes = []
    if properties.token_permutation_equivariant in kept:
        notes.append("measured: does not know the order of tokens, so add positions")
    if properties.pixel_permutation_equivariant in kept:
        notes.append("measured: does not know where a pixel lies")
    if unchanged_at_start(str(card)):
        notes.append("measured: a new one returns its input unchanged")
    return notes
