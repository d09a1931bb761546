"""Rank what fits a need by counted cost, and say why.

    advice = recommend(Need("maps", features=256, height=56, width=56))
    print(advice.choices[0].name, advice.choices[0].macs)

Costs are counted and times were measured; which of two mechanisms learns better is said only where
a stored experiment shows it.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch

from attention_lib.advice.evidence import Measured, experiments_with, nearest
from attention_lib.advice.need import BYTES, Need
from attention_lib.advice.questions import Path, paths
from attention_lib.advice.traits import (
    asks_for_rows,
    can_be_causal,
    properties_in_words,
    takes_key_mask,
)
from attention_lib.cards.card import COSTS, Card
from attention_lib.catalog import catalog, find
from attention_lib.measure.sizes import realistic, sizes_named
from attention_lib.measure.trace import trace_fake

UNCOUNTED = "nothing that it does is counted: means, softmax, Fourier transforms are not"
ORDERS = ("macs", "params", "memory", "time")
SIZE = ("layout", "features", "tokens", "height", "width", "batch", "causal")  # of a need


@dataclass(frozen=True)
class Choice:
    """One mechanism that does what is needed, what it costs, and why it is here."""

    card: Card  # at the size asked for
    path: Path
    params: int
    macs: int  # for the whole batch
    memory: int  # numbers in its largest tensor, for the whole batch
    bytes: int  # of that tensor
    measured: Measured | None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.card)


@dataclass(frozen=True)
class Advice:
    need: Need
    choices: tuple[Choice, ...]
    left_out: tuple[tuple[Card, str], ...] = field(default=())


def recommend(need: Need, by: str = "macs") -> Advice:
    """The mechanisms that do what is needed, those that cost least first; and why not the others.

    Args:
        need: what is looked for.
        by: "macs", "params" or "memory", which are counted; or "time", which was measured.  Only
            mechanisms that were measured side by side at one size are ranked by time, so these
            come in groups; those never measured come last.

    Raises:
        ValueError: if there is no such order.
        TypeError: if what is looked for is no `Need`.
    """
    if not isinstance(need, Need):
        raise TypeError(f"a Need is wanted, got {need!r}")
    if by not in ORDERS:
        raise ValueError(f"by={by!r} must be one of {', '.join(ORDERS)}")
    choices, left_out = [], []
    for card in catalog():
        ways = [path for path in paths() if all(a.holds(card) for a in path.answers)]
        way = next((path for path in ways if need.admits(path)), None)
        reason = _wrong_kind(card, way, need)
        if reason or way is None:
            left_out.append((card, reason))
            continue
        try:
            choice = _counted(card, way, need)
        except ValueError as error:
            left_out.append((card, str(error).removeprefix(f"{card}: ")))
            continue
        if need.memory and choice.bytes > need.memory:
            size = f"{choice.bytes:,} bytes, of {need.memory:,} allowed"
            left_out.append((card, f"its largest tensor alone takes {size}"))
        else:
            choices.append(choice)
    return Advice(need, tuple(sorted(choices, key=lambda c: _rank(c, by))), tuple(left_out))


def _wrong_kind(card: Card, way: Path | None, need: Need) -> str:
    """Why a mechanism does not do what is needed at any size; "" if it does."""
    if card.layout != need.layout:
        return f"works on {card.layout}"
    if need.causal and not can_be_causal(card):
        return "has no causal form"
    if way is None:
        return f"is no answer to the task {need.task!r}"
    if need.padding and not takes_key_mask(card):
        return "takes no key_mask"
    if asks_for_rows(card) and need.height is None:
        return "needs to know the height and width that its tokens have as pixels"
    return ""


def at_size(card: Card, need: Need) -> Card:
    """The card with the paper's defaults, at the size that is needed."""
    size = dict(channels=need.features, dim=need.features, height=need.height, width=need.width)
    if not asks_for_rows(card):  # there the tokens follow from height and width
        size["tokens"] = need.places
    known = {*card.sizes, *inspect.signature(card.mechanism).parameters}
    given = {name: n for name, n in size.items() if name in known and n is not None}
    return realistic(card, **given, **dict(causal=True) if need.causal else {})


def _counted(card: Card, path: Path, need: Need) -> Choice:
    """Its cost; a size that it cannot work at raises the ValueError that a user would get."""
    card, counts = _costs(card, Need(**{name: getattr(need, name) for name in SIZE}))
    notes = properties_in_words(find(str(card)))
    if not counts["macs"]:
        notes.insert(
            0, "nothing that it does is counted: means, softmax, Fourier transforms are not"
        )
    return Choice(
        card,
        path,
        **counts,
        bytes=counts["memory"] * BYTES[need.dtype],
        measured=nearest(str(card), need),
        notes=tuple(notes),
    )


@lru_cache(maxsize=256)
def _costs(card: Card, size: Need) -> tuple[Card, dict[str, int]]:
    """The card at a size, tried there, and its counts: they depend on nothing else of a need."""
    card = at_size(card, size)
    with sizes_named(card):
        with torch.device("meta"):
            mechanism, inputs = card.build(), card.inputs()
        trace_fake(mechanism, *inputs)
    counts = {kind: card.cost(kind, 1 if kind == "params" else size.batch) for kind in COSTS}
    counts["memory"] = max(counts["memory"], size.batch * size.places * size.features)
    return card, counts


def _rank(choice: Choice, by: str) -> tuple:
    """What choices are ordered by; what is equal there, by the other counts and the name."""
    counts = (choice.macs, choice.memory, choice.params, choice.name)
    if by == "time":
        time = choice.measured
        return (time is None, time.group if time else "", time.seconds if time else 0, *counts)
    return (getattr(choice, by), *counts)


def reasons(advice: Advice) -> list[str]:
    """Why each choice is one, what experiments say of them, and why the others are none."""
    lines = ["why"]
    groups: dict[tuple, list[Choice]] = {}
    for choice in advice.choices:
        groups.setdefault(choice.path.slugs, []).append(choice)
    for group in groups.values():
        leaf, names = group[0].path.leaf, [choice.name for choice in group]
        lines.append(f"  {', '.join(names)}: {leaf.use}")
        lines += [f"    {why}" for why in (group[0].path.why, leaf.caveat) if why]
        lines += [f"    {sentence}" for sentence in leaf.finding()]
        lines += [f"    {line}" for line in experiments_of(names)]
        for choice in group:
            lines += [f"    {choice.name}: {note}" for note in choice.notes]
    if advice.left_out:
        lines.append("left out")
    why: dict[str, list[str]] = {}
    for card, reason in advice.left_out:
        why.setdefault(reason, []).append(str(card))
    for reason, names in why.items():
        many = reason.startswith("works on ")  # the other layout: all of them, and not asked for
        lines.append(f"  {f'{len(names)} mechanisms' if many else ', '.join(names)}: {reason}")
    return lines


def experiments_of(names: Sequence[str]) -> list[str]:
    """Which stored experiments name some of them, and which of them are named in none."""
    named: dict[str, list[str]] = {}
    for name in names:
        for stored in experiments_with(name):
            named.setdefault(stored, []).append(name)
    told = [f"Stored experiment {stored} has {', '.join(who)}." for stored, who in named.items()]
    missing = [name for name in names if not experiments_with(name)]
    if not missing:
        return told
    return [
        *told,
        f"In no stored experiment with others, so not ranked by merit: {', '.join(missing)}.",
    ]
