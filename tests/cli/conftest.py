"""How the tests of the command line run a command, and the modules of a reader that it is given."""

import pytest

from attention_lib.cli.main import main

GATES = '''
"""Gates of a reader."""

from __future__ import annotations

import torch
from neighbour import REDUCTION
from torch import nn


class Gate(nn.Module):
    """Scale each channel."""

    def __init__(self, planes, reduction=REDUCTION):
        super().__init__()
        self.squash = nn.Linear(planes, planes // reduction)
        self.excite = nn.Linear(planes // reduction, planes)

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        gate = self.excite(self.squash(feature.mean((2, 3))).relu()).sigmoid()
        return feature * gate[:, :, None, None]


class Meets(nn.Module):
    """Mixes the samples of a batch."""

    def __init__(self, dim):
        super().__init__()
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        return self.out(x - x.mean(0, keepdim=True))


class Two(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x, x


class Fussy(nn.Module):
    def __init__(self, dim):
        super().__init__()

    def forward(self, query, key):
        return query
'''
ANNOTATED = '''
"""Scale all (Nobody, 2020)."""

from jaxtyping import Float
from torch import Tensor, nn, zeros

from attention_lib.cards.shape import shaped


class Scale(nn.Module):
    r"""Multiply by one learned number.

    .. math::
        y = a x

    Args:
        dim: features.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim, self.factor = dim, nn.Parameter(zeros(1))

    @shaped
    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        return self.factor * x
'''


@pytest.fixture
def gates(tmp_path):
    (tmp_path / "neighbour.py").write_text("REDUCTION = 4\n")
    (tmp_path / "gates.py").write_text(GATES)
    (tmp_path / "scale.py").write_text(ANNOTATED)
    return tmp_path


@pytest.fixture
def say(capsys):
    """Run a command; (exit code, standard output, standard error)."""

    def run(*arguments):
        code = main([str(a) for a in arguments])
        out, error = capsys.readouterr()
        assert "Traceback" not in error and "\x1b" not in out + error
        return code, out, error

    return run
