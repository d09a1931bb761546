"""Let torchvision, and so timm, be imported beside a CPU build of torch: import this first.

Its compiled operators are missing there; declaring two of them is enough for the Python layers.
"""

import sys

import torch

try:
    import torchvision  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torchvision":  # where it is not installed there is nothing to repair
        raise
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")  # must stay alive
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
