"""Channel attention.

Of Caffe's models the names are those of the layers, with `.weight`, `.bias` and so on behind them.
"""

from typing import Any

from attention_lib.official.tables import Published, Rule, Table, flat, squeezed


def global_context(module: Any) -> Table:
    transform = f"channel_{'mul' if module.multiply else 'add'}_conv"
    return (
        Rule(r"^conv_mask\.weight$", "query.weight"),
        Rule(r"^conv_mask\.bias$", ""),  # all logits share it
        Rule(rf"^{transform}\.0\.", "squash.", squeezed),
        Rule(rf"^{transform}\.1\.", "norm.", flat),
        Rule(rf"^{transform}\.3\.", "excite.", squeezed),
    )


TABLES = {
    "SqueezeExcitation": (
        Published(
            "hujie-frank/SENet@0262d43:models/SE-ResNet-50.prototxt",
            (
                Rule(r"^1x1_down\.", "squash.", squeezed),
                Rule(r"^1x1_up\.", "excite.", squeezed),
            ),
        ),
        Published(
            "implus/PytorchInsight@2864528:classification/models/imagenet/resnet_se.py",
            (Rule(r"^fc\.0\.", "squash."), Rule(r"^fc\.2\.", "excite.")),
        ),
    ),
    "EfficientChannelAttention": (
        Published(
            "BangguWu/ECANet@b332f6b:models/eca_module.py",
            (Rule(r"^conv\.", "mix."),),
            needs="the `kernel_size` that the name of a released model gives for the stage",
        ),
    ),
    "GlobalContext": (
        Published(
            "xvjiarui/GCNet@029db54:mmdet/ops/gcb/context_block.py",
            global_context,
            needs="a `reduction` that is 1 divided by its `ratio`",
        ),
    ),
    "SelectiveKernel": (
        Published(
            "implus/SKNet@17dd708:models/sknet50.prototxt",
            (
                Rule(r"^3x3g32\.", "split.0.0."),
                Rule(r"^3x3g32/bn\.", "split.0.1."),
                Rule(r"^3x3g32d2\.", "split.1.0."),
                Rule(r"^3x3g32d2/bn\.", "split.1.1."),
                Rule(r"^B_fc1\.", "fuse.0.", squeezed),
                Rule(r"^B_fc1/bn\.", "fuse.1."),
                Rule(r"^B_fc2\.", "select.", squeezed),
            ),
            needs="`stride=2` where a stage begins, but for the first",
        ),
    ),
    "PyramidSplitAttention": (
        Published(
            "murufeng/EPSANet@9955041:models/epsanet.py",
            (  # theirs lays its branches side by side from the last to the first
                *(Rule(rf"^conv_{4 - i}\.", f"split.{i}.") for i in range(4)),
                Rule(r"^se\.fc1\.", "squash.", squeezed),
                Rule(r"^se\.fc2\.", "excite.", squeezed),
            ),
            needs="`kernel_sizes=(9, 7, 5, 3)`, `groups=(16, 8, 4, 1)`, and `stride=2` where a"
            " stage begins, but for the first",
        ),
    ),
}
