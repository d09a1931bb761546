"""Data for the book: two small samples that come with the package, and tasks made from them.

Nothing is downloaded, and everything made here is the same for the same seed.  Each task is built
to ask one question of an attention mechanism; the page that uses it says so.

    >>> scenes = channel_cue(2, seed=0)
    >>> scenes.images.shape, scenes.labels.shape, sorted(scenes.parts)
    (torch.Size([2, 3, 16, 56]), torch.Size([2]), ['cue', 'green', 'red'])
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

RED, GREEN, BLUE = range(3)
CELL = 8  # height and width of a digit, in pixels
SPLITS = ("train", "test")


class Scenes(NamedTuple):
    """Pictures with the answer to each, and what each was made of.

    Args:
        images: (scenes, 3, height, width), float32, about 0 to 1 with a little noise.
        labels: (scenes,), int64, the digit to read; or (scenes, kinds), float32, which are there.
        parts: what the scenes show, by name; each (scenes, ...), int64.
    """

    images: Tensor
    labels: Tensor
    parts: dict[str, Tensor]

    def to(self, device: torch.device | str) -> "Scenes":
        """The same scenes on another device."""
        parts = {name: part.to(device) for name, part in self.parts.items()}
        return Scenes(self.images.to(device), self.labels.to(device), parts)


class Crops(NamedTuple):
    """Pieces of a picture with noise on them, without it, and how much there is.

    Args:
        noisy: (crops, 3, size, size), float32.
        clean: (crops, 3, size, size), float32 in [0, 1].
        noise: (crops,), the standard deviation of the noise on each.
    """

    noisy: Tensor
    clean: Tensor
    noise: Tensor


@cache
def _sample(name: str) -> dict[str, Tensor]:
    import numpy  # only readers of a sample need it

    path = files("attention_lib.teaching") / "samples" / f"{name}.npz"
    with path.open("rb") as opened, numpy.load(opened) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def digits(split: str = "all") -> tuple[Tensor, Tensor]:
    """Handwritten digits: images (digits, 8, 8) in [0, 1] and labels (digits,), int64.

    Args:
        split: "all" 1,797 digits, or "train" or "test", which share no digit: every fourth is for
            testing.

    Raises:
        ValueError: if `split` is none of the three.
    """
    if split not in ("all", *SPLITS):
        raise ValueError(f'split must be "all", "train" or "test", got {split!r}')
    sample = _sample("digits")
    images, labels = sample["images"].float() / 16, sample["labels"].long()
    test = torch.arange(len(labels)) % 4 == 3
    chosen = {"all": torch.ones_like(test), "train": ~test, "test": test}[split]
    return images[chosen], labels[chosen]


def picture(name: str = "astronaut") -> Tensor:
    """A real colour picture, (3, 256, 256), float32 in [0, 1].

    Raises:
        ValueError: if no picture of this name comes with the package.
    """
    names = sorted(
        path.name.removesuffix(".npz")
        for path in (files("attention_lib.teaching") / "samples").iterdir()
        if path.name.endswith(".npz") and path.name != "digits.npz"
    )
    if name not in names:
        raise ValueError(f"no picture is called {name!r}; there is {', '.join(names)}")
    return _sample(name)["pixels"].permute(2, 0, 1).float() / 255


def channel_cue(scenes: int, seed: int, split: str = "train") -> Scenes:
    """Which of two digits to read is said by a cue at the far side of the picture.

    A red and a green digit, each a 0 or a 1, stand one above the other at the left edge.  With
    cue 0 a blue bar stands at the right edge and the red digit counts; with cue 1 there is none
    and the green digit counts.  44 columns lie between digits and bar: a unit that sees 45 pixels
    or fewer never sees both.  Who cannot put the two together can still add up what red and green
    say, and is right in three scenes of four.

    Returns:
        Scenes with images (scenes, 3, 16, 56) and parts `red`, `green` (the digits shown) and
        `cue` (0: red counts, 1: green counts).
    """
    pictures, names = digits(split)
    pictures, names = pictures[names < 2], names[names < 2]
    draw = _Draw(scenes, seed)
    red, green, cue, upper = draw(len(names)), draw(len(names)), draw(2), draw(2)

    images = torch.zeros(scenes, 3, 2 * CELL, 56)
    _paint(images, RED, pictures[red], top=CELL * upper, left=torch.zeros_like(upper))
    _paint(images, GREEN, pictures[green], top=CELL * (1 - upper), left=torch.zeros_like(upper))
    images[:, BLUE, :, -4:] += (cue == 0).float()[:, None, None]

    labels = torch.where(cue == 0, names[red], names[green])
    parts = dict(red=names[red], green=names[green], cue=cue)
    return Scenes(draw.noise(images), labels, parts)


def row_and_column(scenes: int, seed: int, split: str = "train") -> Scenes:
    """Read the digit where a marked row and a marked column cross.

    Nine red digits (0 to 9) stand in three rows of three.  A blue tick on the left edge names the
    row, a green tick on the upper edge the column.  Which ticks there are says nothing: only where
    they are does.

    Returns:
        Scenes with images (scenes, 3, 24, 24) and parts `digits` (scenes, 3, 3), `row`, `column`.
    """
    draw = _Draw(scenes, seed)
    images, grid = _grid(draw, split)
    row, column = draw(3), draw(3)
    along = torch.arange(CELL)
    every = torch.arange(scenes)[:, None]
    images[every, BLUE, CELL * row[:, None] + along, 0] = 1
    images[every, GREEN, 0, CELL * column[:, None] + along] = 1
    labels = grid[torch.arange(scenes), row, column]
    return Scenes(draw.noise(images), labels, dict(digits=grid, row=row, column=column))


def local_marker(scenes: int, seed: int, split: str = "train") -> Scenes:
    """Read the one digit of nine that a blue line strikes through: all it takes is nearby.

    The control: a small convolution sees line and digit at once, so attention has nothing to add.

    Returns:
        Scenes with images (scenes, 3, 24, 24) and parts `digits` (scenes, 3, 3), `row`, `column`.
    """
    draw = _Draw(scenes, seed)
    images, grid = _grid(draw, split)
    row, column = draw(3), draw(3)
    along = torch.arange(CELL)
    every = torch.arange(scenes)[:, None]
    images[every, BLUE, CELL * row[:, None] + along, CELL * column[:, None] + along] = 0.7
    labels = grid[torch.arange(scenes), row, column]
    return Scenes(draw.noise(images), labels, dict(digits=grid, row=row, column=column))


def digits_among_scraps(scenes: int, seed: int, split: str = "train") -> Scenes:
    """Which digits are there?  Two of different kinds, one in each half, among six scraps.

    A digit fills a sixteenth of the picture, so the mean over all places mostly speaks of the rest.
    A scrap is a piece of a digit, 4 by 4 pixels.  Several labels can be right: one for each kind.

    Returns:
        Scenes with images (scenes, 3, 32, 32), labels (scenes, 10) float32, 1 for a digit that is
        there, and parts `digits`, `top`, `left` (scenes, 2): which they are, and their corners.
    """
    size, scrap = 4 * CELL, CELL // 2
    pictures, names = digits(split)
    draw = _Draw(scenes, seed)
    images = torch.zeros(scenes, 3, size, size)
    for _ in range(6):
        pieces = pictures[draw(len(names))].unfold(1, scrap, 1).unfold(2, scrap, 1)
        piece = pieces[torch.arange(scenes), draw(CELL - scrap + 1), draw(CELL - scrap + 1)]
        _paint(images, RED, piece, top=draw(size - scrap + 1), left=draw(size - scrap + 1))

    first = draw(10)
    kinds = torch.stack([first, (first + 1 + draw(9)) % 10], dim=1)
    top = draw(size - CELL + 1, 2)
    left = draw(size // 2 - CELL + 1, 2) + size // 2 * torch.tensor([0, 1])
    sorted_by_kind, many = names.argsort(stable=True), names.bincount()
    for place in range(2):
        kind = kinds[:, place]
        number = many.cumsum(0)[kind] - 1 - draw(len(names)) % many[kind]
        shown = pictures[sorted_by_kind[number]]
        _paint(images, RED, shown, top=top[:, place], left=left[:, place])
    labels = torch.zeros(scenes, 10).scatter_(1, kinds, 1.0)
    return Scenes(draw.noise(images), labels, dict(digits=kinds, top=top, left=left))


def one_large_digit(scenes: int, seed: int, split: str = "train") -> Scenes:
    """The control of `digits_among_scraps`: one digit fills the picture, so every place counts.

    Returns:
        Scenes with images (scenes, 3, 32, 32), labels (scenes, 10) float32 and no parts.
    """
    pictures, names = digits(split)
    draw = _Draw(scenes, seed)
    chosen = draw(len(names))
    images = torch.zeros(scenes, 3, 4 * CELL, 4 * CELL)
    images[:, RED] = F.interpolate(pictures[chosen][:, None], scale_factor=4, mode="bilinear")[:, 0]
    return Scenes(draw.noise(images), F.one_hot(names[chosen], 10).float(), {})


def noisy_crops(
    crops: int,
    seed: int,
    split: str = "train",
    noise: float | None = None,
    size: int = 32,
    name: str = "astronaut",
) -> Crops:
    """Square pieces of a picture under white noise, each with a noise level of its own.

    Args:
        crops: how many.
        split: "train" takes them from the left five eighths of the picture, "test" from the rest.
        noise: the standard deviation of the noise; None draws one for each crop, 0 to 0.3.
        size: height and width of a crop, in pixels.
        name: of the picture, see `picture`.

    Raises:
        ValueError: if `split` is neither of the two, or the crop larger than its part.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be "train" or "test", got {split!r}')
    whole = picture(name)
    border = whole.shape[-1] * 5 // 8
    part = whole[..., :border] if split == "train" else whole[..., border:]
    if not 1 <= size <= min(part.shape[-2:]):
        raise ValueError(f"size={size} must lie between 1 and {min(part.shape[-2:])}")
    draw = _Draw(crops, seed)
    rows, columns = (draw(extent - size + 1)[:, None] for extent in part.shape[-2:])
    along = torch.arange(size)
    clean = part[:, (rows + along)[:, :, None], (columns + along)[:, None, :]].transpose(0, 1)
    level = 0.3 * torch.rand(crops, generator=draw.generator)
    if noise is not None:
        level = torch.full_like(level, noise)
    return Crops(draw.noise(clean, level[:, None, None, None]), clean.contiguous(), level)


def striped_crops(
    crops: int,
    seed: int,
    split: str = "train",
    cycles: tuple[float, float] = (8, 4),
    size: int = 32,
) -> Crops:
    """Square pieces of a picture under slanted stripes of one frequency, and a little noise.

    Strength and phase of the stripes are drawn for each crop; all three colours have the same.

    Args:
        crops, split, size: as in `noisy_crops`.
        cycles: how many waves fit into the height and into the width of a crop.
    """
    found = noisy_crops(crops, seed, split, noise=0.02, size=size)
    draw = torch.Generator().manual_seed(seed)
    strength = 0.15 + 0.15 * torch.rand(crops, 1, 1, 1, generator=draw)
    phase = torch.rand(crops, 1, 1, 1, generator=draw)
    place = torch.arange(size) / size
    waves = cycles[0] * place[:, None] + cycles[1] * place + phase
    return found._replace(noisy=found.noisy + strength * (2 * torch.pi * waves).cos())


TASKS: dict[str, Callable[..., Scenes]] = {
    "channel cue": channel_cue,
    "row and column": row_and_column,
    "local marker": local_marker,
}
# several labels a scene
TAGGING: dict[str, Callable[..., Scenes]] = {
    "digits among scraps": digits_among_scraps,
    "one large digit": one_large_digit,
}


class _Draw:
    """One number a scene, drawn from a generator of its own."""

    def __init__(self, scenes: int, seed: int):
        if scenes < 1:
            raise ValueError(f"scenes must be at least 1, got {scenes}")
        self.scenes = scenes
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, below: int, *shape: int) -> Tensor:
        return torch.randint(below, (self.scenes, *shape), generator=self.generator)

    def noise(self, images: Tensor, deviation: float | Tensor = 0.05) -> Tensor:
        return images + deviation * torch.randn(images.shape, generator=self.generator)


def _paint(images: Tensor, channel: int, pieces: Tensor, top: Tensor, left: Tensor) -> None:
    """Add one square piece (scenes, side, side) to a channel of each image, from (top, left) on."""
    every = torch.arange(len(images))[:, None, None]
    along = torch.arange(pieces.shape[-1])
    rows, columns = top[:, None, None] + along[:, None], left[:, None, None] + along
    images[every, channel, rows, columns] += pieces


def _grid(draw: _Draw, split: str) -> tuple[Tensor, Tensor]:
    """Images (scenes, 3, 24, 24) with nine red digits, and which they are, (scenes, 3, 3)."""
    pictures, names = digits(split)
    chosen = draw(len(names), 3, 3)
    images = torch.zeros(draw.scenes, 3, 3 * CELL, 3 * CELL)
    # (scenes, row, column, y, x) to (scenes, row y, column x): the nine side by side
    images[:, RED] = pictures[chosen].permute(0, 1, 3, 2, 4).flatten(3, 4).flatten(1, 2)
    return images, names[chosen]
