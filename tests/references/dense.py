"""Dense attention, one subscript at a time."""

from math import sqrt

import torch


def multi_head(m, x):
    size = m.dim // m.heads
    weight = torch.cat([m.query.weight, m.key_value.weight])
    bias = torch.zeros_like(weight[:, 0])
    if m.query.bias is not None:
        bias = torch.cat([m.query.bias, m.key_value.bias])
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


def simplified(m, x):
    """No paper: heads on the raw features, y = concat_h [softmax(x_h x_h^T / sqrt(d_h)) x_h] W_o.

    Sizes: m.dim, m.heads, m.causal.  Weights: m.out.weight (dim, dim), .bias (dim,).
    """
    size = m.dim // m.heads
    y = torch.zeros_like(x)
    for b, tokens in enumerate(x):
        for i in range(len(tokens)):
            others = range(i + 1 if m.causal else len(tokens))
            gathered = []
            for h in range(m.heads):
                own = range(h * size, (h + 1) * size)
                scores = [sum(tokens[i, c] * tokens[j, c] for c in own) for j in others]
                scores = [score / sqrt(size) for score in scores]
                powers = [(score - max(scores)).exp() for score in scores]
                for c in own:
                    mixed = sum(powers[j] * tokens[j, c] for j in others)
                    gathered.append(mixed / sum(powers))
            y[b, i] = m.out.weight @ torch.stack(gathered) + m.out.bias
    return y


def efficient_multi_head(m, x, height, width, context=None):
    """EMSA = concat_g [IN(softmax(Conv(Q K^T / sqrt(d_h))))_g V_g] W_o: ResT (2105.13677), sec. 3.

    Q = x W_q.  With s = sr_ratio > 1, K and V are projected from the map of the context c (c = x if
    none is given) after a depthwise convolution of kernel s + 1, stride s and padding s / 2, of
    which s // 2 lie above and left and the rest below and right, and a LayerNorm: M = ceil(H / s) *
    ceil(W / s) keys.  With s = 1 they are projected from c as it is.  Conv is 1 x 1 across the
    heads; IN centres and scales the (N, M) map of each head by its own mean and biased variance;
    if m.plain, there is neither Conv nor IN.

    Sizes: m.dim, m.heads, m.sr_ratio; d_h = dim / heads; c is (batch, height * width, dim).
    Weights: m.query.weight (dim, dim), .bias (dim,) or None; m.key_value.weight (2 dim, dim), the
    keys first, no bias; m.mix_heads (heads, heads), or None if m.plain;
    m.out.weight (dim, dim), .bias (dim,); if s > 1 also m.reduce.weight (dim, 1, s + 1, s + 1),
    .bias (dim,) and m.norm_weight (dim,).
    """
    size, s, eps = m.dim // m.heads, m.sr_ratio, 1e-5
    start = torch.zeros_like(m.out.bias) if m.query.bias is None else m.query.bias
    mix = torch.eye(m.heads).to(x) if m.plain else m.mix_heads
    y = []
    for tokens, others in zip(x, x if context is None else context, strict=True):
        places = [(i, j) for i in range(0, height, s) for j in range(0, width, s)]
        seen = [_reduced(m, others, height, width, i, j) for i, j in places]
        keys = [(m.key_value.weight[: m.dim] @ c).reshape(m.heads, size) for c in seen]
        values = [(m.key_value.weight[m.dim :] @ c).reshape(m.heads, size) for c in seen]
        weights = []  # weights[n][k]: one number a head, of query n for key k
        for token in tokens:
            query = (m.query.weight @ token + start).reshape(m.heads, size)
            logits = [mix @ ((query * key).sum(1) / sqrt(size)) for key in keys]
            largest = logits[0]
            for logit in logits:
                largest = torch.maximum(largest, logit)
            powers = [(logit - largest).exp() for logit in logits]
            total = sum(powers)
            weights.append([power / total for power in powers])
        count = len(weights) * len(keys)
        mean = sum(sum(row) for row in weights) / count
        variance = sum(sum((weight - mean) ** 2 for weight in row) for row in weights) / count
        for row in weights:
            gathered = torch.zeros_like(values[0])
            for weight, value in zip(row, values, strict=True):
                normed = weight if m.plain else (weight - mean) / (variance + eps).sqrt()
                gathered = gathered + normed[:, None] * value
            y.append(m.out.weight @ gathered.reshape(m.dim) + m.out.bias)
    return torch.stack(y).view_as(x)


def _reduced(m, tokens, height, width, i, j):
    """What a key and a value are projected from: the map convolved and normed around (i, j)."""
    if m.sr_ratio == 1:
        return tokens[i * width + j]
    total = m.reduce.bias
    for a in range(m.sr_ratio + 1):
        for b in range(m.sr_ratio + 1):
            row, column = i + a - m.sr_ratio // 2, j + b - m.sr_ratio // 2
            if 0 <= row < height and 0 <= column < width:
                total = total + m.reduce.weight[:, 0, a, b] * tokens[row * width + column]
    centred = total - total.sum() / m.dim
    variance = (centred**2).sum() / m.dim
    return centred / (variance + 1e-5).sqrt() * m.norm_weight
