"""Dense attention."""

from typing import Any

from torch import Tensor

from attention_lib.official.tables import (
    Joined,
    Published,
    Rule,
    Table,
    squeezed,
    stacked_across,
    transposed,
)


def of_values(bias: Tensor, weight: Tensor, *before: Tensor) -> Tensor:
    """The bias of the last layer, and what it makes of one that all values share.

    Before it come the bias of keys and values and, where there is a norm before these, their weight
    and its bias.
    """
    shared, *normed = before
    if normed:
        shared = shared + normed[0] @ normed[1]
    return bias + weight @ shared.chunk(2)[1]


def efficient_multi_head(module: Any) -> Table:
    """Weights that are normed sum to zero, so that no bias passes them; plain ones sum to one."""
    passing: tuple[str, ...] = ("proj.bias", "proj.weight", "kv.bias")
    if module.sr_ratio > 1:
        passing += ("kv.weight", "sr_norm.bias")
    normed = (Rule(r"^proj\.", "out."), Rule(r"^(kv|sr_norm|transform_conv)\.bias$", ""))
    plain = (Rule(r"^proj\.weight$", "out.weight"), Joined("out.bias", passing, of_values))
    return (
        Rule(r"^q\.", "query."),
        Rule(r"^kv\.weight$", "key_value.weight"),
        Rule(r"^sr\.", "reduce."),
        Rule(r"^sr_norm\.weight$", "norm_weight"),
        Rule(r"^transform_conv\.weight$", "mix_heads", squeezed),
        *(plain if module.plain else normed),
    )


TABLES = {
    "MultiHeadAttention": (
        Published(
            "tensorflow/tensor2tensor@bafdc1b6:tensor2tensor/layers/common_attention.py",
            (
                Rule(r"^q/kernel$", "query.weight", transposed),
                Joined("key_value.weight", ("k/kernel", "v/kernel"), stacked_across),
                Rule(r"^output_transform/kernel$", "out.weight", transposed),
            ),
        ),
    ),
    "EfficientMultiHeadAttention": (
        Published(
            "wofmanaf/ResT@b9245d3:models/rest.py",
            efficient_multi_head,
            needs="`plain=True` where there is one of the `heads`",
        ),
    ),
}
WITHOUT = {
    "SimplifiedSelfAttention": "the repository that it comes from publishes none",
}
