"""The samples are what the originals say; each scene's label is right, and each task asks what it
claims to ask."""

from itertools import product

import numpy
import pytest
import torch

from attention_lib.teaching import data
from attention_lib.teaching.nets import SmallNet, receptive_field
from tools import samples


@pytest.mark.parametrize("make", [samples.digits, samples.astronaut], ids=lambda m: m.__name__)
def test_samples_are_made_from_the_originals(make):
    stored = numpy.load(samples.HOME / f"{make.__name__}.npz")
    made = make()
    assert sorted(stored.files) == sorted(made)
    for name, array in made.items():
        assert stored[name].dtype == array.dtype
        numpy.testing.assert_array_equal(stored[name], array)


def test_readme_states_where_they_come_from():
    assert (samples.HOME / "README.md").read_text() == samples.readme()


def test_digits():
    images, labels = data.digits()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == torch.float32
    assert (images.min(), images.max()) == (0, 1)
    assert labels.unique().tolist() == list(range(10))
    images.zero_()  # what a reader does to a sample stays with the reader
    assert data.digits()[0].max() == 1


def test_train_and_test_digits_are_all_and_share_none():
    everything, train, test = (data.digits(split)[0] for split in ("all", "train", "test"))
    assert len(train) + len(test) == len(everything)
    assert set(range(10)) == set(data.digits("test")[1].tolist())
    both = torch.cat([train, test]).flatten(1)
    assert torch.equal(torch.unique(both, dim=0), torch.unique(everything.flatten(1), dim=0))
    assert len(torch.unique(both, dim=0)) == len(both)


def test_picture():
    pixels = data.picture()
    assert pixels.shape == (3, 256, 256)
    assert pixels.dtype == torch.float32
    assert 0 <= pixels.min() < 0.1
    assert 0.9 < pixels.max() <= 1


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: data.digits("validation"), "validation"),
        (lambda: data.picture("lena"), "there is astronaut"),
        (lambda: data.picture("digits"), "there is astronaut"),
        (lambda: data.channel_cue(0, seed=0), "at least 1, got 0"),
        (lambda: data.noisy_crops(2, seed=0, split="all"), "all"),
        (lambda: data.noisy_crops(2, seed=0, size=200), "size=200"),
    ],
)
def test_nonsense_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize("make", [*data.TASKS.values(), *data.TAGGING.values()])
def test_scenes_follow_from_their_seed(make):
    one, same, other = make(7, seed=3), make(7, seed=3), make(7, seed=4)
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one.images, other.images)
    assert one.images.dtype == torch.float32
    assert one.labels.dtype == (torch.float32 if make in data.TAGGING.values() else torch.int64)
    assert len(one.images) == len(one.labels) == 7
    assert one.to("cpu").parts.keys() == one.parts.keys()


def read(piece: torch.Tensor, split: str, allowed: float = 1) -> int:
    """The name of the digit a piece (8, 8) shows: the nearest of all in the split."""
    images, labels = data.digits(split)
    distance = (images - piece).square().sum(dim=(1, 2))
    assert distance.min() < allowed, "this is no digit of the split"
    return labels[distance.argmin()].item()


@pytest.mark.parametrize("split", data.SPLITS)
def test_channel_cue_is_right_by_construction(split):
    scenes = data.channel_cue(40, seed=0, split=split)
    for image, label, cue in zip(scenes.images, scenes.labels, scenes.parts["cue"], strict=True):
        colour = data.GREEN if cue else data.RED
        halves = image[colour, :8, :8], image[colour, 8:, :8]
        piece = max(halves, key=torch.sum)  # the half that is not empty
        assert read(piece, split) == label
        bar = image[data.BLUE, :, -4:].mean()
        assert (bar > 0.5) == (cue == 0)
        assert image[:, :, 8:-4].abs().max() < 0.5, "between them there is nothing but noise"


def test_channel_cue_is_beyond_every_convolution():
    """45 pixels, what the net with a 9 x 9 convolution sees, do not hold digits and cue."""
    scenes = data.channel_cue(64, seed=0)
    inked = (scenes.images > 0.5).any(dim=0)
    last_of_digits = inked[: data.BLUE].any(dim=0).any(dim=0).nonzero().max()
    first_of_cue = inked[data.BLUE].any(dim=0).nonzero().min()
    wide = SmallNet(2, lambda channels: torch.nn.Conv2d(channels, channels, 9, padding=4))
    assert first_of_cue - last_of_digits + 1 > receptive_field(wide) == 45


def test_without_the_cue_three_of_four_is_the_best():
    """Red and green agree in half of the scenes; in the other half either is as likely."""
    parts = data.channel_cue(4000, seed=0).parts
    agree = (parts["red"] == parts["green"]).float().mean().item()
    assert agree + (1 - agree) / 2 == pytest.approx(0.75, abs=0.02)
    shown = torch.stack([parts["red"], parts["green"]])
    by_cue = [shown[:, parts["cue"] == cue].float().mean(dim=1) for cue in (0, 1)]
    torch.testing.assert_close(*by_cue, rtol=0, atol=0.06)


@pytest.mark.parametrize("make", [data.row_and_column, data.local_marker])
@pytest.mark.parametrize("split", data.SPLITS)
def test_grids_are_right_by_construction(make, split):
    scenes = make(12, seed=0, split=split)
    parts = scenes.parts
    for image, label, digits, row, column in zip(
        scenes.images, scenes.labels, parts["digits"], parts["row"], parts["column"], strict=True
    ):
        assert label == digits[row, column]
        for y in range(3):
            for x in range(3):
                cell = image[data.RED, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
                assert read(cell, split) == digits[y, x]


def test_ticks_name_row_and_column():
    scenes = data.row_and_column(30, seed=0)
    ticks = scenes.images[:, data.BLUE, :, 0].unflatten(-1, (3, 8)).sum(-1)
    assert torch.equal(ticks.argmax(-1), scenes.parts["row"])
    ticks = scenes.images[:, data.GREEN, 0].unflatten(-1, (3, 8)).sum(-1)
    assert torch.equal(ticks.argmax(-1), scenes.parts["column"])


def test_marker_strikes_through_the_target():
    scenes = data.local_marker(30, seed=0)
    blue = scenes.images[:, data.BLUE].unflatten(-2, (3, 8)).unflatten(-1, (3, 8))
    cell = blue.sum(dim=(-3, -1)).flatten(1).argmax(-1)
    assert torch.equal(cell, 3 * scenes.parts["row"] + scenes.parts["column"])


def test_tagged_digits_stand_where_the_parts_say():
    """Scraps and noise come on top of a digit: one of its kind fits under what is shown there."""
    scenes = data.digits_among_scraps(40, seed=0, split="test")
    images, names = data.digits("test")
    kinds, top, left = (scenes.parts[part] for part in ("digits", "top", "left"))
    assert (kinds[:, 0] != kinds[:, 1]).all() and (scenes.labels.sum(1) == 2).all()
    assert (left[:, 0] <= 8).all() and (left[:, 1] >= 16).all()
    for scene, place in product(range(40), range(2)):
        kind, y, x = (part[scene, place] for part in (kinds, top, left))
        assert scenes.labels[scene, kind] == 1
        piece = scenes.images[scene, data.RED, y : y + 8, x : x + 8]
        missing = (images[names == kind] - piece).amax(dim=(1, 2))
        assert missing.min() < 0.25, f"scene {scene} shows no {kind} at {y}, {x}"


def test_every_digit_is_drawn_and_scraps_are_in_every_scene():
    scenes = data.digits_among_scraps(300, seed=0)
    assert (scenes.labels.mean(dim=0) > 0.12).all()  # one of five scenes has each
    inked = (scenes.images[:, data.RED] > 0.2).sum(dim=(1, 2)).float().mean()
    whole = (data.digits()[0] > 0.2).sum(dim=(1, 2)).float().mean()
    assert inked > 2.8 * whole, "two digits and six quarters of one"


def test_the_large_digit_fills_its_picture():
    scenes = data.one_large_digit(20, seed=0)
    for image, label in zip(scenes.images, scenes.labels, strict=True):
        assert label.sum() == 1
        assert read(image[data.RED].unflatten(0, (8, 4)).unflatten(2, (8, 4)).mean((1, 3)), "train",
                    allowed=6) == label.argmax()  # fmt: skip


def test_noisy_crops():
    crops = data.noisy_crops(300, seed=0, size=16)
    assert crops.noisy.shape == crops.clean.shape == (300, 3, 16, 16)
    measured = (crops.noisy - crops.clean).std(dim=(1, 2, 3))
    torch.testing.assert_close(measured, crops.noise, rtol=0.2, atol=0)
    assert 0 <= crops.noise.min() < 0.05 < 0.25 < crops.noise.max() <= 0.3
    torch.testing.assert_close(crops, data.noisy_crops(300, seed=0, size=16), rtol=0, atol=0)
    still = data.noisy_crops(5, seed=0, noise=0.0)
    assert torch.equal(still.noisy, still.clean)


def test_crops_to_learn_from_and_to_test_on_share_no_pixel():
    places = torch.arange(256 * 256).view(256, 256)
    left, right = places[:, :160], places[:, 160:]
    pixels = data.picture()
    for split, part in (("train", left), ("test", right)):
        there = pixels.flatten(1)[:, part.flatten()].T.unique(dim=0)
        shown = data.noisy_crops(50, seed=0, split=split).clean.movedim(1, -1).flatten(0, 2)
        both = torch.cat([there, shown.unique(dim=0)])
        assert len(both.unique(dim=0)) == len(there), "a crop shows what is not in its part"
