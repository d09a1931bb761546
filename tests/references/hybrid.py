"""Hybrid attention, one subscript at a time."""

from math import sqrt

import torch


def parallel_multi_scale_attention(m, x, padding=None):
    """Attention(x) + Conv(x) + Pointwise(x): MUSE (1911.09483), sec. 2.

    Attention(x) = concat_h [softmax(Q_h K_h^T / sqrt(d_h)) V_h] W_o,  Q, K, V = x W_q, x W_k, x W_v
    Conv(x)      = sum_s softmax(alpha)_s Depth_{k_s}(V) W_c, with the V of the attention
    Depth_k(V)_{i,c} = sum_{t=1..k} softmax_t(W_{h(c),t} . V_i) V_{i + t - ceil((k + 1) / 2), c}
    Pointwise(x) = max(0, x W_1 + b_1) W_2 + b_2

    Depth is the dynamic convolution of Wu et al. (2019): each token makes its own kernel, one a
    head, out of its value; h(c) = c // d_h.  Outside the sequence values are zero.  Where
    `padding` is false a token is no key, and its value is zero for the convolution; a token that
    sees nothing gathers zeros.

    Sizes: m.dim, m.heads, m.kernel_sizes (each >= 2: a softmax over one tap is 1 and learns
    nothing); d_h = dim / heads.
    Weights: m.query_key_value.weight (3 dim, dim); m.kernels[s].weight (heads * k_s, dim), the row
    of head h and tap t is h * k_s + t; m.select (scales,), alpha, or None if there is one scale;
    m.out_attention.weight and m.out_convolution.weight (dim, dim); none of these has a bias.
    m.expand.weight (hidden, dim), .bias; m.contract.weight (dim, hidden), .bias.
    """
    size = m.dim // m.heads
    shares = [1.0] if m.select is None else _shares(list(m.select))
    y = []
    for sample, tokens in enumerate(x):
        real = [padding is None or bool(padding[sample, i]) for i in range(len(tokens))]
        parts = [m.query_key_value.weight @ token for token in tokens]
        queries = [part[: m.dim] for part in parts]
        keys = [part[m.dim : 2 * m.dim] for part in parts]
        values = [part[2 * m.dim :] for part in parts]
        for i, token in enumerate(tokens):
            gathered, convolved = [], []
            for h in range(m.heads):
                head = slice(h * size, h * size + size)
                seen = [j for j in range(len(tokens)) if real[j]]
                nothing = torch.zeros_like(values[i][head])
                logits = [(queries[i][head] * keys[j][head]).sum() / sqrt(size) for j in seen]
                weights = _shares(logits)
                gathered.append(
                    sum((w * values[j][head] for w, j in zip(weights, seen, strict=True)), nothing)
                )
                total = nothing
                own = values[i] if real[i] else 0 * values[i]
                for share, k, predict in zip(shares, m.kernel_sizes, m.kernels, strict=True):
                    taps = _shares([(predict.weight[h * k + t] * own).sum() for t in range(k)])
                    for t in range(k):
                        j = i + t - k // 2
                        if 0 <= j < len(tokens) and real[j]:
                            total = total + share * taps[t] * values[j][head]
                convolved.append(total)
            hidden = m.expand.weight @ token + m.expand.bias
            y.append(
                m.out_attention.weight @ torch.cat(gathered)
                + m.out_convolution.weight @ torch.cat(convolved)
                + m.contract.weight @ (hidden * (hidden > 0))
                + m.contract.bias
            )
    return torch.stack(y).view_as(x)


def a_cmix(m, x):
    """F_out = alpha F_att + beta F_conv out of one 1 x 1 projection: ACmix (2111.14556), sec. 4.

    q, k, v = the three 1 x 1 convolutions of x, each cut into N heads of d channels.
    F_att_{ij}  = concat_l sum_{ab in N_K(i,j)} A^l_{ab} v^l_{ab}, and over those ab
    A^l = softmax(q^l_{ij} . (k^l_{ab} + p_{ij} - p_{ab}) / sqrt(d)),  p_{ij} = W_p (x_j, y_i)
    F_conv      = sum over maps t and taps (a, b) of the shift kernels S * f_t, zeros outside, where
    f_t^c       = sum_u W_{t,u} z_u^c, c < d, over the 3 N pieces z = q^1..q^N, k^1..k^N, v^1..v^N.

    N_K(i,j) are the places of the map within K // 2 of (i, j) on both axes: outside the map there
    is no key.  x_j and y_i run from -1 to 1 over columns and rows (0 on an axis of length 1; the
    difference alone counts).  With a stride s only places (i, j) = s (r, c) answer, both paths.

    Sizes: m.channels, m.heads (N), m.kernel_attention (K) and m.kernel_convolution (k), odd,
    m.stride; d = channels / heads.
    Weights: m.query_key_value.weight, as many numbers as (3 channels, channels), .bias, rows q, k,
    v, each head by head; m.position.weight, as many as (d, 2), the column first, no bias;
    m.mix.weight, as many as (k^2, 3 N), no bias; m.shift.weight (channels, k^2, k, k), .bias
    (channels,): d groups, output channel o reads f^c with c = o // N; m.attention_rate and
    m.convolution_rate, one number each.
    """
    batch, channels, height, width = x.shape
    size, s, k = channels // m.heads, m.stride, m.kernel_convolution
    project = m.query_key_value.weight.reshape(3 * channels, channels)
    position = m.position.weight.reshape(size, 2)
    mix = m.mix.weight.reshape(k * k, 3 * m.heads)
    rows, columns = range(0, height, s), range(0, width, s)
    y = []
    for sample in x:
        places, maps = {}, {}  # at (i, j): q, k and v as (3, heads, size), and f as (k^2, size)
        for i in range(height):
            for j in range(width):
                projected = project @ sample[:, i, j] + m.query_key_value.bias
                places[i, j] = projected.reshape(3, m.heads, size)
                maps[i, j] = mix @ projected.reshape(3 * m.heads, size)
        for i in rows:
            for j in columns:
                gathered = _local(m, places, position, height, width, i, j)
                convolved = _shifted(m, maps, i, j)
                y.append(m.attention_rate * gathered + m.convolution_rate * convolved)
    y = torch.stack(y).reshape(batch, len(rows), len(columns), channels)
    return y.permute(0, 3, 1, 2)


def _local(m, places, position, height, width, i, j):
    """The attention of place (i, j) to the places of the map around it, head after head."""
    reach, query, logits = m.kernel_attention // 2, places[i, j][0], []
    around = [(a, b) for a, b in places if abs(a - i) <= reach and abs(b - j) <= reach]
    for a, b in around:
        right, down = 2 * (j - b) / max(width - 1, 1), 2 * (i - a) / max(height - 1, 1)
        offset = right * position[:, 0] + down * position[:, 1]
        logits.append((query * (places[a, b][1] + offset)).sum(1) / sqrt(query.shape[1]))
    weights = _shares(logits)  # one number a head for each place
    mixed = [w[:, None] * places[p][2] for w, p in zip(weights, around, strict=True)]
    return sum(mixed).reshape(m.channels)


def _shifted(m, maps, i, j):
    """The convolution path at place (i, j): the maps f, each filtered, all added up."""
    k, answers = m.kernel_convolution, []
    for c in range(m.channels // m.heads):
        group = slice(c * m.heads, c * m.heads + m.heads)
        total = m.shift.bias[group]
        for a in range(k):
            for b in range(k):
                place = i + a - k // 2, j + b - k // 2
                if place in maps:
                    total = total + m.shift.weight[group, :, a, b] @ maps[place][:, c]
        answers.append(total)
    return torch.cat(answers)


def _shares(logits):
    """The softmax over a list of numbers, or of vectors entry by entry."""
    largest = logits[0] if logits else None
    for logit in logits:
        largest = torch.maximum(largest, logit)
    powers = [(logit - largest).exp() for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]
