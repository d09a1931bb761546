"""Mixing without a comparison."""

from typing import Any

from torch import Tensor

from attention_lib.official.tables import Published, Rule, Table, unsqueezed


def parts_first(tensor: Tensor) -> Tensor:
    """(rows, columns, channels, parts), a table of complex numbers, with its parts first."""
    return tensor.permute(3, 2, 0, 1)


def branches_first(tensor: Tensor) -> Tensor:
    """What makes a number for each branch of each channel, in order of the branches."""
    return tensor.unflatten(0, (-1, 3)).transpose(0, 1).flatten(0, 1)


def permutator(module: Any) -> Table:
    """Theirs reads a segment's channels at one place after another, ours place after place."""
    segment = module.segment_size

    def channels_first(tensor: Tensor) -> Tensor:
        split = tensor.unflatten(1, (-1, segment)).unflatten(0, (-1, segment))
        return split.permute(1, 0, 3, 2).flatten(2).flatten(0, 1)

    def along_one_axis(tensor: Tensor) -> Tensor:
        return channels_first(tensor).unflatten(1, (-1, 1))

    return (
        Rule(r"^mlp_h\.", "mix_rows.", along_one_axis),
        Rule(r"^mlp_w\.", "mix_columns.", channels_first),
        Rule(r"^mlp_c\.", "mix_channels.", unsqueezed),
        Rule(r"^reweight\.fc1\.", "squash.0."),
        Rule(r"^reweight\.fc2\.", "excite.", branches_first),
        Rule(r"^proj\.", "out.", unsqueezed),
    )


TABLES = {
    "VisionPermutator": (
        Published(
            "houqb/VisionPermutator@2cab2ce:models/vip.py",
            permutator,
            needs="as many channels as `segment_size` times its height, which is its width",
        ),
    ),
    "GlobalFilter": (
        Published(
            "raoyongming/GFNet@2de48b6:gfnet.py",
            (Rule(r"^complex_weight$", "filter", parts_first),),
        ),
    ),
}
WITHOUT = {
    "SpatialShift": "no code of the authors was found",
}
