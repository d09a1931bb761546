"""The roofline times what torch.compile makes in the same rounds as the eager form."""

import pytest

from attention_lib.catalog import find
from tools import roofline


@pytest.fixture
def one_small(monkeypatch):
    """A family of one mechanism, and probes that take no time."""
    monkeypatch.setattr(roofline, "catalog", lambda family: [find("se")])
    monkeypatch.setattr(roofline, "sizes_of", lambda card: [dict(channels=16, height=4, width=4)])
    monkeypatch.setattr(roofline, "SIDE", 8)
    monkeypatch.setattr(roofline, "COPIED", 2**8)


@pytest.mark.filterwarnings("ignore:.*torch.jit")  # inductor imports what torch deprecates
@pytest.mark.parametrize("compiled", [False, True])
def test_a_mechanism_has_its_compiled_form_beside_it(one_small, compiled):
    rows = roofline.family_rows("channel", "cpu", 0.0, compiled)
    assert [row["name"] for row in rows] == ["SqueezeExcitation", "matrix product", "copy"]
    assert [row.get("compiled_seconds", 0) > 0 for row in rows] == [compiled, False, False]
    assert rows[0]["macs"] > 0 and rows[0]["seconds"] != rows[0].get("compiled_seconds")
