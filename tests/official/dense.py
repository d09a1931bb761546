"""Dense attention, as its authors compute it."""

import torch.nn.functional as F

from attention_lib.dense import EfficientMultiHeadAttention, MultiHeadAttention
from tests.support.official import Case, conv, layer, layer_normed, linear, norm


def heads(x, number):
    return x.unflatten(-1, (number, -1)).transpose(1, 2)


def multi_head(weights, x):
    query, key, value = (heads(x @ weights[f"{name}/kernel"], 3) for name in "qkv")
    logits = query * query.shape[-1] ** -0.5 @ key.mT
    gathered = logits.softmax(dim=-1) @ value
    return gathered.transpose(1, 2).flatten(2) @ weights["output_transform/kernel"]


def efficient_multi_head(ratio, number):
    def answer(weights, x, height, width):
        few = x
        if ratio > 1:
            few = x.mT.unflatten(2, (height, width))
            how = dict(stride=ratio, padding=ratio // 2, groups=12)
            few = F.conv2d(few, weights["sr.weight"], weights["sr.bias"], **how)
            few = layer_normed(weights, "sr_norm", few.flatten(2).mT)
        query = heads(linear(weights, "q", x), number)
        key, value = (heads(each, number) for each in linear(weights, "kv", few).chunk(2, dim=-1))
        logits = query * query.shape[-1] ** -0.5 @ key.mT
        if number == 1:
            gathered = logits.softmax(dim=-1) @ value
        else:
            shares = conv(weights, "transform_conv", logits).softmax(dim=-1)
            gathered = F.instance_norm(shares) @ value
        return linear(weights, "proj", gathered.transpose(1, 2).flatten(2))

    return answer


REDUCED = layer("sr", 12, 1, 3, 3) | norm("sr_norm", 12)
PLAIN = layer("q", 12, 12) | layer("kv", 24, 12) | layer("proj", 12, 12)
MIXED = PLAIN | layer("transform_conv", 3, 3, 1, 1)
CASES = [
    Case(
        "tensorflow/tensor2tensor",
        MultiHeadAttention(12, heads=3),
        dict.fromkeys(("q/kernel", "k/kernel", "v/kernel", "output_transform/kernel"), (12, 12)),
        multi_head,
        ((2, 7, 12),),
    ),
    *(
        Case(
            "wofmanaf/ResT",
            EfficientMultiHeadAttention(12, heads=3, sr_ratio=ratio),
            shapes,
            efficient_multi_head(ratio, 3),
            ((2, 24, 12), 6, 4),
            dispensable=r"^(kv|sr_norm|transform_conv)\.bias$",
        )
        for ratio, shapes in ((1, MIXED), (2, MIXED | REDUCED))
    ),
    *(
        Case(
            "wofmanaf/ResT",
            EfficientMultiHeadAttention(12, heads=1, sr_ratio=ratio, plain=True),
            shapes,
            efficient_multi_head(ratio, 1),
            ((2, 24, 12), 6, 4),
        )
        for ratio, shapes in ((1, PLAIN), (2, PLAIN | REDUCED))
    ),
]
