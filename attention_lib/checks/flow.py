"""The check of a flow: each step is an operation of the code, and reads what the code reads.

Each step is given an operation of the traced forward pass that is of its kind and shape.  The steps
that it reads must be those that reach this operation with no other step in between.  What lies in
between must be quiet, unless the step says that it is several operations.
"""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from attention_lib.cards.card import Card
from attention_lib.cards.flow import Flow, FlowError, Step
from attention_lib.checks.common import only, seeded
from attention_lib.checks.formulas import number
from attention_lib.checks.graph import GIVEN, QUIET, Node, drawn_together, trace

SYNONYMS = {
    "times": "mul addcmul",
    "plus": "add",
    "minus": "sub rsub",
    "over": "div reciprocal",
    "join": "cat stack",
    "product": "matmul einsum bmm mm baddbmm linear",
    "max": "amax max maximum adaptive_max_pool1d adaptive_max_pool2d",
    "mean": "mean adaptive_avg_pool2d",
}
ORDERED = {
    "sub",
    "div",
    "pow",
    "where",
    "matmul",
    "bmm",
    "cat",
    "stack",
}  # what they read cannot change places
MOST = 2000  # readings of a flow that are tried; those of the library need fewer than 50
BATCH = 11  # and each free axis at 2n + 1: no other shape fits by chance


@only(lambda card: card.flow, "no flow is declared for these arguments")
def check_flow(card: Card) -> None:
    """The steps of its diagram are those of the code: kinds, shapes, what each reads, no other."""
    larger = {axis: 2 * size + 1 for axis, size in card.free_sizes.items()}
    for sizes in ({}, larger):
        Proof(card, batch=BATCH, **sizes).run()


class Proof:
    """Looks for the operation of the code that each step of a flow is."""

    def __init__(self, card: Card, **sizes: int):
        arguments = inspect.signature(card.mechanism).parameters
        self.flow: Flow = card.steps
        words = card.words(**sizes).items()
        self.sizes: dict[str, Any] = {k: v for k, v in words if isinstance(v, int | tuple)}
        with seeded():
            module = card.build(**{k: v for k, v in sizes.items() if k in arguments})
            nodes = trace(module, *card.inputs(**sizes))
        verbs = {step.verb for step in self.flow.steps if not step.several}
        self.parts = {name for name, _ in module.named_modules() if name} & verbs
        self.nodes = drawn_together(nodes, self.parts)
        self.bound = {name: self._given(name) for name in (*self.flow.given, *self.flow.parameters)}
        self.reach: dict[str, set[str]] = {name: set() for name in self.bound}
        for step in self.flow.steps:
            self.reach[step.key] = set(step.inputs).union(*(self.reach[n] for n in step.inputs))
            if len(step.names) > 1:
                self.reach |= {name: self.reach[step.key] | {step.key} for name in step.names}
        self.wanted = {step.key: self._shape(step.axes) for step in self.flow.steps}
        self.furthest, self.wrong, self.tries = -1, "", 0

    def run(self) -> None:
        """Raise FlowError with what is wrong, if the code does not do just that."""
        if not self._search(0):
            raise FlowError(self.wrong)

    def _given(self, name: str) -> Node:
        for node in self.nodes:
            known = f"{node.owner or node.name}."
            if node.op in ("input", "parameter") and known.startswith(f"{name}."):
                return node
        given = ", ".join(node.name for node in self.nodes if node.op == "input")
        wrong = f"{name!r} is no input, no parameter, and no line above makes it"
        raise FlowError(f"{wrong}; the input is {given}")

    def _shape(self, axes: tuple[str, ...]) -> tuple[int, ...]:
        known = dict(self.sizes)
        for word, formula in self.flow.formulas.items():
            if word in known:
                raise FlowError(f"{word} := {formula}: the card or the module knows {word} already")
            known[word] = number(formula, known)
        return tuple(number(axis, known) for axis in axes)

    def _search(self, index: int) -> bool:
        """Bind the steps from `index` on, in every way, until all is as the code has it."""
        if index == len(self.flow.steps):
            return self._settled(index, "; ".join(self._differences()))
        step = self.flow.steps[index]
        self.tries += 1
        if self.tries > MOST:
            alike = "too many operations are alike to try them all"
            raise FlowError(f"{alike}; what fits worst: {self.wrong or step}")
        candidates, why = self._candidates(step)
        for node in candidates:
            parts = self._parts(step, node)
            if parts is None:
                why = f"the code has other parts than {step.key}"
                continue
            self.bound |= {step.key: node, **parts}
            if self._search(index + 1):
                return True
            for name in {step.key, *parts}:
                del self.bound[name]
        return self._settled(index, f"{step}: {why}")

    def _settled(self, index: int, wrong: str) -> bool:
        """Keep the complaint of the reading that came furthest."""
        if wrong and (index, -len(wrong)) > (self.furthest, -len(self.wrong)):
            self.furthest, self.wrong = index, wrong
        return not wrong

    def _candidates(self, step: Step) -> tuple[list[Node], str]:
        """Operations of the kind, shape and dependencies a step claims; or why there is none."""
        if step.several:  # the last that fits comes first
            found = [n for n in self.nodes[::-1] if n.op not in GIVEN and (n.joins or not n.quiet)]
        elif step.verb in self.parts and not any(n.op == step.verb for n in self.nodes):
            found = [n for n in self.nodes if _uses(n, step.verb)]  # its weights, without a call
        else:
            found = [n for n in self.nodes if n.op in SYNONYMS.get(step.verb, step.verb).split()]
        taken = set(self.bound.values())
        found = [n for n in found if n not in taken]
        shaped = [n for n in found if any(self._fits(step, view) for view in _views(n))]
        claimed = self.reach[step.key]
        ready = [n for n in shaped if {b for b, m in self.bound.items() if m in n.above} == claimed]
        if not found:
            free = [n for n in self.nodes if n not in taken and n.op not in GIVEN and not n.quiet]
            left = {n.op for n in free} - {step.verb}
            there = f"; it has {', '.join(sorted(left))}" if left else ""
            return [], f"the code has no {step.verb} that is left{there[:80]}"
        if not shaped:
            made = ", ".join(sorted({str(n.shape) for n in found}))
            here = f"({', '.join(step.axes)}) = {self.wanted[step.key]}"
            return [], f"{here} is not made there, but {made[:80]}"
        needs = sorted(name for name in claimed if "," not in name and name[0] != "_")
        return ready, f"no {step.verb} depends on just {', '.join(needs)}"

    def _parts(self, step: Step, node: Node) -> dict[str, Node] | None:
        """Which part of a result each name is: as they come, or theirs, where these are split."""
        if len(step.names) == 1:
            return {}
        parts: dict[tuple[int, ...], Node] = {(): node}
        for _ in range(2):
            parts = dict(sorted(_split(parts), key=lambda item: item[0]))
            if len(parts) == len(step.names):
                return dict(zip(step.names, parts.values(), strict=True))
        return None

    def _fits(self, step: Step, node: Node) -> bool:
        """Whether a tensor has the shape, the batch before it or multiplied into one axis.

        An axis of one place is none.
        """
        wanted, batch = self.wanted[step.key], self.sizes["batch"]
        shapes = [wanted]
        if node.batched:
            folded = [(*wanted[:i], batch * n, *wanted[i + 1 :]) for i, n in enumerate(wanted)]
            shapes = [(batch, *wanted), *folded]
        return node.shape is not None and _long(node.shape) in map(_long, shapes)

    def _differences(self) -> Iterator[str]:
        """What the flow, now that each step has its operation, says otherwise than the code."""
        for step in self.flow.steps:
            yield from self._between(step, self.bound[step.key], step.inputs)
        last = self.flow.steps[-1]
        answer = replace(last, names=("the answer",), named=True)
        yield from self._between(answer, self.nodes[-1], (last.key,))

    def _between(self, step: Step, node: Node, claimed: tuple[str, ...]) -> Iterator[str]:
        """Complaints about what lies between an operation and the steps that it reads."""
        named = {n: name for name, n in self.bound.items()}
        # several operations may be more calls of parts that have a step of their own
        own = tuple(f"{part}." for part in (self.parts if step.several else (step.verb,)))
        reads = [_behind(read, named) for read in node.reads]
        read = {named[n] for found in reads for n in found if n in named}
        for other in dict.fromkeys(n for found in reads for n in found if n not in named):
            if other.op == "parameter" and not other.owner.startswith(own):
                yield f"{step}: the code also uses the parameter {other.owner}"
            elif other.op not in GIVEN and not other.quiet and not step.several:
                yield f"{step}: {other.op} comes before it, and no line names it"
        yield from (f"{step}: the code does not read {n} here" for n in sorted({*claimed} - read))
        yield from (f"{step}: the code reads {n} too" for n in sorted(read - {*claimed}))
        for name in sorted({*claimed} & read):
            times = sum(any(named.get(n) == name for n in found) for found in reads)
            if claimed.count(name) > max(times, 1):
                yield f"{step}: the code reads {name} once"
        order = tuple(named[n] for found in reads for n in found if n in named)
        complete = {*order} == {*claimed} and len(order) == len(claimed)
        if node.op in ORDERED and complete and order != claimed:
            yield f"{step}: the code reads {', '.join(order)}, in this order"


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _uses(node: Node, part: str) -> bool:
    """Whether an operation reads weights of a part, directly or rearranged."""
    found = [] if node.quiet else list(node.reads)
    for read in found:
        found += [r for r in read.reads if read.quiet and r not in found]
    return any(read.owner.startswith(f"{part}.") for read in found)


def _behind(node: Node, named: dict[Node, str]) -> list[Node]:
    """A node, and all before it up to the steps that have a name."""
    found = [node]
    for other in found:
        found += [r for r in other.reads if other not in named and r not in found]
    return found


def _views(node: Node) -> list[Node]:
    """An operation's result, and what that is only arranged to be."""
    found = [node]
    for seen in found:
        found += [n for n in seen.below if n.op in QUIET and not n.joins and n not in found]
    return found


def _split(parts: dict[tuple[int, ...], Node]) -> Iterator[tuple[tuple[int, ...], Node]]:
    for path, node in parts.items():
        found = [n for n in _views(node)[1:] if n.part is not None]
        first = [n for n in found if not n.above & {*found}]
        yield from ([((*path, n.part or 0), n) for n in first] or [(path, node)])
