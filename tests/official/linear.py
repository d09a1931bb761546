"""Linear attention, as its authors compute it."""

from attention_lib.linear import ExternalAttention, SeparableAttention
from tests.support.official import Case, batch_norm, layer, linear


def double_normalization(logits):
    """Over the tokens, and then over the slots."""
    shares = logits.softmax(dim=-2)
    return shares / shares.sum(dim=-1, keepdim=True)


def external_heads(weights, x):
    query = linear(weights, "trans_dims", x).unflatten(-1, (8, -1)).transpose(1, 2)
    shares = double_normalization(linear(weights, "linear_0", query))
    gathered = linear(weights, "linear_1", shares).transpose(1, 2).flatten(2)
    return linear(weights, "proj", gathered)


def external_head(weights, x):
    return linear(weights, "linear_1", double_normalization(linear(weights, "linear_0", x)))


def separable(weights, x):
    joined = linear(weights, "qkv_proj.block.conv", x)
    score, key, value = joined.split([1, 12, 12], dim=-1)
    context = (score.softmax(dim=1) * key).sum(dim=1, keepdim=True)
    return linear(weights, "out_proj.block.conv", value.relu() * context)


CASES = [
    Case(
        "MenghaoGuo/EANet@59c03cb:EAMLP",
        ExternalAttention(12, slots=5, heads=8, expansion=4),
        layer("trans_dims", 48, 12)
        | layer("linear_0", 5, 6)
        | layer("linear_1", 6, 5)
        | layer("proj", 12, 48),
        external_heads,
        ((2, 7, 12),),
        dispensable=r"^(trans_dims|linear_0)\.bias$",
    ),
    Case(
        "MenghaoGuo/EANet@59c03cb:model_torch",
        ExternalAttention(12, slots=5),
        layer("conv1", 12, 12, 1, 1)
        | layer("linear_0", 5, 12, 1, bias=False)
        | layer("linear_1", 12, 5, 1, bias=False)
        | layer("conv2.0", 12, 12, 1, 1, bias=False)
        | batch_norm("conv2.1", 12),
        external_head,
        ((2, 7, 12),),
        dispensable=r"^conv",
    ),
    Case(
        "apple/ml-cvnets",
        SeparableAttention(12),
        layer("qkv_proj.block.conv", 25, 12, 1, 1) | layer("out_proj.block.conv", 12, 12, 1, 1),
        separable,
        ((2, 7, 12),),
    ),
]
