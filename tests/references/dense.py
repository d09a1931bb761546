"""Dense attention, one subscript at a time."""

from math import sqrt

import torch


def multi_head_attention(m, x):
    size = m.dim // m.heads
    weight, bias = m.query_key_value.weight, m.query_key_value.bias
    bias = torch.zeros_like(weight[:, 0]) if bias is None else bias
    end = torch.zeros_like(weight[0]) if m.out.bias is None else m.out.bias
    y = []
    for tokens in x:
        for i, _ in enumerate(tokens):
            seen = tokens[: i + 1] if m.causal else tokens
            heads = []
            for h in range(m.heads):
                rows = [torch.arange(size) + h * size + part * m.dim for part in range(3)]
                query = weight[rows[0]] @ tokens[i] + bias[rows[0]]
                keys = [weight[rows[1]] @ other + bias[rows[1]] for other in seen]
                values = [weight[rows[2]] @ other + bias[rows[2]] for other in seen]
                scores = [(query * key).sum() / sqrt(size) for key in keys]
                powers = [(score - max(scores)).exp() for score in scores]
                mixed = [p * value for p, value in zip(powers, values, strict=True)]
                heads.append(sum(mixed) / sum(powers))
            y.append(m.out.weight @ torch.cat(heads) + end)
    return torch.stack(y).view_as(x)
