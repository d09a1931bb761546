"""Every small change of a flow, and those that the check does not find."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple
from unittest.mock import patch

from attention_lib.cards.card import Card
from attention_lib.cards.flow import FlowError
from attention_lib.checks import flow as checked
from attention_lib.checks.graph import trace


class Change(NamedTuple):
    kind: str
    line: str  # the line that was changed
    text: str  # the flow with the change


def changes(card: Card) -> Iterator[Change]:
    """Lines left out or exchanged, inputs left out, added or exchanged; the same with axes."""
    written = re.split("[\n;]", card.flow.strip())
    lines = [" ".join(line.partition("#")[0].split()) for line in written]
    steps = [i for i, line in enumerate(lines) if line and ":=" not in line]
    names = [name for step in card.steps.steps if step.named for name in step.names]
    made = [*card.steps.given, *names]

    def put(i: int, *new: str) -> str:
        return "\n".join([*lines[:i], *new, *lines[i + 1 :]])

    for i, j in pairwise(steps):
        exchanged = list(lines)
        exchanged[i], exchanged[j] = lines[j], lines[i]
        yield Change("lines exchanged", lines[i], "\n".join(exchanged))
    for i in steps:
        yield Change("line left out", lines[i], put(i))
        head, arrow, axes = (part.strip() for part in lines[i].partition("->"))
        left, equals, right = head.rpartition("=")
        verb, *given = re.findall(r"\[[^]]+\]|[\w.]+", right)
        others = [name for name in made if name not in [*given, *re.findall(r"\w+", left)]]

        def line(inputs: list[str], i: int = i, head: str = left + equals, verb: str = verb,
                 tail: str = f" {arrow} {axes}") -> str:  # fmt: skip
            return put(i, f"{head} {' '.join([verb, *inputs])}{tail}")

        for k in range(len(given)):
            if len(given) > 1:
                yield Change("input left out", lines[i], line(given[:k] + given[k + 1 :]))
            for other in others:
                new = line([*given[:k], other, *given[k + 1 :]])
                yield Change("input exchanged", lines[i], new)
        for other in others if given else ():
            yield Change("input added", lines[i], line([*given, other]))
        words = axes.split()
        for k, axis in enumerate(words):
            fewer = " ".join(words[:k] + words[k + 1 :]) or "1"
            yield Change("axis left out", lines[i], put(i, f"{head} -> {fewer}"))
            doubled = " ".join([*words[:k], f"2*{axis}", *words[k + 1 :]])
            yield Change("axis doubled", lines[i], put(i, f"{head} -> {doubled}"))
            if k and axis != words[k - 1]:
                turned = " ".join([*words[: k - 1], axis, words[k - 1], *words[k + 1 :]])
                yield Change("axes exchanged", lines[i], put(i, f"{head} -> {turned}"))


def facts(card: Card) -> set[tuple]:
    """What a flow says, whatever the order of its lines."""
    return {(step.names, step.verb, step.inputs, step.axes) for step in card.steps.steps}


def survivors(card: Card) -> tuple[Counter[tuple[str, str]], int]:
    """Changes that are not found, counted by line and kind; and how many were tried."""
    graphs: dict[tuple, list] = {}

    def once(module: object, *inputs: object) -> list:
        key = tuple(tuple(x.shape) if hasattr(x, "shape") else x for x in inputs)
        if key not in graphs:
            graphs[key] = trace(module, *inputs)
        return graphs[key]

    found, tried = Counter(), 0
    with patch.object(checked, "trace", once):
        for change in changes(card):
            changed = replace(card, flow=change.text)
            try:
                checked.check_flow(changed)
            except FlowError:
                tried += 1
                continue
            if facts(changed) != facts(card):  # else it is the same flow, in another order
                tried += 1
                found[change.line, change.kind] += 1
    return found, tried
