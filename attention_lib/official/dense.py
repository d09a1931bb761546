"""Dense attention."""

from attention_lib.official.tables import Joined, Published, Rule, stacked_across, transposed

TABLES = {
    "MultiHeadAttention": (
        Published(
            "tensorflow/tensor2tensor@bafdc1b6:tensor2tensor/layers/common_attention.py",
            (
                Joined(
                    "query_key_value.weight", ("q/kernel", "k/kernel", "v/kernel"), stacked_across
                ),
                Rule(r"^output_transform/kernel$", "out.weight", transposed),
            ),
        ),
    ),
    "EfficientMultiHeadAttention": (
        Published(
            "wofmanaf/ResT@b9245d3:models/rest.py",
            (
                Rule(r"^q\.", "query."),
                Rule(r"^kv\.weight$", "key_value.weight"),
                Rule(r"^sr\.", "reduce."),
                Rule(r"^sr_norm\.weight$", "norm.weight"),
                Rule(r"^transform_conv\.weight$", "mix_heads.weight"),
                Rule(r"^(kv|sr_norm|transform_conv)\.bias$", ""),  # the norm takes them away
                Rule(r"^proj\.", "out."),
            ),
            needs="more than one of the `heads`",
        ),
    ),
}
WITHOUT = {
    "SimplifiedSelfAttention": "the repository that it comes from publishes none",
}
