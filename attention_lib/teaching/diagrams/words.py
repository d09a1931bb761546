"""A flow in words: the letters of its shapes, a row of a table and a sentence for each step.

Letters with something raised or lowered are written as in LaTeX, d_{h} and β^{2}; `plain` makes
ordinary text of that.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

from attention_lib.cards.flow import Axes, Flow, Step
from attention_lib.cards.notation import SYMBOLS

SIGNS = {"times": "×", "plus": "+", "minus": "−"}
PROPER = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "elu": "ELU", "hardtanh": "clamp"}
LATEX = {
    r"\alpha": "α",
    r"\beta": "β",
    r"\delta": "δ",
    r"\ell": "ℓ",
    r"\eta": "η",
    r"\lambda": "λ",
    r"\max": "max",
    r"\pi": "π",
    r"\rho": "ρ",
    r"\varpi": "ϖ",
    r"\|": "‖",
    "'": "′",
}
RAISED = dict(zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))
LOWERED = dict(zip("0123456789haeioruvxjklmnpst", "₀₁₂₃₄₅₆₇₈₉ₕₐₑᵢₒᵣᵤᵥₓⱼₖₗₘₙₚₛₜ", strict=True))
MARKED = re.compile(r"([_^])\{([^}]*)\}")


class Row(NamedTuple):
    """One step of a flow, in words."""

    what: str
    reads: str
    shape: str
    learned: bool


def letter(word: str) -> str:
    """The letter of a word on the notation page; a word that has none stands for itself."""
    found = SYMBOLS[word][0] if word in SYMBOLS else word
    for latex, sign in LATEX.items():
        found = found.replace(latex, sign)
    return re.sub(r"([_^])(\w)(?!\w)", r"\1{\2}", found) if word in SYMBOLS else found


def letters(axes: Axes) -> str:
    """`channels 2*hidden block_size**2` as C × 2m × β²."""

    def one(axis: str) -> str:
        axis = re.sub(r"ceiling\(([^)]*)\)", r"⌈\1⌉", axis)
        axis = re.sub(r"floor\(([^)]*)\)", r"⌊\1⌋", axis)
        axis = re.sub(r"[A-Za-z]\w*", lambda found: letter(found[0]), axis)
        axis = re.sub(r"\*\*(\d)", r"^{\1}", axis)
        return re.sub(r"(\w\w)\*(?=\w)|\*(?=\w\w)", r"\1·", axis).replace("*", "")

    return " × ".join(map(one, axes)) or "1"


def plain(text: str) -> str:
    """Without marks: what is raised or lowered has such letters, where there are any."""

    def one(found: re.Match[str]) -> str:
        known = RAISED if found[1] == "^" else LOWERED
        if all(sign in known for sign in found[2]):
            return "".join(known[sign] for sign in found[2])
        return f"{found[1]}{found[2]}"

    return MARKED.sub(one, text)


def called(name: str) -> str:
    """The name of a result as a reader sees it; the digit of a letter is lowered."""
    lettered = re.fullmatch(r"([A-Za-z]{1,2})(\d)", name)
    return f"{lettered[1]}_{{{lettered[2]}}}" if lettered else name.replace("_", " ")


def title(step: Step) -> str:
    """What a step is called."""
    return PROPER.get(step.label, step.label)


def learned_in(module: nn.Module) -> set[str]:
    """The parts of a module that have parameters."""
    return {n for n, part in module.named_modules() if n and any(True for _ in part.parameters())}


def is_learned(step: Step, flow: Flow, parts: Iterable[str]) -> bool:
    """Whether a step has parameters of its own."""
    reads_parameter = any(name in flow.parameters for name in step.inputs)
    return (not step.several and step.verb in parts) or reads_parameter


def rows(flow: Flow, parts: Iterable[str]) -> list[Row]:
    """Each step: what happens, to what, which shape comes out, whether it is learned."""
    names = {name: called(name) for name in (*flow.given, *flow.parameters)}
    found = []
    for number, step in enumerate(flow.steps, 1):
        reads = ", ".join(names[name] for name in step.inputs)
        for name in step.names:
            names[name] = called(name) if step.named else f"step {number}"
        names[step.key] = ", ".join(names[name] for name in step.names)
        what = f"{names[step.key]} = {title(step)}" if step.named else title(step)
        found.append(Row(what, reads, letters(step.axes), is_learned(step, flow, parts)))
    return found


def sentences(flow: Flow, parts: Iterable[str]) -> list[str]:
    """A sentence for each step."""
    found = []
    for number, (step, row) in enumerate(zip(flow.steps, rows(flow, parts), strict=True), 1):
        sign = SIGNS.get(step.verb)
        learned = " (learned)" if row.learned else ""
        if sign and len(step.inputs) > 1:
            made, equals, _ = row.what.rpartition(" = ")
            said = f"{made}{equals}{row.reads.replace(', ', f' {sign} ')}{learned}"
        else:
            said = f"{row.what}{learned} of {row.reads}"
        found.append(plain(f"{number}. {said}: {row.shape}."))
    return found


def told(flow: Flow, parts: Iterable[str]) -> str:
    """The whole flow in words."""
    given = ", ".join(f"{name} ({plain(letters(axes))})" for name, axes in flow.given.items())
    return " ".join([f"Given: {given}.", *sentences(flow, parts)])
