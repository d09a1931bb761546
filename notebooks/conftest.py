"""nbval runs every cell of the executed notebooks here and compares what it prints.

Pictures are not compared bit by bit: nbval leaves image/png out, and the text beside a picture
(`<Figure size ...>`) is compared. Cells tagged `nbval-ignore-output` run, and are not compared.
"""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.alone)
