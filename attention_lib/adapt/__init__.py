"""Plug a mechanism in: tokens for maps, maps for tokens, and into a network that has none.

on_tokens(create("se", channels=64), height=7, width=5)    # takes (batch, 35, 64)
on_maps(create("mha", dim=64))                             # takes (batch, 64, height, width)
for placed in insert(resnet50(), "se", where="bn3"):
    print(placed)                    # layer1.0.bn3.squeeze_excitation: SqueezeExcitation on ...
"""

from attention_lib.adapt.insertion import Insertion, insert
from attention_lib.adapt.layouts import ChannelsLast, OnMaps, OnTokens, on_maps, on_tokens
from attention_lib.adapt.then import remove

__all__ = [
    "ChannelsLast",
    "Insertion",
    "OnMaps",
    "OnTokens",
    "insert",
    "on_maps",
    "on_tokens",
    "remove",
]
