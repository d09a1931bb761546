"""The tasks of the chapter on sparse attention ask what they say."""

import pytest
import torch

from attention_lib.teaching import places
from attention_lib.teaching.places import NOT_ASKED


@pytest.mark.parametrize(("farthest", "side"), [(6, 12), (2, 5)])
def test_a_place_asks_as_far_to_the_right_as_it_is_told(farthest, side):
    task = places.told_how_far(4, seed=0, farthest=farthest, side=side)
    kinds, told = task.maps[:, :8], places.columns_told(task)
    assert (kinds.sum(dim=1) == 1).all() and (task.maps[:, 8:].sum(dim=1) == 1).all()
    assert set(told.unique().tolist()) == set(range(1, farthest + 1))
    for column in range(side):
        for row in range(side):
            for sample in range(4):
                there = column + told[sample, row, column]
                answer = task.answers[sample, row, column]
                if there < side:
                    assert kinds[sample, answer, row, there] == 1
                else:
                    assert answer == NOT_ASKED
    assert task.rows[0, :, 0].tolist() == list(range(side))


def test_a_blob_of_one_colour_lies_in_each_quarter_and_nobody_beside_it_is_asked():
    task, middles = places.four_blobs(60, seed=0)
    lit = task.maps > 0.5
    for sample in range(60):
        shown = torch.zeros(16, 16, dtype=torch.bool)
        near = torch.zeros_like(shown)
        for quarter, middle in enumerate(middles[sample].tolist()):
            top, left = (int(place) for place in middle)
            assert middle == [top + 0.5, left + 0.5]
            assert (top // 8, left // 8) == ((top + 1) // 8, (left + 1) // 8) == divmod(quarter, 2)
            shown[top : top + 2, left : left + 2] = True
            near[max(top - 1, 0) : top + 3, max(left - 1, 0) : left + 3] = True
            own = task.rows[sample].view(2, 8, 2, 8)[quarter // 2, :, quarter % 2]
            assert (own == top).all()
        assert lit[sample].any(dim=0).equal(shown)
        assert len({tuple(pixel) for pixel in lit[sample].movedim(0, -1)[shown].tolist()}) == 1
        assert (task.answers[sample] == NOT_ASKED).equal(near)
    # the answers name the colours: maps of one answer look alike, those of two do not
    colour, means = task.answers.flatten(1).amax(dim=1), task.maps.mean(dim=(2, 3))
    assert set(colour.tolist()) == set(range(task.choices)) == set(range(6))
    assert (torch.cdist(means, means) < 0.03).equal(colour[:, None] == colour)


def test_a_seed_says_it_all():
    makers = {
        "maps": lambda seed: places.told_how_far(3, seed).maps,
        "blobs": lambda seed: places.four_blobs(3, seed)[0].maps,
    }
    for make in makers.values():
        one, same, other = (make(seed) for seed in (0, 0, 1))
        assert one.equal(same) and not one.equal(other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: places.told_how_far(2, 0, farthest=12), "farthest=12 must lie between 1 and"),
        (lambda: places.told_how_far(2, 0, farthest=0), "side - 1 = 11"),
        (lambda: places.told_how_far(0, 0), "samples must be at least 1, got 0"),
        (lambda: places.four_blobs(0, 0), "samples must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_made_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
