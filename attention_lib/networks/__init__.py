"""Networks: whole models, each in a file, made of the families' mechanisms."""

from .resnet import ResNet

__all__ = ["ResNet"]
