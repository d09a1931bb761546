"""Sparse attention."""

from attention_lib.official.tables import Published, Rule, unsqueezed

TABLES = {
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
}
WITHOUT = {
    "HaloAttention": "no code of the authors was found",
    "MultiResolutionOverlappedAttention": "the authors' code mixes places and channels by its"
    " reshapes, and what was trained with them needs them",
}
