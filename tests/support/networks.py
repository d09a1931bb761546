"""Small networks that a mechanism is inserted into."""

import torch
from torch import nn

HEIGHT, WIDTH = 7, 5
PICTURE = torch.randn(2, 3, HEIGHT, WIDTH).double()


def network(depth: int = 2) -> nn.Sequential:
    blocks = [nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()) for _ in range(depth)]
    return nn.Sequential(nn.Conv2d(3, 6, 1), *blocks).double()


class Looks(nn.Module):
    """Goes by the numbers that it is given, as detectors do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)

    def forward(self, x):
        return self.conv(x / 255 if x.max() > 1 else x)
