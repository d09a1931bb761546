"""The README says what runs."""

import re
from collections.abc import Iterator

import pytest
import torch

from tests.oracles import torchvision_ops  # noqa: F401 - before timm and torchvision
from tools.chapters import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def blocks() -> Iterator[str]:
    yield from re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_its_code_runs_and_prints_what_it_says(capsys):
    """In order, in one console; a line that raises says so in its comment."""
    names: dict = {}
    torch.manual_seed(0)
    for block in blocks():
        raising = [line for line in block.splitlines() if "Error: " in line]
        exec("\n".join(line for line in block.splitlines() if line not in raising), names)
        for line in raising:
            kind, _, said = line.partition("# ")[2].partition(": ... ")
            with pytest.raises(Exception, match=re.escape(said.removesuffix("..."))) as error:
                exec(line, names)
            assert error.typename == kind
    printed = capsys.readouterr().out
    assert "torch.Size([8, 64])" in printed and "SqueezeExcitation" in printed
    assert "layer1.0.bn3.squeeze_excitation: SqueezeExcitation on 256 × 56 × 56" in printed
