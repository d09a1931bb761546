"""Two statistics of one axis: the strongest number on it, and the average."""

import torch
from torch import Tensor


def max_and_mean(x: Tensor, dim: int) -> Tensor:
    """The maximum and the mean over `dim` (not the batch), one behind the other on a new axis 1.

    What has several equal maxima shares their gradient among them.
    """
    return torch.stack([x.amax(dim=dim), x.mean(dim=dim)], dim=1)
