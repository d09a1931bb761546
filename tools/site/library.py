"""The pages of the library's rooms come from its docstrings, by autodoc.

A docstring is plain text: code in single backticks, and examples as they would be typed. Here it
becomes what Sphinx reads.
"""

import ast
import re
from textwrap import dedent, indent

from sphinx.application import Sphinx


def as_markup(
    app: Sphinx, what: str, name: str, object: object, options: object, lines: list[str]
) -> None:
    """Rewrite a docstring, after its sections have become fields."""
    marked, before = [], False
    for paragraph in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
        code = is_code(paragraph)
        if code and not before:
            marked.append("::")
        marked.append(indent(paragraph, "    ") if code else escaped(paragraph))
        before = code
    lines[:] = [*"\n\n".join(marked).split("\n"), ""]


def is_code(paragraph: str) -> bool:
    """Whether a paragraph is an example: it can be read as Python, and calls or sets something."""
    try:
        tree = ast.parse(dedent(paragraph))
    except SyntaxError:
        return False
    kinds = (ast.Call, ast.Assign, ast.ClassDef, ast.Import, ast.ImportFrom)
    return any(isinstance(node, kinds) for node in ast.walk(tree))


def escaped(text: str) -> str:
    """Text whose code is code, and whose bars and lone stars mean nothing."""
    parts = re.split(r"(`+[^`]+`+)", text)
    parts[0::2] = [re.sub(r"[|]|(?<!\w)\*+(?=\w+(?![\w*]))", escape, part) for part in parts[0::2]]
    parts[1::2] = [f"``{part.strip('`')}``" for part in parts[1::2]]
    return "".join(parts)


def escape(mark: re.Match[str]) -> str:
    return "".join("\\" + letter for letter in mark[0])


def says_nothing(
    app: Sphinx, what: str, name: str, object: object, skipped: bool, options: object
) -> bool | None:
    """Leave out the fields of a named tuple, which only say their place."""
    return True if str(object.__doc__).startswith("Alias for field number") else None


def setup(app: Sphinx) -> None:
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", as_markup, priority=900)
    app.connect("autodoc-skip-member", says_nothing)
