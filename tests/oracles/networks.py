"""Networks in torchvision and timm: name -> (how theirs is made, the arguments of ours)."""

import timm
from timm.models.resnet import Bottleneck as TimmBottleneck
from timm.models.resnet import ResNet as TimmResNet
from torchvision.models import get_model_weights
from torchvision.models.resnet import Bottleneck, ResNet

from attention_lib.channel import SqueezeExcitation

DEPTHS = (1, 2, 1, 1)
CLASSES = 7


def torchvision_resnet(**arguments):
    return ResNet(Bottleneck, list(DEPTHS), num_classes=CLASSES, **arguments)


def timm_resnet(**arguments):
    return TimmResNet(TimmBottleneck, DEPTHS, num_classes=CLASSES, **arguments)


RESNETS = {
    "torchvision": (torchvision_resnet, {}, {}),
    "torchvision, ResNeXt": (
        torchvision_resnet,
        dict(groups=32, width_per_group=4),
        dict(groups=32, group_width=4),
    ),
    "timm": (timm_resnet, {}, {}),
    "timm, SE": (
        timm_resnet,
        dict(block_args=dict(attn_layer="se")),
        dict(attention=SqueezeExcitation),
    ),
}


def published(name):
    """What torchvision's table of weights says: parameters, and 10⁹ multiply-adds."""
    meta = get_model_weights(name).IMAGENET1K_V1.meta
    return meta["num_params"], meta["_ops"]


def timm_parameters(name):
    return sum(p.numel() for p in timm.create_model(name).parameters())
