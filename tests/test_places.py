"""The tasks on maps ask what they say, and the net answers at every place."""

import pytest
import torch
from torch import nn

from attention_lib.teaching.places import (
    KEYS,
    NOT_ASKED,
    SIDE,
    VALUES,
    PlaceNet,
    at_offset,
    dominoes,
    right_at,
)


def test_a_question_mark_asks_for_the_value_beside_the_same_key():
    task = dominoes(20, seed=0)
    shown = task.maps.view(20, -1, SIDE, SIDE // 2, 2)
    keys = shown[:, :KEYS, :, :, 0].argmax(dim=1).flatten(1).tolist()
    values = shown[:, KEYS:, :, :, 1].argmax(dim=1).flatten(1).tolist()
    answers, rows = (part[:, :, 1::2].flatten(1).tolist() for part in (task.answers, task.rows))
    for sample in range(20):
        dealt = list(zip(keys[sample], values[sample], strict=True))
        written = {key: (n, value) for n, (key, value) in enumerate(dealt) if value < VALUES}
        assert len(written) == KEYS
        for (key, value), answer, row in zip(dealt, answers[sample], rows[sample], strict=True):
            n, wanted = written[key]
            assert row == n // (SIDE // 2)
            assert answer == (wanted if value == VALUES else NOT_ASKED)
    assert (task.answers[:, :, ::2] == NOT_ASKED).all()  # a key is never asked
    assert task.maps[:, :KEYS, :, 1::2].sum() == task.maps[:, KEYS:, :, ::2].sum() == 0


def test_a_step_leads_round_the_edge():
    task = at_offset(3, seed=0, down=2, right=5, kinds=4)
    shown = task.maps.argmax(dim=1)
    for row in range(SIDE):
        for column in range(SIDE):
            there = (row + 2) % SIDE, (column + 5) % SIDE
            assert task.answers[:, row, column].equal(shown[:, *there])
            assert (task.rows[:, row, column] == there[0]).all()


@pytest.mark.parametrize("make", [dominoes, lambda n, seed: at_offset(n, seed, 3, 3)])
def test_a_seed_says_it_all_and_nothing_is_no_task(make):
    one, same, other = (make(3, seed).maps for seed in (0, 0, 1))
    assert one.equal(same) and not one.equal(other)
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        make(0, 0)


def test_a_net_adds_what_its_blocks_make_and_the_vectors_of_the_places():
    task = dominoes(2, seed=0)
    torch.manual_seed(0)
    net = PlaceNet(18, 8, [nn.Identity, lambda c: nn.Conv2d(c, c, 1)], 16, (SIDE, SIDE))
    x = net.embed(task.maps) + net.position
    assert net.seen(task.maps, 0).equal(x)
    x = x + net.norms[0](x)
    assert net.seen(task.maps, 1).equal(x + net.mlps[0](x))
    assert net(task.maps).shape == (2, 8, SIDE, SIDE)
    mean, deviation = net.norms[1](x).mean(dim=1), net.norms[1](x).std(dim=1, correction=0)
    assert mean.abs().max() < 1e-5 and (deviation - 1).abs().max() < 1e-2


def test_right_is_counted_where_something_is_asked():
    task = at_offset(3, seed=0, down=0, right=0)
    task.answers[:, 1:] = NOT_ASKED
    task.answers[0, 0, 0] = (task.answers[0, 0, 0] + 1) % 8  # one answer is another
    right = right_at(Shows(), task, batch=2)
    assert right.shape == (3 * SIDE,) and right.sum() == 3 * SIDE - 1 and not right[0]


class Shows(nn.Module):
    """Answers with the kind that stands at the place itself."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, maps):
        return self.scale * maps
