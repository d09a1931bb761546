"""ResNet (He et al., 2016)."""

import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """The block of a ResNet-50: 1×1, 3×3 and 1×1 convolution, and a shortcut beside them.

    Args:
        inside: channels coming in; 4 · width go out.
        width: channels in the middle.
        stride: steps between the places that are answered.
        stride_in: the convolution that takes these steps, "1x1" or "3x3".

    Shapes: (batch, inside, height, width) to (batch, 4 · width, height / stride, width / stride).
    """

    def __init__(self, inside: int, width: int, stride: int = 1, stride_in: str = "3x3"):
        super().__init__()
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(inside, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if inside != 4 * width:
            shortcut = nn.Conv2d(inside, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn1(self.conv1(x)).relu()
        residual = self.bn2(self.conv2(residual)).relu()
        return (self.bn3(self.conv3(residual)) + self.downsample(x)).relu()


class ResNet50(nn.Module):
    """ResNet-50 (He et al., 2016), its modules named as in torchvision, whose weights it takes.

    Args:
        classes: kinds of answers.
        stride_in: the convolution of a block that takes the steps where a stage begins: "3x3", as
            torchvision has it, or "1x1", as the paper has it.

    Shapes: (batch, 3, height, width) to scores (batch, classes).

    Raises:
        ValueError: if `stride_in` names neither.
    """

    def __init__(self, classes: int = 1000, stride_in: str = "3x3"):
        super().__init__()
        if stride_in not in ("1x1", "3x3"):
            raise ValueError(f"stride_in={stride_in!r} must be '1x1' or '3x3'")
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = self._stage(3, 64, 64, 1, stride_in)
        self.layer2 = self._stage(4, 256, 128, 2, stride_in)
        self.layer3 = self._stage(6, 512, 256, 2, stride_in)
        self.layer4 = self._stage(3, 1024, 512, 2, stride_in)
        self.fc = nn.Linear(2048, classes)

    @staticmethod
    def _stage(blocks: int, inside: int, width: int, stride: int, stride_in: str) -> nn.Sequential:
        first = Bottleneck(inside, width, stride, stride_in)
        return nn.Sequential(first, *(Bottleneck(4 * width, width) for _ in range(blocks - 1)))

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(-2, -1)))
