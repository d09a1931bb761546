"""Spatial attention."""

from torch import Tensor

from attention_lib.official.tables import Joined, Published, Rule, squeezed, taken_off


def along_one_axis(tensor: Tensor) -> Tensor:
    """The weight of a 1×1 convolution as one along a single axis; a bias as it is."""
    return tensor.flatten(2) if tensor.ndim > 2 else tensor


TABLES = {
    "CoordinateAttention": (
        Published(
            "houqb/CoordAttention@7619bea:coordatt.py",
            (
                Rule(r"^conv1\.weight$", "squash.0.weight", along_one_axis),
                Rule(r"^bn1\.", "squash.1."),
                Joined("squash.1.running_mean", ("bn1.running_mean", "conv1.bias"), taken_off),
                Rule(r"^conv_h\.", "excite_rows.", along_one_axis),
                Rule(r"^conv_w\.", "excite_columns.", along_one_axis),
            ),
        ),
    ),
    "ClassSpecificResidualAttention": (
        Published(
            "Kevinz-code/CSRA@c8480d1:pipeline/csra.py",
            (Rule(r"^multi_head\.(\d+)\.head\.weight$", r"classify.\1", squeezed),),
            needs="the `temperatures` for its number of heads, and the `lam` of its command",
        ),
    ),
}
WITHOUT = {
    "SpatialGroupEnhance": "the authors' code takes another standard deviation, over one place"
    " less, so that its weights would fit maps of one size alone",
}
