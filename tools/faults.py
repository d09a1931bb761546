"""The faults that `tools.mutants` plants: every way to change one thing in a mechanism's file.

Changed are numbers, axes, signs, operators, comparisons, branches, steps, arguments, the order of
statements, defaults, decorators, declared axes, and what the card states.  Prose and messages stay,
and so does what a card only proposes to the tests: example, variants, sizes, rejects, names.

What says the same in other words is no fault, and is not planted: an axis counted from the other
end, two arguments of a function that does not care for their order, a check of an input that the
next method repeats in the same words.
"""

import ast
from collections.abc import Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from attention_lib.cards import properties

OTHER: dict[type[ast.AST], list[type[Any]]] = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Add], ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Mult], ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult], ast.MatMult: [ast.Mult],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd], ast.And: [ast.Or], ast.Or: [ast.And],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
}  # fmt: skip
ONE_WAY = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
ALIKE = {"relu": ["sigmoid"], "sigmoid": ["tanh"], "softmax": ["sigmoid"],
         "mean": ["sum", "amax"], "any": ["all"], "max": ["min"], "min": ["max"],
         "ReLU": ["GELU"]}  # fmt: skip
# Functions that do not care for the order of their first two arguments; two are sympy's.
SYMMETRIC = ("max", "min", "Max", "Min", "promote_types", "transpose", "maximum", "minimum")
NAMESPACES = ("torch", "nn", "F", "super()")
PROPOSED = (
    *("example", "variants", "sizes", "rejects", "aliases", "elsewhere", "cannot"),
    "networks",  # compared with the bibliography by the tests of the advice
)
COSTS = ("params", "macs", "memory")
FACTS = (*COSTS, "paper", "properties", "oracles")


@dataclass(frozen=True)
class Fault:
    """One changed file; `change` is the difference, as lines '- old' and '+ new'."""

    module: str
    path: Path
    line: int
    where: str  # the function it lies in, or CARD
    source: str
    change: str


def faults(path: Path, module: str) -> list[Fault]:
    """Every fault to plant in a file, from top to bottom."""
    tree, planted = ast.parse(path.read_text(encoding="utf-8")), dict[str, Fault]()
    _mark_checked_again(tree)
    original = ast.unparse(tree)
    for where, line in _changes(tree, "", 0):
        changed = ast.unparse(ast.fix_missing_locations(tree))
        if changed != original:
            change = _difference(original, changed)
            planted.setdefault(changed, Fault(module, path, line, where, changed, change))
    return sorted(planted.values(), key=lambda fault: fault.line)


def _difference(original: str, changed: str) -> str:
    """The lines that differ; of a single long one, what differs and a little around it."""
    old, new = _middles(original.splitlines(), changed.splitlines(), 0, 0)
    if len(old) == len(new) == 1 and len(old[0] + new[0]) > 200:
        old, new = ([f"… {text} …"] for text in _middles(old[0], new[0], 25, 15))
    signed = [*(f"- {line.strip()}" for line in old), *(f"+ {line.strip()}" for line in new)]
    return "\n".join(signed)


def _middles(one: Sequence, two: Sequence, before: int, after: int) -> tuple[Sequence, Sequence]:
    """Both without what they share at their ends, but for a little of it `before` and `after`."""
    shorter = min(len(one), len(two))
    start = next((i for i in range(shorter) if one[i] != two[i]), shorter)
    ends = range(shorter - start)
    end = next((i for i in ends if one[-1 - i] != two[-1 - i]), shorter - start)
    start, end = max(start - before, 0), max(end - after, 0)
    return one[start : len(one) - end], two[start : len(two) - end]


def _changes(node: ast.AST, where: str, line: int) -> Iterator[tuple[str, int]]:
    """Change the tree in place, one thing at a time; undone when the next is asked for."""
    line = getattr(node, "lineno", line)
    if isinstance(node, ast.FunctionDef):
        where = node.name
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Card":
        where = "CARD"
    for name, value in ast.iter_fields(node):
        if _is_prose(node, name):
            continue
        for new in _options(node, name, value):
            setattr(node, name, new)
            items = zip(value, new, strict=False) if isinstance(value, list) else ()
            moved = next((old for old, item in items if old is not item), value)
            yield where, getattr(moved, "lineno", line)
        setattr(node, name, value)
        if name in ("annotation", "returns") or getattr(node, "arg", "") in FACTS:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _changes(child, where, line)


def _is_prose(node: ast.AST, name: str) -> bool:
    """What is said to people, or follows from what is changed elsewhere."""
    match node:
        case ast.JoinedStr() | ast.Raise() | ast.Import() | ast.ImportFrom():
            return True
        case ast.keyword(arg="strict"):  # zip(…, strict=True) guards against what cannot be
            return True
        case ast.keyword(arg=arg):
            return arg in PROPOSED or name == "arg"
    return False


def _options(node: ast.AST, name: str, value: Any) -> Iterator[Any]:
    """What else a field of a node could hold."""
    if isinstance(node, ast.keyword) and node.arg in FACTS:
        yield from _facts(node.arg, value)
    elif isinstance(value, list):
        if name == "decorator_list" and getattr(node, "checked_again", False):
            return
        for i, item in enumerate(value):
            for new in _expressions(item) if isinstance(item, ast.expr) else ():
                yield [*value[:i], new, *value[i + 1 :]]
            if name == "decorator_list" or _may_go(node, item):
                yield [*value[:i], *value[i + 1 :]]
        if name in ("body", "orelse") and not isinstance(node, ast.Module | ast.ClassDef):
            yield from _statements(value)
        symmetric = isinstance(node, ast.Call) and _name_of(node.func) in SYMMETRIC
        if (name == "args" and isinstance(node, ast.Call) and not symmetric) or name == "elts":
            yield from _swapped(value, _ordered)
    elif name in ("annotation", "returns") and value:
        yield from _axes(value)
    elif isinstance(value, ast.expr):
        yield from _expressions(value)


def _name_of(function: ast.expr) -> str:
    """`transpose` of `x.transpose`."""
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _mark_checked_again(tree: ast.Module) -> None:
    """Mark the methods that hand their x, unchanged, to one that is checked in the same words."""
    methods = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.args.args[1:]]
    asked = {
        (f"self.{method.name}", ast.unparse(method.args.args[1].annotation or method))
        for method in methods
        if "shaped" in map(ast.unparse, method.decorator_list)
    }
    for method in methods:
        x = method.args.args[1]
        first = next(s for s in method.body if not _is_text(s))
        method.checked_again = any(  # type: ignore[attr-defined]
            (ast.unparse(call.func), ast.unparse(x.annotation or method)) in asked
            and [ast.unparse(given) for given in call.args[:1]] == [x.arg]
            for call in ast.walk(first)
            if isinstance(call, ast.Call)
        )


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _may_go(node: ast.AST, item: ast.AST) -> bool:
    """Whether an item is a keyword argument without which a call may still make sense."""
    if not isinstance(node, ast.Call) or not isinstance(item, ast.keyword) or item.arg == "strict":
        return False
    return ast.unparse(node.func) != "Card" or item.arg == "properties"


def _ordered(one: ast.expr, two: ast.expr) -> bool:
    """Whether the order of two neighbours may matter; that of the axes of a mean does not."""
    kinds = {type(one), type(two)}
    return ast.Starred not in kinds and kinds != {ast.UnaryOp}


def _axes(note: ast.expr) -> Iterator[ast.expr]:
    """Of a declared shape: two axes change places, or the last is missing."""
    for part in ast.walk(note):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            declared = part.value
            first, second, *others = declared.split()
            for axes in ((second, first, *others), (first, second, *others)[:-1]):
                part.value = " ".join(axes)
                new = deepcopy(note)
                part.value = declared
                yield new


def _swapped(items: list, wanted) -> Iterator[list]:
    for i, (one, two) in enumerate(pairwise(items)):
        if wanted(one, two):
            yield [*items[:i], two, one, *items[i + 2 :]]


def _statements(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """A statement left out; two that depend on each other in the other order."""
    for i, statement in enumerate(body):
        if not _needed(statement):
            yield [*body[:i], ast.Pass(), *body[i + 1 :]]
    yield from _swapped(body, _depend)


def _needed(statement: ast.stmt) -> bool:
    """Whether leaving a statement out says nothing: prose, or a name that would be unknown."""
    match statement:
        case ast.Return() | ast.Raise() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[target], value=value):
            made = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
            read = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
            plain = not any(isinstance(n, ast.Attribute) for n in ast.walk(target))
            return plain and not made & read
    return False


def _depend(one: ast.stmt, two: ast.stmt) -> bool:
    """Whether one makes what the other reads, or both refuse something."""

    def touched(statement: ast.stmt, context: type) -> set[str]:
        nodes = [n for n in ast.walk(statement) if isinstance(n, ast.Name | ast.Attribute)]
        return {ast.unparse(n) for n in nodes if isinstance(n.ctx, context)}

    if isinstance(two, ast.Return) or _needed(one):
        return False  # a statement left out, or a name that would be unknown
    refuse = all(any(isinstance(n, ast.Raise) for n in ast.walk(s)) for s in (one, two))
    makes = touched(one, ast.Store) & touched(two, ast.Load)
    return refuse or bool(makes | touched(two, ast.Store) & touched(one, ast.Load))


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    """What else an expression could be."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.UnaryOp(ast.USub(), ast.Constant(value=int())):
            return  # an axis from the other end; its number is changed one step further down
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.BinOp(left, op, right):
            yield from (ast.BinOp(left, other(), right) for other in OTHER[type(op)])
            yield left
            if isinstance(op, ONE_WAY):
                yield ast.BinOp(right, op, left)
        case ast.BoolOp(op, values):
            yield from (ast.BoolOp(other(), values) for other in OTHER[type(op)])
            yield from values
        case ast.Compare(left, ops, terms):
            for i, comparison in enumerate(ops):
                for other in OTHER[type(comparison)]:
                    yield ast.Compare(left, [*ops[:i], other(), *ops[i + 1 :]], terms)
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.Slice(lower, upper, step) if (lower is None) != (upper is None):
            yield ast.Slice(upper, lower, step)
        case ast.Call(func, arguments, keywords):
            yield from _steps(node, func, arguments, keywords)


def _steps(node: ast.Call, func: ast.expr, arguments: list, keywords: list) -> Iterator[ast.expr]:
    """A step left out, or one that looks like it."""
    owner, name = "", ast.unparse(func)
    if isinstance(func, ast.Attribute):
        owner, name = ast.unparse(func.value), func.attr
    for alike in ALIKE.get(name, ()):
        other = copy(func)
        setattr(other, "attr" if owner else "id", alike)
        yield ast.Call(other, arguments, [] if alike in ("sigmoid", "tanh") else keywords)
    if name == "Card":
        return
    if not owner or owner.startswith("self"):
        yield from arguments[:1]
    elif owner == "nn" and name not in ("Sequential", "ModuleList"):
        yield ast.parse("nn.Identity()", mode="eval").body
    elif isinstance(func, ast.Attribute) and owner not in NAMESPACES:
        yield func.value


def _facts(kind: str, value: Any) -> Iterator[ast.expr]:
    """What else a card could state."""
    if kind == "paper":
        yield ast.Constant(value.value + "a")
    elif kind in COSTS:
        formula = ast.parse(value.value, mode="eval")
        yield from (ast.Constant(ast.unparse(formula)) for _ in _changes(formula, "", 0))
    else:
        items = {ast.unparse(item) for item in value.elts}
        yield from (_set(items - {item}) for item in sorted(items))
        if kind == "properties":
            for layout in (properties.ON_TOKENS, properties.ON_MAPS):
                known = {f"properties.{each.__name__}" for each in layout}
                if known & items:
                    yield from (_set(items | {item}) for item in sorted(known - items))


def _set(items: set[str]) -> ast.expr:
    return ast.parse("{" + ", ".join(sorted(items)) + "}" if items else "()", mode="eval").body
