"""No mechanism's cost grows unnoticed: it was counted once, and is counted again.

What was never counted is written to tests/counts, to be committed; with `CI=true` it must be there.
"""

import json
import os

import pytest
import torch
from torch import nn

from attention_lib.catalog import catalog, find
from attention_lib.measure import timing
from attention_lib.measure.cost import live_bytes
from attention_lib.measure.sizes import realistic
from tools.counts import COUNTS, counted, file, write


@pytest.mark.whole_catalog
def test_every_count_is_of_a_mechanism():
    gone = set(COUNTS.rglob("*.json")) - {file(card) for card in catalog()}
    assert not gone, "no mechanism has these counts: delete them"


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_no_cost_grows(card):
    now = counted(card)
    if not file(card).exists():
        assert os.environ.get("CI") != "true", f"{card} is not counted: make counts, and commit"
        write(card, now)
    before = json.loads(file(card).read_text("utf-8"))
    grown = {what: f"{before[what]:,} to {now[what]:,}" for what in now if now[what] > before[what]}
    assert not grown, f"{card} costs more than it did: {grown}"
    assert now == before, f"{card} costs less than it did: keep that, type: make counts"


class Steps(nn.Module):
    """Makes a tensor of 4 KiB, two more of it, lets the first go, and returns one of 1 KiB."""

    def forward(self, x):
        x = x.repeat(4)
        x = x + 1
        y = x.exp()
        return (x * y)[:256].clone()


def test_what_lives_at_once_is_counted():
    wanted = 3 * 4096 + 1024  # x, its exponential, their product, and what is returned
    assert live_bytes(Steps(), torch.ones(256)) == wanted


@pytest.mark.parametrize("backward", [False, True])
def test_a_linear_layer_is_counted_by_hand(backward):
    x, answer, weight = 8 * 64, 8 * 32, 64 * 32  # numbers of four bytes
    wanted = answer + (answer + x + weight) * backward  # the gradients: of answer, input, weight
    layer = nn.Linear(64, 32, bias=False)
    assert live_bytes(layer, torch.ones(8, 64), backward=backward) == 4 * wanted


@pytest.mark.parametrize("name", ["mha", "cbam", "axial", "gfnet"])
def test_it_is_what_the_allocator_reports(name):
    """The two know nothing of each other; an operation's own scratch is the allocator's alone."""
    large = realistic(find(name))
    mechanism, inputs = large.build().eval(), large.inputs()
    with torch.no_grad():
        reported = timing.peak_memory(lambda: mechanism(*inputs))
    assert 0.7 * reported < live_bytes(mechanism, *inputs) < 1.01 * reported
