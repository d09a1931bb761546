"""Square windows that lie side by side on a map, from its upper left corner."""

import torch.nn.functional as F
from torch import Tensor


def windows_fill(x: Tensor, size: int) -> bool:
    """Whether windows are known to end where the map ends, (batch, channels, rows, columns).

    In an exported program sizes are no numbers, and nobody knows.
    """
    return all(isinstance(side, int) and side % size == 0 for side in x.shape[-2:])


def add_to_windows(x: Tensor, of_window: Tensor, size: int) -> Tensor:
    """Add to each pixel of a map what its window has, (batch, channels, rows, columns).

    Windows at the right and lower border may reach beyond it.
    """
    if windows_fill(x, size):
        # whole rows are added, as loops over the few places of a window are slow
        row = of_window[..., None].expand(*of_window.shape, size).flatten(-2)
        return (x.unflatten(-2, (-1, size)) + row[..., None, :]).flatten(-3, -2)
    (height, width), (rows, columns) = x.shape[-2:], of_window.shape[-2:]
    spread = F.interpolate(of_window, size=(rows * size, columns * size), mode="nearest")
    return x + F.pad(spread, (0, width - columns * size, 0, height - rows * size))
