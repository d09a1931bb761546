"""The tasks on sequences ask what they say: every answer is found again by reading."""

import pytest
import torch
from torch import nn

from attention_lib.teaching import nets, train
from attention_lib.teaching.sequences import elsewhere, overwritten, rearranged, recall


def read(context: list[int], key: int) -> int:
    """The token behind the last place where `key` is written."""
    written = dict(zip(context[::2], context[1::2], strict=True))
    return written[key]


@pytest.mark.parametrize(
    "task",
    [recall(20, 0, pairs=5, keys=7, values=3), overwritten(20, 0, writes=11, keys=4, values=5)],
    ids=["recall", "overwritten"],
)
def test_the_answer_is_what_was_written_last(task):
    questions, keys = task.answers.shape[1], task.vocabulary - task.choices
    for tokens, answers in zip(task.tokens.tolist(), task.answers.tolist(), strict=True):
        context, asked = tokens[:-questions], tokens[-questions:]
        assert [read(context, key) - keys for key in asked] == answers
        assert sorted(set(context[::2])) == sorted(asked)  # each key is asked for once


def test_a_seed_says_it_all():
    one, same, other = (recall(3, seed, pairs=4).tokens for seed in (0, 0, 1))
    assert one.equal(same) and not one.equal(other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: recall(2, 0, pairs=9, keys=8), "pairs=9 must lie between 1 and keys=8"),
        (lambda: overwritten(2, 0, writes=3, keys=8), "writes=3 must be at least keys=8"),
        (lambda: recall(0, 0, pairs=2), "samples must be at least 1, got 0"),
        (lambda: rearranged(2, 0, [[0, 1], [0]], kinds=3), r"of one length, got \[1, 2\]"),
        (lambda: rearranged(2, 0, [], kinds=3), r"of one length, got \[\]"),
        (lambda: rearranged(2, 0, [[0, 2]], kinds=3), "must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_made_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Lookup(nn.Module):
    """Answers from the tokens themselves, but for the first question, which it gets wrong."""

    def __init__(self, task):
        super().__init__()
        self.task, self.anchor = task, nn.Parameter(torch.zeros(()))

    def forward(self, tokens):
        right = nn.functional.one_hot(self.task.answers, self.task.choices).float()
        right[:, 0] = 1 - right[:, 0]
        return torch.cat([torch.zeros(len(tokens), 8, self.task.choices), right], dim=1)


def test_recalled_and_at_the_end_look_at_the_questions_alone():
    task = recall(6, 0, pairs=4, values=2)
    net = Lookup(task)
    assert train.recall_accuracy(net, task) == 0.75
    scores = net(task.tokens)[:, -4:]
    wanted = -scores.log_softmax(-1).gather(2, task.answers[..., None]).mean()
    torch.testing.assert_close(train.last_tokens_loss(net(task.tokens), task.answers), wanted)


def test_a_sequence_net_is_causal_but_for_its_mixer():
    net = nets.SequenceNet(9, 5, lambda dim: nn.Identity(), dim=8, layers=2, positions=7, before=2)
    tokens = torch.randint(9, (2, 7))
    changed = tokens.clone()
    changed[:, 4] = (tokens[:, 4] + 1) % 9
    moved = (net.eval()(tokens) - net(changed)).abs().amax(dim=(0, 2)) > 0
    assert moved.tolist() == [False] * 4 + [True] * 3  # its own place and the two behind it
    assert net(tokens).shape == (2, 7, 5) and net.seen(tokens, 0).shape == (2, 7, 8)


def test_rearranged_asks_for_the_tokens_elsewhere():
    sources = elsewhere(6)
    assert sources["next"] == [1, 2, 3, 4, 5, 0] and sources["opposite"] == [3, 4, 5, 0, 1, 2]
    task = rearranged(20, 0, [sources["mirror"], sources["previous"]], kinds=5)
    assert task.vocabulary == 5 and task.choices == 25
    for tokens, answers in zip(task.tokens.tolist(), task.answers.tolist(), strict=True):
        wanted = [5 * tokens[5 - i] + tokens[i - 1] for i in range(6)]
        assert answers == wanted
    assert set(task.tokens.flatten().tolist()) == set(range(5))
