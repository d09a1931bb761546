"""Linear attention."""

from torch import Tensor

from attention_lib.official.tables import Joined, Published, Rule, squeezed


def passed_on(bias: Tensor, weight: Tensor, earlier: Tensor) -> Tensor:
    """The bias of a layer that also adds what it makes of a bias of each head before it."""
    heads = weight.shape[1] // len(earlier)
    return bias + weight @ earlier.repeat(heads)


def score(tensor: Tensor) -> Tensor:
    """Of a layer for one score, keys and values."""
    return squeezed(tensor)[:1]


def keys(tensor: Tensor) -> Tensor:
    """Of a layer for one score, keys and values."""
    return squeezed(tensor)[1:].chunk(2)[0]


def values(tensor: Tensor) -> Tensor:
    """Of a layer for one score, keys and values."""
    return squeezed(tensor)[1:].chunk(2)[1]


TABLES = {
    "ExternalAttention": (
        Published(
            "MenghaoGuo/EANet@59c03cb:EAMLP/models/transformer_block.py",
            (
                Rule(r"^(trans_dims|linear_0)\.bias$", ""),  # the sum over the tokens cancels them
                Rule(r"^trans_dims\.weight$", "query.weight"),
                Rule(r"^linear_0\.weight$", "key_memory.weight"),
                Rule(r"^linear_1\.weight$", "value_memory.weight"),
                Rule(r"^proj\.weight$", "out.weight"),
                Joined("out.bias", ("proj.bias", "proj.weight", "linear_1.bias"), passed_on),
            ),
            needs="`expansion=4`, and four times its `num_heads` as `heads`",
        ),
        Published(
            "MenghaoGuo/EANet@59c03cb:model_torch.py",
            (
                Rule(r"^linear_0\.", "key_memory.", squeezed),
                Rule(r"^linear_1\.", "value_memory.", squeezed),
                Rule(r"^conv[12]\.", ""),  # before and behind it
            ),
        ),
    ),
    "SeparableAttention": (
        Published(
            "apple/ml-cvnets@7771756:cvnets/layers/linear_attention.py",
            (
                *(
                    Joined(f"{part}.{kind}", (f"qkv_proj.block.conv.{kind}",), rows)
                    for part, rows in (("score", score), ("key", keys), ("value", values))
                    for kind in ("weight", "bias")
                    if (part, kind) != ("score", "bias")  # the softmax cancels it
                ),
                Rule(r"^out_proj\.block\.conv\.", "out.", squeezed),
            ),
        ),
    ),
}
NO_CODE = "no code of the authors was found"
WITHOUT = {
    "DoubleAttention": NO_CODE,
    "AttentionFree": NO_CODE,
    "AttentionFreeConvolution": NO_CODE,
    "UnitForceAttention": NO_CODE,
}
