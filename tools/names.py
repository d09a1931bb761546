"""The pytest expression that picks one mechanism's tests, by class name, alias or part of a name.

`python -m tools.names se` prints `SqueezeExcitation or test_squeeze_excitation`.
"""

import sys

from attention_lib.catalog import find


def expression(name: str) -> str:
    """Class and file name of the mechanism; the word itself where no mechanism has that name."""
    try:
        mechanism = find(name).mechanism
    except ValueError:
        return name  # part of a name, which pytest completes
    return f"{mechanism.__name__} or test_{mechanism.__module__.rpartition('.')[2]}"


if __name__ == "__main__":
    print(expression(sys.argv[1]))
