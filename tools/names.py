"""The pytest expression for all that would fail because of one mechanism.

`python -m tools.names se` prints `SqueezeExcitation or test_squeeze_excitation or whole_catalog`:
each test of the mechanism, its own file of tests, and those that look at all mechanisms together.
"""

import re
import sys

from attention_lib.catalog import FAMILIES, catalog, find
from tools.chapters import ROOT


def expression(name: str) -> str:
    """Class and file name of the mechanism, and the mark of the tests of the whole list.

    Args:
        name: class name or alias; or part of a name of tests, which pytest completes.

    Raises:
        ValueError: if a file has such a class or name, and no family lists it.
    """
    try:
        mechanism = find(name).mechanism
    except ValueError:
        if forgotten := unlisted(name):
            raise ValueError(forgotten) from None
        return name
    return (
        f"{mechanism.__name__} or test_{mechanism.__module__.rpartition('.')[2]} or whole_catalog"
    )


def unlisted(name: str) -> str:
    """What to do about a mechanism that is in no family's `__all__`; "" if there is none."""
    listed = {str(card) for card in catalog()}
    for family in FAMILIES:
        for file in sorted((ROOT / "attention_lib" / family).glob("[!_]*.py")):
            classes = re.findall(r"^class (\w+)", file.read_text("utf-8"), flags=re.M)
            found = [one for one in classes if one[0] != "_" and one not in listed]
            if found and name.lower() in (file.stem, *(one.lower() for one in found)):
                where = f"attention_lib/{family}/__init__.py"
                return f"{found[0]} is not in its family's __all__: import and list it in {where}"
    return ""


if __name__ == "__main__":
    try:
        print(expression(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"error: {error}")
