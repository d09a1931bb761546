"""The sweeps of `tools.bench` fit the mechanisms of each family."""

import pytest
import torch

from attention_lib.catalog import FAMILIES, catalog
from attention_lib.measure.growth import fit
from attention_lib.measure.sizes import realistic
from tools import bench as tool


@pytest.mark.whole_catalog
def test_every_family_has_sweeps_that_fit_its_mechanisms():
    for family in FAMILIES:
        for axis, sizes, fixed in tool.sweeps(family):
            fit(sizes, sizes)  # wide enough for an exponent
            for card in tool.members(family, axis, fixed):
                for size in (min(sizes), max(sizes)):
                    at = realistic(card, **fixed, **dict.fromkeys(axis.split(","), size))
                    with torch.device("meta"):
                        at.build().eval()(*at.inputs())
    for card in catalog():
        swept = [tool.members(card.family, axis, fixed)
                 for axis, _, fixed in tool.sweeps(card.family)]  # fmt: skip
        assert any(card in found for found in swept), f"{card}: no sweep"


def test_a_family_without_sweeps_is_swept_along_its_free_axes(monkeypatch):
    monkeypatch.setattr(tool, "SWEEPS", {})
    sides = (tool.SIDES, (4, 8, 16, 32, 64))
    assert tool.sweeps("dense") == [tool.TOKENS, (*sides, dict(dim=128, batch=1))]
    assert tool.sweeps("channel") == [(*sides, dict(channels=128, batch=1))]
    monkeypatch.setattr(tool, "SWEEPS", {"hybrid": [tool.TOKENS]})
    assert [axis for axis, *_ in tool.sweeps("hybrid")] == ["tokens", tool.SIDES]


def test_the_tool_refuses_a_family_without_sweeps(capsys):
    with pytest.raises(SystemExit):
        tool.main(["channels"])
    assert "no family channels; there are dense, linear" in capsys.readouterr().err
