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
    row = torch.arange(height, device=table.device)
    column = torch.arange(width, device=table.device)
    below = row[:, None] - row + table.shape[-2] // 2
    right = column[:, None] - column + table.shape[-1] // 2
    return table[:, below[:, None, :, None], right[None, :, None, :]].flatten(1, 2).flatten(2, 3)
