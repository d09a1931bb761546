"""The flow of a mechanism: its steps in the reader's words, one a line.

    z = mean x         -> channels               # mean over places
    squash             -> hidden
    relu
    excite             -> channels
    s = sigmoid
    y = times s x      -> channels height width
    hidden := floor(channels / reduction)

A line is `[names =] verb [inputs] [-> axes] [# label]`; a semicolon ends it too.  Without inputs a
step reads the result of the line before; without axes it keeps those of its first input.  The batch
is left out.

A verb is a part of the module, and the step is learned; or an operation of torch, for which
`times`, `plus`, `product`, `join` and others are synonyms; or [words in brackets] for several
operations at once.  Several names are the parts of one result, in their order.  An input may be a
parameter too, or a part for its weights.  The label is what a reader sees in place of the verb.
`word := formula` says what a word measures that neither card nor module knows.

Diagrams, tables and text alternatives are made from a flow, and `checks.flow` proves it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from attention_lib.cards.shape import Axes

LINE = re.compile(
    r"(?:(?P<names>\w+(?:, *\w+)*) *= *)?(?P<verb>\[[^]]+\]|[\w.]+)(?P<inputs>(?: +[\w.]+)*)"
    r"(?: *-> *(?P<axes>[^#>]*?))? *(?:# *(?P<label>.*))?"
)


class FlowError(ValueError):
    """A flow cannot be read, or is not what the code does."""


@dataclass(frozen=True)
class Step:
    """One line of a flow."""

    names: tuple[str, ...]  # of its result, or of that result's parts
    verb: str
    inputs: tuple[str, ...]
    axes: Axes
    label: str
    several: bool = False  # it stands for more than one operation of the code
    named: bool = True  # its line gives the result a name

    @property
    def key(self) -> str:
        """What the whole result is called."""
        return ", ".join(self.names)

    def __str__(self) -> str:
        return f"{self.key} = {self.label}" if self.named else self.label


@dataclass
class Flow:
    """The steps of a mechanism, and what they begin with."""

    given: dict[str, Axes]  # the arguments of forward
    steps: list[Step] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)  # that steps read by name
    formulas: dict[str, str] = field(default_factory=dict)  # words that stand for one

    def step(self, name: str) -> Step | None:
        """The step that makes `name`."""
        return next((step for step in self.steps if name in step.names), None)

    def known(self, name: str) -> bool:
        """Whether a line or an argument has made `name`."""
        return name in self.given or self.step(name) is not None


def parse(text: str, given: Mapping[str, Axes]) -> Flow:
    """The flow that a text describes.

    Args:
        text: as above.
        given: the axes of each argument of forward, without the batch.

    Raises:
        FlowError: with the line, if it cannot be read or makes what is there already.
    """
    flow = Flow(dict(given))
    last: str | None = next(iter(given))
    for number, line in enumerate(filter(None, map(str.strip, re.split("[\n;]", text))), 1):
        word, defines, formula = line.partition(":=")
        if defines:
            if not word.strip().isidentifier() or word.strip() in flow.formulas:
                raise FlowError(f"{line!r}: a word is measured once, and is one word")
            flow.formulas[word.strip()] = formula.strip()
            continue
        step = _step(flow, line, number, last)
        flow.steps.append(step)
        last = step.key if len(step.names) == 1 else None
    if not flow.steps:
        raise FlowError("a flow needs at least one step")
    return flow


def _step(flow: Flow, line: str, number: int, last: str | None) -> Step:
    line = " ".join(line.split())
    found = LINE.fullmatch(line)
    if not found:
        wanted = "[names =] verb [inputs] [-> axes] [# label]"
        raise FlowError(f"cannot read {line!r}: a line is {wanted}")
    inputs = tuple(found["inputs"].split())
    if not inputs:
        if last is None:
            raise FlowError(f"{line!r}: say what it reads, since the line above makes several")
        inputs = (last,)
    for name in inputs:
        if not flow.known(name) and name not in flow.parameters:
            flow.parameters.append(name)  # which the proof looks up
    names = tuple(re.findall(r"\w+", found["names"] or f"_{number}"))
    for name in names:
        if flow.known(name) or name in flow.parameters or names.count(name) > 1:
            raise FlowError(f"{line!r} makes {name}, which is there already")
    axes = tuple((found["axes"] or "").split())
    if not axes:
        first = flow.step(inputs[0])
        if first is None and inputs[0] not in flow.given:
            raise FlowError(f"{line!r} needs axes: {inputs[0]} is a parameter, or nothing above")
        axes = first.axes if first else flow.given[inputs[0]]
    verb = found["verb"].strip("[]")
    label = found["label"] or verb.replace("_", " ")
    several = found["verb"].startswith("[")
    return Step(names, verb, inputs, axes, label, several, bool(found["names"]))
