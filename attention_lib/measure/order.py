"""How a declared cost grows: its Big-O, as LaTeX.

print(big_o(find("mha"), "macs"))  # O(N d^{2} + N^{2} d)

Every letter may grow, each at its own speed. A term is left out where the others together grow at
least as fast at whatever speeds. Switches do not grow: they have their defaults, or what is given.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from attention_lib.cards.card import Card
from attention_lib.cards.notation import letter
from attention_lib.measure.sizes import realistic

if TYPE_CHECKING:
    import sympy

Powers = Mapping["sympy.Expr", float]  # of a term: each letter, and its exponent
# How many parts the default has: like its switches and its zeros, these do not grow
FIXED = ("batch", "branches", "scales", "row_layers", "column_layers")
# What is never larger than another word of its card, at sizes that one meets in practice
WIDTH, SIDES = ("dim", "channels"), ("height", "width")
AT_MOST = {
    **dict.fromkeys(("hidden", "heads", "head_dim", "groups", "reduction"), WIDTH),
    **dict.fromkeys(("stride", "sr_ratio", "kernel_size", "group_size", "window_size"), SIDES),
    **dict.fromkeys(("kernel_convolution", "kernel_attention", "patch_size"), SIDES),
    **dict.fromkeys(("block_size", "halo_size"), ("window",)),
    "overlap": ("window_size",),
    "chunk": ("tokens",),
}


def big_o(card: Card, kind: str, **given: object) -> str:
    """`O(...)` of "params", "macs", "memory", "touched" or "state"; "" if nothing is counted.

    Args:
        given: axes and constructor arguments: what is None or 0 by default, and here a size, grows.
    """
    grown = order(card, kind, **given)
    return f"O({grown})" if grown else ""


def order(card: Card, kind: str, **given: object) -> str:
    """The leading terms of that cost; "" if there are none."""
    terms = map(_typeset, leading(card, kind, **given))
    return " + ".join(sorted(terms, key=lambda term: (len(term), term)))


def _typeset(term: "sympy.Expr") -> str:
    """On one line: a b / c."""
    from sympy import Mul, latex

    above, below = term.as_numer_denom()
    if below == 1:
        return latex(above)
    several = len(Mul.make_args(below)) > 1
    return f"{latex(above)} / " + (f"({latex(below)})" if several else latex(below))


@cache
def leading(card: Card, kind: str, **given: object) -> tuple["sympy.Expr", ...]:
    """Those terms, without their factors, in letters."""
    from sympy import Add, Integer, Max, Min, Sum, Symbol, ceiling, expand, floor

    words = realistic(card, **given).words() | {"batch": 1}
    at = {Symbol(letter(word)): int(n) for word, n in words.items() if isinstance(n, int)}
    fixed = [w for w, n in words.items() if isinstance(n, bool) or n == 0 or w in FIXED]
    formula = card.expression(kind, letter)
    # Min(1, r) says whether something is there; a sum runs over the default's parts
    parts = [p for p in formula.atoms(Min, Max) if {*p.args} & {Integer(0), Integer(1)}]
    formula = formula.subs({part: part.subs(at) for part in parts})
    formula = formula.replace(Sum, lambda *_: Integer(1))
    formula = formula.subs({Symbol(letter(word)): int(words[word]) for word in fixed})
    for width in WIDTH:  # heads share it
        if words.get("heads", 0) * words.get("head_dim", 0) == words.get(width):
            head = Symbol(letter(width)) / Symbol(letter("heads"))
            formula = formula.subs(Symbol(letter("head_dim")), head)
    for rounded in (floor, ceiling):
        formula = formula.replace(rounded, lambda inside: inside)
    formula = formula.replace(Max, lambda *parts: Add(*parts))  # it grows as their sum does
    terms = {t / (t.as_coeff_Mul()[0] or 1): None for t in Add.make_args(expand(formula))}
    kept = [term for term in terms if term]
    pairs = [
        (Symbol(letter(small)), Symbol(letter(large)))
        for small, larger in AT_MOST.items()
        for large in larger
        if {small, large} <= words.keys()
    ]
    for term in sorted(kept, key=lambda t: -len(t.free_symbols)):
        others = [t.as_powers_dict() for t in kept if t != term]
        if dominated(term.as_powers_dict(), others, pairs):
            kept.remove(term)
    return tuple(kept)


def dominated(
    term: Powers, others: Sequence[Powers], pairs: Sequence[tuple["sympy.Expr", "sympy.Expr"]] = ()
) -> bool:
    """Whether at all speeds of the letters one of the others grows as fast as the term, or faster.

    A linear program: how far can the term get ahead of the fastest of the others?

    Args:
        pairs: letters of which the first is never larger than the second.
    """
    from scipy.optimize import linprog

    if not others:
        return False
    letters = sorted({a for powers in (term, *others) for a in powers if a.free_symbols}, key=str)
    lead = [[float(other.get(a, 0) - term.get(a, 0)) for a in letters] for other in others]
    slower = [
        [float((a == small) - (a == large)) for a in letters]
        for small, large in pairs
        if {small, large} <= {*letters}
    ]
    limits = [[*row, 1.0] for row in lead] + [[*row, 0.0] for row in slower]
    goal = [0.0] * len(letters) + [-1.0]
    bounds = [(0, 1)] * len(letters) + [(None, None)]
    found = linprog(goal, A_ub=limits, b_ub=[0.0] * len(limits), bounds=bounds)
    return -found.fun < 1e-9
