"""What a formula of a flow comes to: whole numbers, words, the signs of arithmetic and powers.

A flow may come from anybody's file, so nothing in it is ever run as a program.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from attention_lib.cards.flow import FlowError

SIGNS: dict[type[ast.operator], Callable[[Fraction, Fraction], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
CALLS: dict[str, Callable[[Fraction], int]] = {"floor": math.floor, "ceiling": math.ceil}
LARGEST, HIGHEST, LONGEST = 10**6, 16, 200  # number, power, letters of a formula
WRONG = (SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


def number(text: str, known: Mapping[str, Any]) -> int:
    """What a formula comes to.

    Args:
        text: such as `ceiling(height / stride) * heads` or `kernel_sizes[0]`.
        known: word -> its size, or a list of sizes.

    Raises:
        FlowError: if it is none, if a word has no size, or if it comes to no whole number.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError(f"{len(text)} letters")
        value = _value(ast.parse(text.strip(), mode="eval").body, known)
    except WRONG as error:
        why = "a word is not known, or it is no formula"
        raise FlowError(f"cannot measure {text[:LONGEST]!r}: {why}") from error
    if value.denominator != 1:
        raise FlowError(f"{text!r} comes to {value}, which is no whole number")
    return int(value)


def _value(node: ast.expr, known: Mapping[str, Any]) -> Fraction:
    match node:
        case ast.Constant(value=int() as constant) if constant < LARGEST:
            return Fraction(constant)
        case ast.Name(id=word):
            return Fraction(known[word])
        case ast.Subscript(value=ast.Name(id=word), slice=ast.Constant(value=int() as place)):
            return Fraction(known[word][place])
        case ast.BinOp(left=left, op=sign, right=right):
            one, other = _value(left, known), _value(right, known)
            if isinstance(sign, ast.Pow) and not 0 <= other <= HIGHEST:
                raise ValueError(f"the power {other}")
            return Fraction(SIGNS[type(sign)](one, other))
        case ast.Call(func=ast.Name(id=word), args=[argument], keywords=[]):
            return Fraction(CALLS[word](_value(argument, known)))
    raise ValueError(f"{ast.dump(node)[:40]} is no part of a formula")
