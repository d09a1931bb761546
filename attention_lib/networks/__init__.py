"""Whole networks, made of the families' mechanisms."""

from .resnet import ResNet50

__all__ = ["ResNet50"]
