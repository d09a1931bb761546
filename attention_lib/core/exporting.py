"""Whether torch.export, and with it ONNX, is at work."""

import torch

# before torch 2.7 an export cannot be told from a compilation
is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
