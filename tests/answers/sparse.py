"""Answers to the exercises on sparse attention: right, wrong and forbidden ones."""

import torch
from torch.nn import functional as F


def reached(block, halo, steps, columns):
    right = [j for j in range(columns - steps) if j + steps <= j - j % block + block + halo - 1]
    share = len(right) / (columns - steps)
    return 7 / 8 * share + 1 / 8


def reached_by_mask(block, halo, steps, columns):
    place = torch.arange(columns)
    last = place // block * block + block + halo - 1
    seen = (place[None] <= last[:, None]).diagonal(steps).double()
    return (seen + (1 - seen) / 8).mean()


def shared_places(height, width, one, other):
    cross = [
        {(row, end[1]) for row in range(height)} | {(end[0], column) for column in range(width)}
        for end in (one, other)
    ]
    return len(cross[0] & cross[1])


def roads_by_matrix(height, width, one, other):
    row, column = torch.arange(height * width) // width, torch.arange(height * width) % width
    cross = ((row[:, None] == row) | (column[:, None] == column)).long()
    return (cross @ cross)[one[0] * width + one[1], other[0] * width + other[1]]


def field_by_blocks(block, halo, layers):
    left, right = 0, block  # of a block that begins at 0
    for _ in range(layers):
        left, right = left // block * block - halo, -(-right // block) * block + halo
    return right - left


def heard_by_loops(layers):
    heard = [{place} for place in range(len(layers[0]))]
    for layer in layers:
        heard = [
            set().union(*(heard[u] for u in layer[p].nonzero().flatten().tolist()))
            for p in range(len(layer))
        ]
    return torch.tensor([[u in own for u in range(len(layers[0]))] for own in heard])


def heard_by_product(layers):
    return torch.linalg.multi_dot(
        [layer.double() for layer in reversed([torch.eye(len(layers[0])), *layers])]
    ).bool()


def between_by_four(x, row, column):
    top, left = int(row), int(column)
    f, e = row - top, column - left
    below, right = min(top + 1, x.shape[0] - 1), min(left + 1, x.shape[1] - 1)
    return (
        (1 - f) * (1 - e) * x[top, left]
        + (1 - f) * e * x[top, right]
        + f * (1 - e) * x[below, left]
        + f * e * x[below, right]
    )


def between_in_float32(x, row, column):
    weights = [
        (1 - (torch.arange(size) - place).abs()).clamp(min=0).to(x.dtype)
        for size, place in zip(x.shape, (row, column), strict=True)
    ]
    return weights[0] @ x @ weights[1]


def counted_by_pairs(lines, reads=2.0, colours=6):
    missed = 1.0
    for top in (0, 8):
        for left in (0, 8):
            unseen = 0
            for row in range(top, top + 7):
                for column in range(left, left + 7):
                    near = [
                        any(abs(start + pixel - p) < reads for p in lines for pixel in (0, 1))
                        for start in (row, column)
                    ]
                    unseen += not all(near)
            missed *= unseen / 49
    return 1 - missed + missed / colours


RIGHT = {
    1: [lambda: (193, 49), lambda: (97 + 96, torch.tensor(48.75))],
    2: [reached, reached_by_mask],
    3: [shared_places, roads_by_matrix],
    4: [
        field_by_blocks,
        lambda block, halo, layers: block + bool(halo) * (2 * halo + 2 * (layers - 1) * block),
    ],
    5: [heard_by_loops, heard_by_product],
    6: [between_by_four, between_in_float32],
    7: [counted_by_pairs, lambda lines: torch.tensor(counted_by_pairs(lines))],
}
WRONG = {
    1: [
        (lambda: None, "returned nothing"),
        (lambda: (194, 48.5), "itself twice"),
        (lambda: (192, 49), "leaves out the place itself"),
        (lambda: (97, 97), "a row alone"),
        (lambda: (193, 0.02), "not [0.02]"),
    ],
    2: [
        (lambda block, halo, steps, columns: None, "returned nothing"),
        (lambda *sizes: (8 * reached(*sizes) - 1) / 7, "leaves out the guesses"),
        (lambda block, halo, steps, columns: reached(block, 0, steps, columns), "forgets the halo"),
        (
            lambda block, halo, steps, columns: 1.0 if steps <= halo else 1 / 8,
            "begins where the block ends",
        ),
        (lambda block, halo, steps, columns: 2 / 3, "it is 0.7375, not 0.66"),
    ],
    3: [
        (lambda height, width, one, other: None, "returned nothing"),
        (lambda height, width, one, other: 1, "one road"),
        (lambda height, width, one, other: 2, "both differ"),
        (
            lambda height, width, one, other: (
                shared_places(height, width, one, other) - len({one, other})
                if one[0] == other[0] or one[1] == other[1]
                else 2
            ),
            "stays where it is",
        ),
        (lambda height, width, one, other: height + width - 1, "it is 2, not 10"),
    ],
    4: [
        (lambda block, halo, layers: None, "returned nothing"),
        (lambda block, halo, layers: block + 2 * layers * halo, "how a convolution grows"),
        (lambda block, halo, layers: 2 * layers * block - block + 2 * halo, "without a halo"),
        (lambda block, halo, layers: layers * (block + 2 * halo), "it is 22, not 20"),
        (lambda block, halo, layers: field_by_blocks(block, halo, layers) - 2 * halo, "last halo"),
    ],
    5: [
        (lambda layers: None, "returned nothing"),
        (lambda layers: heard_by_loops(layers[::-1]), "wrong order"),
        (lambda layers: torch.stack(layers).sum(0) > 0, "in some layer"),
        (lambda layers: layers[-1], "the last layer alone"),
        (lambda layers: heard_by_loops(layers)[0], "it has shape (7,)"),
    ],
    6: [
        (lambda x, row, column: None, "returned nothing"),
        (lambda x, row, column: x[int(row), int(column)], "above and to the left"),
        (lambda x, row, column: x[round(row), round(column + 1e-9)], "nearest pixel"),
        (lambda x, row, column: between_by_four(x, row, int(column)), "not between the columns"),
        (lambda x, row, column: x, "one number, not 20"),
    ],
    7: [
        (lambda lines: None, "returned nothing"),
        (lambda lines: counted_by_pairs(lines, reads=1.0), "one step further"),
        (lambda lines: counted_by_pairs(lines, colours=8), "six colours"),
        (lambda lines: (6 * counted_by_pairs(lines) - 1) / 5, "leaves out the guesses"),
        (lambda lines: 1 / 6, "it is 0.4"),
    ],
}
FORBIDDEN = {
    6: [
        (
            lambda x, row, column: F.grid_sample(
                x[None, None],
                torch.tensor([[[[column / 2 - 1, 2 * row / 3 - 1]]]], dtype=x.dtype),
                align_corners=True,
            ),
            "uses grid_sampler_2d",
        )
    ]
}
