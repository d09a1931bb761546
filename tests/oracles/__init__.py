"""The same weights in somebody else's package.

`ORACLES` of a family's file maps a mechanism to its oracles: dotted name -> function.  The function
takes our module and returns theirs with a dictionary: for each of their parameters and buffers,
the tensor of ours that it must be, reshaped as they keep it.  Gradients then flow to our own.
"""

from tests.oracles import torchvision_ops  # noqa: F401  (before timm and torchvision)
