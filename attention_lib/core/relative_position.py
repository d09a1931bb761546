"""A bias for two places of a grid that depends on the steps between them only."""

import torch
from jaxtyping import Float
from torch import Tensor


def relative_bias(
    table: Float[Tensor, "heads rows columns"], height: int, width: int
) -> Float[Tensor, "heads {height*width} {height*width}"]:
    """The bias of each place of a grid (height, width), read row by row, with each other.

    Args:
        table: at [h, u, v], the bias of head h for a place u - rows // 2 rows below the other and
            v - columns // 2 columns to its right; rows and columns are odd.
        height: rows of the grid, at most rows // 2 + 1.
        width: columns of the grid, at most columns // 2 + 1.
    """
    rows, columns = table.shape[-2:]
    tall, wide = 2 * height - 1, 2 * width - 1  # the steps that occur on this grid
    table = table[:, (rows - tall) // 2 :, (columns - wide) // 2 :][:, :tall, :wide]
    row = torch.arange(height, device=table.device)
    column = torch.arange(width, device=table.device)
    below = row[:, None] - row + height - 1
    right = column[:, None] - column + width - 1
    # rows of the table first, then one flat index that all rows of the grid share: an index of
    # all pairs would be as large as the biases, and be kept until their gradients are known
    lines = table.index_select(1, below.flatten()).reshape(-1, height * wide)
    place = (right[:, None] + wide * row[:, None]).flatten()
    return lines.index_select(1, place).view(len(table), height * width, height * width)
