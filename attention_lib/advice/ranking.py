"""What fits a need, what it costs at the size that is needed, and why it fits.

    advice = recommend(Need("maps", features=256, height=56, width=56))
    print(advice.choices[0].name, advice.choices[0].macs)

Costs are counted; which of two mechanisms learns better is said only where a stored experiment
shows it.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import isqrt, log

import torch

from attention_lib.advice.evidence import experiments_with
from attention_lib.advice.need import BYTES, Need
from attention_lib.advice.questions import Path, paths
from attention_lib.advice.traits import (
    asks_for_rows,
    can_be_causal,
    properties_in_words,
    takes_key_mask,
)
from attention_lib.cards.card import Card
from attention_lib.cards.notation import COUNTED
from attention_lib.catalog import catalog, find
from attention_lib.measure.sizes import realistic, sizes_named
from attention_lib.measure.trace import trace_fake

SHARED = ("heads", "groups")  # arguments that have to divide the width
SIZE = ("layout", "features", "tokens", "height", "width", "batch", "causal")  # of a need


@dataclass(frozen=True)
class Choice:
    """One mechanism that does what is needed, what it costs, and why it is here."""

    card: Card  # at the size asked for
    path: Path
    params: int
    macs: int  # for the whole batch
    touched: int  # numbers read or written at least, for the whole batch
    memory: int  # numbers in its largest tensor, for the whole batch
    bytes: int  # of that tensor
    changed: str = ""  # arguments that are not the default, since the width has no such divisor
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
        by: "macs", "touched", "params" or "memory", all of which are counted.

    Raises:
        ValueError: if there is no such order.
        TypeError: if what is looked for is no `Need`.
    """
    if not isinstance(need, Need):
        raise TypeError(f"a Need is wanted, got {need!r}")
    if by not in COUNTED:
        raise ValueError(f"by={by!r} must be one of {', '.join(COUNTED)}")
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
    """The card with the paper's defaults, at the size that is needed.

    Where the default number of heads or groups does not divide the width, the nearest does that the
    mechanism accepts.

    Raises:
        ValueError: if it cannot have this size.
    """
    size = dict(channels=need.features, dim=need.features, height=need.height, width=need.width)
    if not asks_for_rows(card):  # there the tokens follow from height and width
        size["tokens"] = need.places
    known = {*card.sizes, *inspect.signature(card.mechanism).parameters}
    given: dict[str, object] = {name: n for name, n in size.items() if name in known and n}
    if need.causal:
        given["causal"] = True
    asked = realistic(card, **given)
    if not (why := _refusal(asked)):
        return asked
    for shared in nearest_divisors(card, need.features):
        other = realistic(card, **given, **shared)
        if not _refusal(other):
            return other
    raise ValueError(why)


def _refusal(card: Card) -> str:
    """What the constructor says against its arguments; "" if nothing."""
    try:
        with sizes_named(card), torch.device("meta"):
            card.build()
    except ValueError as error:
        return str(error)
    return ""


def nearest_divisors(card: Card, width: int) -> list[dict[str, int]]:
    """Heads and groups that divide the width, those nearest to the defaults first."""
    defaults = {name: card.defaults[name] for name in SHARED if name in card.defaults}
    defaults = {name: n for name, n in defaults.items() if type(n) is int}
    low = [n for n in range(1, isqrt(width) + 1) if width % n == 0]
    divisors = sorted({*low, *(width // n for n in low)})
    found = [dict(zip(defaults, ns, strict=True)) for ns in product(divisors, repeat=len(defaults))]
    return sorted(found, key=lambda ns: sum(abs(log(n / defaults[a])) for a, n in ns.items()))


def changed(card: Card) -> str:
    """Which of heads and groups are not the default: "heads = 10"."""
    told = ((name, card.example.get(name)) for name in SHARED if name in card.defaults)
    others = [f"{name} = {n}" for name, n in told if n not in (None, card.defaults[name])]
    return ", ".join(others)


def _counted(card: Card, path: Path, need: Need) -> Choice:
    """Its cost; a size that it cannot work at raises the ValueError that a user would get."""
    card, counts = _costs(card, Need(**{name: getattr(need, name) for name in SIZE}))
    size = counts["memory"] * BYTES[need.dtype]
    notes = tuple(properties_in_words(find(str(card))))
    return Choice(card, path, **counts, bytes=size, changed=changed(card), notes=notes)


@lru_cache(maxsize=256)
def _costs(card: Card, size: Need) -> tuple[Card, dict[str, int]]:
    """The card at a size, tried there, and its counts: they depend on nothing else of a need."""
    card = at_size(card, size)
    with sizes_named(card):
        with torch.device("meta"):
            mechanism, inputs = card.build(), card.inputs()
        trace_fake(mechanism, *inputs)
    return card, counted_at(card, size)


def counted_at(card: Card, size: Need) -> dict[str, int]:
    """What it costs, for the whole batch; no largest tensor is smaller than the input."""
    counts = {kind: card.cost(kind, 1 if kind == "params" else size.batch) for kind in COUNTED}
    lacking = max(size.batch * size.places * size.features - counts["memory"], 0)
    return counts | {kind: counts[kind] + lacking for kind in ("memory", "touched")}


def _rank(choice: Choice, by: str) -> tuple:
    """What choices are ordered by; what is equal there, by the other counts and the name."""
    counts = (choice.macs, choice.touched, choice.params, choice.memory, choice.name)
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
