"""Call mechanisms with arguments and inputs drawn at random: what comes out, and what is refused?

    python -m tools.fuzz                            # every mechanism and network
    python -m tools.fuzz se mha --calls 10000 --seed 3

Arguments and inputs are right, nearly right, of wrong types, huge, negative or zero.  An answer
must have the declared shape and be finite; all else must be a TypeError or ValueError whose message
names an argument of the mechanism.  What is neither is printed as a line of Python that repeats it,
after `torch.manual_seed(0)`.
"""

import argparse
import inspect
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from attention_lib.cards.card import Card
from attention_lib.cards.shape import Wanted, measured, names_of, tensors_of, wanted
from attention_lib.catalog import every_card, find

# Everything is drawn as the text of an expression, so that a call can be printed as it was made.
SMALL = [str(n) for n in range(1, 17)]
NONSENSE = ["0", "-1", "-3", "-(2**40)"]
HUGE = ["10**4", "10**6", "10**9", "2**31", "2**40", "10**20"]
FRACTIONS = ["0.5", "2.0", "-0.5", "1e-6", "1e30", "inf", "-inf", "nan", "np.float32(0.5)"]
SEVERAL = ["()", "(3,)", "(3, 5)", "[1, 3]", "(0, -1)", "(1.0, inf)", "range(3)", "(-1, -2)"]
OTHERS = [
    "None",
    "True",
    "False",
    "'4'",
    "'3x3'",
    "b'4'",
    "[]",
    "{}",
    "{4}",
    "np.int64(4)",
    "object",
]
OTHERS += ["torch.tensor(4)", "torch.ones(3)", "np.array([3, 5])", "iter((3, 5))", "(3, '5')", "4j"]
VALUES = SMALL * 2 + NONSENSE * 2 + HUGE + FRACTIONS + SEVERAL + OTHERS
INPUTS = [  # what becomes of an input
    *("{}[0]", "{}[..., None]", "{}.flatten()", "{}.mT", "{}.repeat_interleave(2, 1)", "{}[:, :0]"),
    *(
        "{}.repeat_interleave(2, -1)",
        "{}[..., :1]",
        "{}.sum()",
        "{}[:, :, :1]",
        "{}[:0]",
        "-100 * {}",
    ),
    *("{}.double()", "{}.half()", "{}.bfloat16()", "{}.long()", "({} > 0)", "{}.requires_grad_()"),
    *("{}.cfloat()", "{}.to(torch.float8_e4m3fn)", "{}.to_sparse()", "{}.to('meta')", "0 * {}"),
    *("{}.numpy()", "{}.tolist()", "({},)", "nn.Parameter({})", "torch.nested.nested_tensor([{}])"),
    *("torch.quantize_per_tensor({}, 0.1, 0, torch.quint8)", "{}.expand(2, *{}.shape)"),
    *("None", "'x'", "3", "object"),
]
REPEATED = {"branches", "depth", "depths", "recurrence"}  # as many layers are made, one by one
LARGE = 1000  # an argument beyond this is tried in the constructor alone, on the meta device
NAMESPACE = {"torch": torch, "nn": nn, "inf": float("inf"), "nan": float("nan")}


class Call(NamedTuple):
    """One call as text, and what became of it."""

    text: str
    outcome: str  # "answered", "refused", "only made", or what is wrong


def fuzz(cards: Sequence[Card], calls: int, seed: int = 0) -> list[Call]:
    """So many calls, spread evenly over the mechanisms."""
    drawn = random.Random(seed)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # of prototypes, such as nested tensors
        return [_call(cards[i % len(cards)], drawn) for i in range(calls)]


def _call(card: Card, drawn: random.Random) -> Call:
    made = f"{card}({_listed(_arguments(card, drawn))})"
    known = [*inspect.signature(card.mechanism).parameters]
    try:
        with torch.device("meta"):
            mechanism = _evaluate(made, card)
    except Exception as error:
        return Call(made, _judged(error, known))
    sizes = [n for n in tree_leaves(list(vars(mechanism).values())) if type(n) in (int, float)]
    weights = sum(tensor.numel() for tensor in mechanism.parameters())
    if weights > LARGE**2 or any(LARGE < abs(n) < float("inf") for n in sizes):
        return Call(made, "only made")
    torch.manual_seed(0)
    inputs = _inputs(card, mechanism, drawn)
    called = f"{made}.eval()({_listed(inputs)})"
    try:
        x, *_ = [_evaluate(text, card) for text in inputs.values()]
    except (RuntimeError, TypeError, IndexError, NotImplementedError):
        return Call(called, "only made")  # torch makes no such input
    try:
        answer = _evaluate(called, card)
    except Exception as error:
        return Call(called, _judged(error, [*known, *_parameters(card)]))
    return Call(called, _wrong(card, mechanism, x, answer) or "answered")


def _arguments(card: Card, drawn: random.Random) -> dict[str, str]:
    """The example's arguments, of which none to two are drawn; and now and then one left out."""
    told = {name: _shown(value) for name, value in card.example.items()}
    known = inspect.signature(card.mechanism).parameters
    if card.variants and drawn.random() < 0.3:
        told |= {name: _shown(value) for name, value in drawn.choice(card.variants).items()}
    for name in drawn.sample([*known], min(len(known), drawn.choice((0, 0, 1, 1, 2)))):
        told[name] = drawn.choice([v for v in VALUES if v not in HUGE or name not in REPEATED])
    if drawn.random() < 0.02:
        told.pop(drawn.choice([*told]))
    return told


def _inputs(card: Card, mechanism: nn.Module, drawn: random.Random) -> dict[str, str]:
    """Inputs of forward that fit, of which one is changed in one call of two."""
    notes = wanted(card.mechanism.forward)
    sizes = {axis: drawn.choice((1, 2, 3, 5, 8)) for axis in card.sizes} | _held(mechanism)
    sizes |= {k: prod(sizes[f] for f in v) for k, v in card.sizes.items() if isinstance(v, tuple)}
    sizes["batch"] = drawn.choice((0, 1, 2, 2))
    told = {}
    for name, argument in _parameters(card).items():
        if argument.default is not argument.empty and drawn.random() < 0.7:
            continue
        note = notes.get(name)
        if isinstance(note, Wanted):
            words = {word for axis in note.sizes for word in names_of(axis)}
            sizes = {word: drawn.choice((1, 3, 7)) for word in sorted(words)} | sizes
            shape = ", ".join(str(measured(axis, sizes)) for axis in note.sizes)
            told[name] = f"torch.randn({shape})"
            if note.kind == "boolean":
                told[name] = f"(torch.rand({shape}) > 0.5)"
        else:
            told[name] = str(sizes[name])
    if drawn.random() < 0.5:
        name = drawn.choice([*told])
        change = drawn.choice(INPUTS if "torch" in told[name] else VALUES)
        told[name] = change.replace("{}", told[name]) if "torch" in told[name] else change
    return told


def _judged(error: Exception, known: list[str]) -> str:
    """Whether an error says which argument is at fault."""
    text = str(error)
    named = any(
        re.search(rf"\b{name}\b" if len(name) > 1 else r"\bx must|'x'", text) for name in known
    )
    inside = re.search(r"(?<![.\w])\w+\(\)", text)  # the function of torch that gave up
    if isinstance(error, TypeError | ValueError) and named and not inside:
        return "refused"
    return f"{type(error).__name__}: {text.partition(chr(10))[0][:200]}"


def _wrong(card: Card, mechanism: nn.Module, x: Any, answer: Any) -> str:
    """What is wrong with an answer; "" if nothing is."""
    notes = wanted(card.mechanism.forward)
    [asked] = tensors_of(notes["x"])
    if not isinstance(x, Tensor):
        return f"takes x of type {type(x).__name__}"
    if x.layout != torch.strided or x.dtype not in asked.dtypes or x.ndim != len(asked.sizes):
        return f"takes x of {x.ndim} axes, {x.dtype}, {x.layout}"
    given = dict(zip(asked.sizes, x.shape, strict=True))
    numbers = {**_held(mechanism), **{a: n for a, n in given.items() if isinstance(a, str)}}
    for y, note in zip(tree_leaves(answer), tensors_of(notes["return"]), strict=True):
        shape = tuple(measured(axis, numbers) for axis in note.sizes)
        if not isinstance(y, Tensor) or y.shape != shape:
            return f"gives {tuple(y.shape)} where {shape} is declared"
        if y.dtype != x.dtype or y.device != x.device:
            return f"gives {y.dtype} on {y.device} for {x.dtype} on {x.device}"
        if not y.is_meta and not y.isfinite().all():
            return "gives numbers that are not finite"
    return ""


def _held(mechanism: nn.Module) -> dict[str, int]:
    return {k: v for k, v in vars(mechanism).items() if type(v) is int}


def _parameters(card: Card) -> dict[str, inspect.Parameter]:
    return dict([*inspect.signature(card.mechanism.forward).parameters.items()][1:])


def _listed(told: dict[str, str]) -> str:
    return ", ".join(f"{name}={text}" for name, text in told.items())


def _shown(value: object) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)


def _evaluate(text: str, card: Card) -> Any:
    import numpy

    classes: dict[str, Callable] = {str(known): known.mechanism for known in every_card()}
    torch.manual_seed(0)
    return eval(text, {**classes, str(card): card.mechanism, **NAMESPACE, "np": numpy})


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="mechanisms; all if none")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args(arguments)
    try:
        cards = [find(name) for name in told.names] or every_card()
    except ValueError as error:
        sys.exit(f"error: {error}")
    calls = fuzz(cards, told.calls, told.seed)
    tally = Counter(call.outcome for call in calls)
    fine = {kind: tally.pop(kind, 0) for kind in ("answered", "refused", "only made")}
    for call in calls:
        if call.outcome in tally:
            print(f"{call.text}\n    {call.outcome}")
    print(
        ", ".join(f"{count} {kind}" for kind, count in fine.items()),
        f"{tally.total()} wrong",
        sep=", ",
    )
    sys.exit(bool(tally))


if __name__ == "__main__":
    main()
