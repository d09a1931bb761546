"""Tasks that ask a question at places of a map, and a small net that answers at every place.

Each task is built to ask one thing of a mechanism; the page that uses it says so.

    >>> task = dominoes(2, seed=0)
    >>> task.maps.shape, task.answers.shape, task.choices
    (torch.Size([2, 18, 6, 6]), torch.Size([2, 6, 6]), 8)
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 6  # height and width of the maps
KEYS, VALUES = 9, 8  # what a domino may show on its left and on its right
KINDS = 8  # of what stands at a place where no more is said
VECTORS, FEATURES, MARKS = 6, 8, 4  # of `same_vector`
NOT_ASKED = -100  # what `torch.nn.functional.cross_entropy` leaves out


class Places(NamedTuple):
    """Maps, and what is asked at their places.

    Args:
        maps: (samples, channels, height, width), float32.
        answers: (samples, height, width), int64, each below `choices`, or `NOT_ASKED`.
        choices: how many kinds of answers there are.
        rows: (samples, height, width), int64: the row in which the answer stands.
    """

    maps: Tensor
    answers: Tensor
    choices: int
    rows: Tensor


def dominoes(samples: int, seed: int) -> Places:
    """Which value belongs to my key?  A domino must be read whole, then looked up far away.

    Eighteen dominoes lie side by side in six rows: on the left of each a key, of 9 kinds, on the
    right a value, of 8 kinds, or a question mark.  Each key comes twice, once with its value, which
    is drawn for each map, and once with the question mark.  There its value is asked for.

    Returns:
        Places whose maps have 18 channels: one for each key, each value, and the question mark.

    Raises:
        ValueError: if there is nothing to make.
    """
    generator = _generator(samples, seed)
    lots = torch.rand(samples, 2 * KEYS, generator=generator).argsort(dim=1)
    written, asked = lots[:, :KEYS], lots[:, KEYS:]  # the domino of key k is number written[:, k]
    value = torch.randint(VALUES, (samples, KEYS), generator=generator)
    key = torch.empty_like(lots).scatter_(1, lots, torch.arange(2 * KEYS).expand_as(lots) % KEYS)
    own = value.gather(1, key)
    questions = torch.zeros_like(lots, dtype=torch.bool).scatter_(1, asked, True)

    maps = torch.zeros(samples, KEYS + VALUES + 1, 2 * KEYS, 2)  # left and right of each domino
    maps[:, :KEYS, :, 0] = F.one_hot(key, KEYS).mT
    maps[:, KEYS:, :, 1] = F.one_hot(torch.where(questions, VALUES, own), VALUES + 1).mT
    answers = torch.full((samples, 2 * KEYS, 2), NOT_ASKED)
    answers[..., 1] = torch.where(questions, own, NOT_ASKED)
    rows = (written.gather(1, key) // (SIDE // 2))[..., None].expand_as(answers)
    return Places(
        maps.view(samples, -1, SIDE, SIDE),
        answers.view(samples, SIDE, SIDE),
        VALUES,
        rows.reshape(samples, SIDE, SIDE),
    )


def at_offset(samples: int, seed: int, down: int, right: int, kinds: int = 8) -> Places:
    """Which kind stands so many rows down and columns to the right?  The map closes to a ring.

    Returns:
        Places whose maps have one channel for each kind, of which every place has one at random.

    Raises:
        ValueError: if there is nothing to make.
    """
    shown = torch.randint(kinds, (samples, SIDE, SIDE), generator=_generator(samples, seed))
    rows = torch.arange(SIDE)[:, None].expand_as(shown).roll(-down, dims=1)
    answers = shown.roll((-down, -right), dims=(1, 2))
    return Places(F.one_hot(shown, kinds).movedim(-1, 1).float(), answers, kinds, rows)


def to_the_right(samples: int, seed: int, steps: int = 1, side: int = SIDE) -> Places:
    """Which kind stands so many columns to the right?  The last columns are not asked.

    Returns:
        Places whose maps have one channel for each of eight kinds; every place has one at random.

    Raises:
        ValueError: if there is nothing to make, or nothing to ask.
    """
    if not 0 <= steps < side:
        raise ValueError(f"steps={steps} must lie between 0 and side - 1 = {side - 1}")
    shown = torch.randint(KINDS, (samples, side, side), generator=_generator(samples, seed))
    answers = shown.roll(-steps, dims=2)
    answers[:, :, side - steps :] = NOT_ASKED
    return _in_own_row(shown, answers)


def mirrored(samples: int, seed: int) -> Places:
    """Which kind stands at the mirror place of my row?

    Returns:
        Places whose maps have one channel for each of eight kinds; every place has one at random.

    Raises:
        ValueError: if there is nothing to make.
    """
    shown = torch.randint(KINDS, (samples, SIDE, SIDE), generator=_generator(samples, seed))
    return _in_own_row(shown, shown.flip(dims=(2,)))


def same_vector(samples: int, seed: int, known: bool = False) -> Places:
    """Which mark stands at the one marked place that carries the same vector as I do?

    Every place carries one of six vectors of eight numbers.  Of the places with the same vector one
    has a mark as well, of four kinds.  All the others are asked for it.

    Args:
        known: whether all maps share the six vectors; else each map draws its own.

    Returns:
        Places whose maps have 12 channels: the vector, and one for each mark.

    Raises:
        ValueError: if there is nothing to make.
    """
    generator, size = _generator(samples, seed), SIDE * SIDE
    drawn = torch.randn(samples, VECTORS, FEATURES, generator=generator)
    if known:
        fixed = torch.Generator().manual_seed(0)
        drawn = torch.randn(VECTORS, FEATURES, generator=fixed).expand_as(drawn)
    vectors = 2 * F.normalize(drawn, dim=-1)
    carried = torch.randint(VECTORS, (samples, size), generator=generator)
    marked = torch.rand(samples, size, generator=generator).argsort(dim=1)[:, :VECTORS]
    carried.scatter_(1, marked, torch.arange(VECTORS).expand_as(marked))
    marks = torch.randint(MARKS, (samples, VECTORS), generator=generator)

    own = vectors.gather(1, carried[..., None].expand(-1, -1, FEATURES))
    written = torch.zeros(samples, size, MARKS)
    written.scatter_(1, marked[..., None].expand(-1, -1, MARKS), F.one_hot(marks, MARKS).float())
    answers = marks.gather(1, carried).scatter_(1, marked, NOT_ASKED)
    return Places(
        torch.cat([own, written], dim=2).mT.unflatten(2, (SIDE, SIDE)),
        answers.view(samples, SIDE, SIDE),
        MARKS,
        (marked // SIDE).gather(1, carried).view(samples, SIDE, SIDE),
    )


def told_how_far(samples: int, seed: int, farthest: int = 6, side: int = 12) -> Places:
    """Which kind stands so many columns to the right?  Each place says how many it asks for.

    Every place has one of eight kinds and a number of columns, from 1 to `farthest`, both drawn at
    random.  Where that leads beyond the map, nothing is asked.

    Returns:
        Places whose maps have one channel for each kind, then one for each number of columns; see
        `columns_told`.

    Raises:
        ValueError: if there is nothing to make, or a place would ask beyond every map.
    """
    if not 1 <= farthest < side:
        raise ValueError(f"farthest={farthest} must lie between 1 and side - 1 = {side - 1}")
    generator, size = _generator(samples, seed), (samples, side, side)
    shown = torch.randint(KINDS, size, generator=generator)
    told = torch.randint(1, farthest + 1, size, generator=generator)
    there = torch.arange(side) + told
    answers = shown.gather(2, there.clamp(max=side - 1)).where(there < side, NOT_ASKED)
    says = F.one_hot(told - 1, farthest).movedim(-1, 1).float()
    found = _in_own_row(shown, answers)
    return found._replace(maps=torch.cat([found.maps, says], dim=1))


def columns_told(task: Places) -> Tensor:
    """How many columns to the right each place of `told_how_far` asks."""
    return task.maps[:, KINDS:].argmax(dim=1) + 1


def four_blobs(samples: int, seed: int) -> tuple[Places, Tensor]:
    """Which colour have the blobs?  One lies in each quarter, anywhere in it; all have one colour.

    The rest of the map is dark, and says nothing.  Asked is every place that no blob touches.

    Returns:
        Places whose maps (samples, 3, 16, 16) can be shown as pictures, with answers of six colours
        and the uppermost row of the blob in one's own quarter; and the middles of the blobs,
        (samples, 4, 2), row and column.

    Raises:
        ValueError: if there is nothing to make.
    """
    generator, side, blob = _generator(samples, seed), 16, 2
    half = side // 2
    colours = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]])
    colour = torch.randint(len(colours), (samples,), generator=generator)
    inside = torch.randint(half - blob + 1, (samples, 4, 2), generator=generator)
    corner = inside + half * torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])

    place = torch.arange(side)
    on = (place >= corner[..., None]) & (place < corner[..., None] + blob)
    lit = (on[:, :, 0, :, None] & on[:, :, 1, None, :]).any(dim=1)  # (samples, side, side)
    maps = colours[colour][..., None, None] * lit[:, None]
    near = F.max_pool2d(lit[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0
    answers = colour[:, None, None].expand_as(lit).masked_fill(near, NOT_ASKED)
    rows = corner[..., 0].view(samples, 2, 2).repeat_interleave(half, 1).repeat_interleave(half, 2)
    noise = 0.05 * torch.randn(maps.shape, generator=generator)
    return Places(maps + noise, answers, len(colours), rows), corner + (blob - 1) / 2


class PlaceNet(nn.Module):
    """A small net of blocks that mix the places of a map, and layers that do not.

    Args:
        inside: channels of the maps that are given.
        choices: kinds of answers.
        mixers: one for each block, each makes a module for so many channels, such as
            `ContextualTransformer`, which keeps (batch, channels, height, width).
        channels: inside the net.
        positions: height and width of a map with a learned vector for each place, which is added;
            None for no such vectors.

    Shapes: maps (batch, inside, height, width) to scores (batch, choices, height, width).
    """

    def __init__(
        self,
        inside: int,
        choices: int,
        mixers: Sequence[Callable[[int], nn.Module]],
        channels: int = 32,
        positions: tuple[int, int] | None = None,
    ):
        super().__init__()
        self.embed = nn.Conv2d(inside, channels, 1)
        start = 0.1 * torch.randn(channels, *positions) if positions else None
        self.position = None if start is None else nn.Parameter(start)
        self.mixers = nn.ModuleList(make(channels) for make in mixers)
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in mixers)
        self.mlps = nn.ModuleList(
            nn.Sequential(
                ChannelNorm(channels),
                nn.Conv2d(channels, 2 * channels, 1),
                nn.GELU(),
                nn.Conv2d(2 * channels, channels, 1),
            )
            for _ in mixers
        )
        self.head = nn.Sequential(ChannelNorm(channels), nn.Conv2d(channels, choices, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.seen(maps, len(self.mixers)))

    def seen(self, maps: Tensor, block: int) -> Tensor:
        """What block number `block` is given, before its normalisation."""
        x = self.embed(maps)
        if self.position is not None:
            x = x + self.position
        for i in range(block):
            x = x + self.mixers[i](self.norms[i](x))
            x = x + self.mlps[i](x)
        return x


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place of a map."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


def right_at(net: nn.Module, task: Places, batch: int = 128) -> Tensor:
    """For each asked place, in order, whether the net's answer is right."""
    device = next(net.parameters()).device
    net.eval()
    with torch.inference_mode():
        parts = [net(maps.to(device)).argmax(dim=1).cpu() for maps in task.maps.split(batch)]
    return (torch.cat(parts) == task.answers)[task.answers != NOT_ASKED]


def _in_own_row(shown: Tensor, answers: Tensor) -> Places:
    """Maps of kinds, of which each answer stands in the row where it is asked."""
    rows = torch.arange(shown.shape[1])[:, None].expand_as(shown)
    return Places(F.one_hot(shown, KINDS).movedim(-1, 1).float(), answers, KINDS, rows)


def _generator(samples: int, seed: int) -> torch.Generator:
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    return torch.Generator().manual_seed(seed)
