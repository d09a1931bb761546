"""Which names a cell defines, and which it needs from the cells above it."""

import ast
import builtins
import re
import symtable

BUILT_IN = {*dir(builtins), "get_ipython"}
ASSIGNING = ast.Assign | ast.AnnAssign | ast.AugAssign  # they use before they define


def statements(source: str) -> list[ast.stmt]:
    """A cell as Python reads it; IPython's own lines, such as `%pip`, do nothing."""
    return ast.parse(re.sub(r"(?m)^( *)[%!].*", r"\1pass", source)).body


def defined(source: str) -> set[str]:
    """The names that a cell gives a value."""
    return {name for statement in statements(source) for name in _defined(statement)}


def needed(source: str, at_once: bool = False) -> set[str]:
    """The names that a cell uses, and does not define before.

    Args:
        source: of the cell.
        at_once: leave out what its functions use when they are called.
    """
    found: set[str] = set()
    before = set(BUILT_IN)
    for statement in statements(source):
        here = _defined(statement)
        read = _WithoutBodies().visit(statement) if at_once else statement
        found |= _used(read) - (before if isinstance(statement, ASSIGNING) else before | here)
        before |= here
    return found


def changed(source: str) -> set[str]:
    """The names whose items or attributes a cell sets."""
    stores = (
        node
        for statement in statements(source)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
    )
    return {node.value.id for node in stores if isinstance(node.value, ast.Name)}


class _WithoutBodies(ast.NodeTransformer):
    """Functions that do nothing."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [ast.Pass()]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        node.body = ast.Constant(None)
        return node


def _defined(statement: ast.stmt) -> set[str]:
    symbols = _table(statement).get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}


def _used(statement: ast.stmt) -> set[str]:
    """Names of the notebook that are read at once or in a function, when it is called."""
    top = _table(statement)
    found = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        found.add(statement.target.id)
    inner = top.get_children()
    while inner:
        table = inner.pop()
        inner += table.get_children()
        found |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return found


def _table(statement: ast.stmt) -> symtable.SymbolTable:
    return symtable.symtable(ast.unparse(statement), "a cell", "exec")
