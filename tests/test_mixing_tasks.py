"""The tasks of the chapter on mixing ask what they say: every answer is found again by reading."""

import pytest
import torch

from attention_lib.teaching import data, places
from attention_lib.teaching.places import NOT_ASKED


def kinds_of(task):
    """The kind at each place; exactly one is written there."""
    assert (task.maps.sum(dim=1) == 1).all()
    return task.maps.argmax(dim=1)


@pytest.mark.parametrize(("steps", "side"), [(1, 6), (3, 8), (0, 2)])
def test_the_answer_stands_so_many_columns_to_the_right(steps, side):
    task = places.to_the_right(4, seed=0, steps=steps, side=side)
    kinds, inside = kinds_of(task), side - steps
    assert task.answers[:, :, :inside].equal(kinds[:, :, steps:])
    assert (task.answers[:, :, inside:] == NOT_ASKED).all()
    assert task.rows[0, :, 0].tolist() == list(range(side))


def test_the_answer_stands_at_the_mirror_place():
    task = places.mirrored(4, seed=0)
    kinds = kinds_of(task)
    for column in range(6):
        assert task.answers[:, :, column].equal(kinds[:, :, 5 - column])


@pytest.mark.parametrize("known", [False, True])
def test_the_mark_is_that_of_the_marked_place_with_the_same_vector(known):
    task = places.same_vector(5, seed=0, known=known)
    vectors, marks = task.maps[:, :8].flatten(2).mT, task.maps[:, 8:].flatten(2).mT
    for own, written, asked, rows in zip(
        vectors, marks, task.answers.flatten(1), task.rows.flatten(1), strict=True
    ):
        marked = written.sum(dim=1) == 1
        assert marked.sum() == 6 and len(own[marked].unique(dim=0)) == 6
        assert (asked[marked] == NOT_ASKED).all()
        for place in range(36):
            [same] = (marked & (own == own[place]).all(dim=1)).nonzero().flatten().tolist()
            assert rows[place] == same // 6
            if not marked[place]:
                assert asked[place] == written[same].argmax()
    assert len(vectors.flatten(0, 1).unique(dim=0)) == (6 if known else 30)


def test_a_seed_says_it_all():
    for make in (places.to_the_right, places.mirrored, places.same_vector):
        one, same, other = (make(3, seed).maps for seed in (0, 0, 1))
        assert one.equal(same) and not one.equal(other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: places.to_the_right(2, 0, steps=6), "steps=6 must lie between 0 and side - 1 = 5"),
        (lambda: places.to_the_right(2, 0, steps=-1), "steps=-1 must lie between 0"),
        (lambda: places.same_vector(0, 0), "samples must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_made_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_stripes_are_one_wave_on_top_of_the_picture():
    crops = data.striped_crops(3, 0, "test", cycles=(8, 4), size=32)
    added = torch.fft.rfft2(crops.noisy - crops.clean).abs().mean(dim=1)
    strength = added[:, 8, 4] * 2 / 32**2
    assert ((strength > 0.14) & (strength < 0.31)).all()
    added[:, 8, 4] = 0
    assert added.max() < 0.1 * 32**2 / 20  # the rest is white noise of deviation 0.02
    same = (crops.noisy - data.noisy_crops(3, 0, "test", 0.02, 32).noisy).diff(dim=1)
    assert same.abs().max() < 1e-6  # all colours have the same stripes
