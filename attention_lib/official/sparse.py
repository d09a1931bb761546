"""Sparse attention."""

from attention_lib.official.tables import (
    Joined,
    Published,
    Rule,
    squeezed,
    stacked_across,
    stacked_squeezed,
    transposed,
    unsqueezed,
)

TABLES = {
    "AxialAttention": (
        Published(
            "google-research/google-research@066e6a1:axial/transformers.py",
            (
                Joined("query_key_value.0.weight", ("q/w", "k/w", "v/w"), stacked_across),
                Joined("query_key_value.0.bias", ("q/b", "k/b", "v/b")),
                Rule(r"^proj_out/w$", "out.0.weight", transposed),
                Rule(r"^proj_out/b$", "out.0.bias"),
            ),
            needs="`bias=True`, and one of the `axes`; layers that are masked read otherwise",
        ),
    ),
    "CrissCrossAttention": (
        Published(
            "speedinghzl/CCNet@1fae6c6:cc_attention/functions.py",
            (
                Rule(r"^query_conv\.", "query."),
                Rule(r"^key_conv\.weight$", "key.weight"),
                Rule(r"^key_conv\.bias$", ""),  # all logits of a pixel share it
                Rule(r"^value_conv\.", "value."),
                Rule(r"^gamma$", "scale"),
            ),
        ),
    ),
    "LongShortDistanceAttention": (
        Published(
            "cheerss/CrossFormer@7952010:models/crossformer.py",
            (
                Rule(r"^qkv\.", "query_key_value."),
                Rule(r"^pos\.pos_proj\.", "position_bias.0."),
                *(Rule(rf"^pos\.pos{i}\.0\.", f"position_bias.{3 * i - 2}.") for i in (1, 2, 3)),
                *(Rule(rf"^pos\.pos{i}\.2\.", f"position_bias.{3 * i}.") for i in (1, 2)),
                Rule(r"^pos\.pos3\.2\.weight$", "position_bias.9.weight"),
                Rule(r"^pos\.pos3\.2\.bias$", ""),  # all logits share it
                Rule(r"^proj\.", "out."),
            ),
            needs="`bias=True`, `hidden=channels // 16`",
        ),
    ),
    "OutlookAttention": (
        Published(
            "sail-sg/volo@cf35775:models/volo.py",
            (
                Rule(r"^v\.", "value.", unsqueezed),
                Rule(r"^attn\.", "logits."),
                Rule(r"^proj\.", "out.", unsqueezed),
            ),
            needs="`stride=2`, and channels / 32 `heads`",
        ),
    ),
    "DeformableAttention": (
        Published(
            "LeapLabTHU/DAT@32173fc:models/dat_blocks.py",
            (
                Rule(r"^proj_q\.", "query."),
                Joined("key_value.weight", ("proj_k.weight", "proj_v.weight"), stacked_squeezed),
                Joined("key_value.bias", ("proj_k.bias", "proj_v.bias")),
                Rule(r"^conv_offset\.0\.", "gather."),
                Rule(r"^conv_offset\.1\.norm\.", "norm."),
                Rule(r"^conv_offset\.3\.", "offset.", squeezed),
                Rule(r"^rpe_table$", "position_bias"),
                Rule(r"^proj_out\.", "out."),
            ),
            needs="`bias=True`, `clamp=True`, and the other arguments of its stage",
        ),
    ),
}
WITHOUT = {
    "HaloAttention": "no code of the authors was found",
    "MultiResolutionOverlappedAttention": "the authors' code mixes places and channels by its"
    " reshapes, and what was trained with them needs them",
}
