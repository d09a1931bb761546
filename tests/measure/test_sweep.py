"""A sweep measures what it was asked for, and reports what the cards declare."""

import pytest
import torch

from attention_lib.catalog import find
from attention_lib.measure.sizes import realistic
from attention_lib.measure.sweep import build_with_inputs, sweep, timed_pass


@pytest.mark.parametrize("backward", [False, True])
def test_a_sweep_reports_what_the_cards_declare(backward):
    steps = []
    rows = sweep(
        ["se", "eca"], "height,width", [4, 6], fixed=dict(channels=32, batch=3), backward=backward,
        seconds=0, progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert [(r.mechanism, r.size) for r in rows] == [
        (name, n) for n in (4, 6) for name in ("SqueezeExcitation", "EfficientChannelAttention")
    ]
    for row in rows:
        card = realistic(find(row.mechanism), channels=32, height=row.size, width=row.size)
        assert row.params == card.cost("params")
        assert (row.macs, row.memory) == (3 * card.cost("macs"), 3 * card.cost("memory"))
        assert 0 < row.seconds_low <= row.seconds <= row.seconds_high and row.rounds >= 5
        answer = 4 * 3 * 32 * row.size**2
        kept = 2 * answer if backward else answer  # also the gradient of the input
        assert kept <= row.peak_bytes < 4 * kept
        assert row.backward == backward
    assert [step[:2] for step in steps] == [(0, 2), (1, 2), (2, 2)]


def test_backward_reaches_input_and_parameters():
    mechanism, x = build_with_inputs(realistic(find("se")), "cpu", torch.float64, seed=0)
    gradients = timed_pass(mechanism, x, True, 0)()
    assert [g.shape for g in gradients] == [x.shape, *(p.shape for p in mechanism.parameters())]
    assert all(g.any() for g in gradients) and gradients[0].dtype == torch.float64
    assert not timed_pass(mechanism, x, False, 0)().requires_grad


def test_the_same_seed_gives_the_same_instance_and_leaves_ours_alone():
    torch.manual_seed(5)
    first = build_with_inputs(realistic(find("mha"), tokens=3), "cpu", torch.float32, seed=0)
    after = torch.rand(1)
    again = build_with_inputs(realistic(find("mha"), tokens=3), "cpu", torch.float32, seed=0)
    other = build_with_inputs(realistic(find("mha"), tokens=3), "cpu", torch.float32, seed=1)
    assert torch.equal(first[1], again[1]) and not torch.equal(first[1], other[1])
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))


def test_what_a_sweep_cannot_do_is_refused_by_name():
    with pytest.raises(ValueError, match="no axis 'tokens'; it has batch, height, width, channels"):
        sweep(["se"], "tokens", [8])
    with pytest.raises(ValueError, match="height=0 must be a number"):
        sweep(["se"], "height", [0])
    with pytest.raises(ValueError, match="nothing to measure"):
        sweep([], "height", [8])
    with pytest.raises(ValueError, match="did you mean"):
        sweep(["squeze"], "height", [8])
