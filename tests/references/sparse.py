"""Sparse attention, one subscript at a time."""

from math import sqrt

import torch


def multi_resolution_overlapped_attention(m, x):
    """y_p = x_p + (concat_h [softmax(q_a K^T / sqrt(d_h) + B_h) V]) W_o + b_o, a = the window of p.

    MOA (2201.12903), sec. 3: a window of the map is one token.  With z = W_r x + b_r, a 1 x 1
    convolution to C / R channels, and windows of w x w places that do not overlap,
    q_a        = W_q vec(z over window a) + b_q
    k_b, v_b   = W_kv vec(z over window b and `overlap` more places on each side)
    B_h[a, b]  = a learned number for each difference of rows and of columns of windows.
    Every window attends to every window; what it gathers is added to all its places.  Places
    outside the map are zeros of z, below and right of it too where w does not divide the size;
    each window holds a place of the map, so no token is hidden.

    Sizes: m.channels, m.heads, m.window_size (w), m.overlap, m.windows (g, the most windows along
    an axis); d_h = channels / heads; C / R is the length of z.
    Weights: m.reduce.weight, as many numbers as (C / R, C), .bias (C / R,); m.query.weight
    (C, C / R, w, w), .bias (C,); m.key_value.weight (2 C, C / R, w + 2 overlap, w + 2 overlap), the
    keys first, no bias; m.position_bias (heads, 2 g - 1, 2 g - 1) at [h, row of a - row of b + g -
    1, column of a - column of b + g - 1]; m.out.weight, as many as (C, C), .bias (C,).
    """
    batch, channels, height, width = x.shape
    w, size, last = m.window_size, channels // m.heads, m.windows - 1
    narrow = m.reduce.weight.reshape(-1, channels)
    out = m.out.weight.reshape(channels, channels)
    y = []
    for sample in x:
        z = {}
        for i in range(height):
            for j in range(width):
                z[i, j] = narrow @ sample[:, i, j] + m.reduce.bias
        windows = [(r, c) for r in range(-(-height // w)) for c in range(-(-width // w))]
        queries, keys, values = [], [], []
        for r, c in windows:
            queries.append(_projected(m.query.weight, z, r * w, c * w) + m.query.bias)
            both = _projected(m.key_value.weight, z, r * w - m.overlap, c * w - m.overlap)
            keys.append(both[:channels])
            values.append(both[channels:])
        answers = {}
        for a, (r, c) in enumerate(windows):
            heads = []
            for h in range(m.heads):
                part, logits = slice(h * size, h * size + size), []
                for b, (row, column) in enumerate(windows):
                    bias = m.position_bias[h, r - row + last, c - column + last]
                    logits.append((queries[a][part] * keys[b][part]).sum() / sqrt(size) + bias)
                powers = [(logit - max(logits)).exp() for logit in logits]
                mixed = [p * value[part] for p, value in zip(powers, values, strict=True)]
                heads.append(sum(mixed) / sum(powers))
            answers[r, c] = out @ torch.cat(heads) + m.out.bias
        for i in range(height):
            for j in range(width):
                y.append(sample[:, i, j] + answers[i // w, j // w])
    return torch.stack(y).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def _projected(weight, z, top, left):
    """A filter as large as its patch, on the patch of z whose first place is (top, left)."""
    total = torch.zeros_like(weight[:, 0, 0, 0])
    for a in range(weight.shape[2]):
        for b in range(weight.shape[3]):
            if (top + a, left + b) in z:
                total = total + weight[:, :, a, b] @ z[top + a, left + b]
    return total


def axial_attention(m, x):
    size = x.shape[1] // m.heads
    for axis, project, out in zip(m.axes, m.query_key_value, m.out, strict=True):
        samples = []
        for sample in x:
            rows, columns = range(sample.shape[1]), range(sample.shape[2])
            parts = {(i, j): project.weight @ sample[:, i, j] for i in rows for j in columns}
            pixels = []
            for i in rows:
                for j in columns:
                    line = [(i, b) for b in columns] if axis == -1 else [(a, j) for a in rows]
                    heads = []
                    for h in range(m.heads):
                        first = [part * x.shape[1] + h * size for part in range(3)]
                        query, key, value = (slice(f, f + size) for f in first)
                        seen = [parts[place] for place in line]
                        scores = [(parts[i, j][query] * s[key]).sum() / sqrt(size) for s in seen]
                        mixed = [w * s[value] for w, s in zip(_softmax(scores), seen, strict=True)]
                        heads.append(sum(mixed))
                    pixels.append(out.weight @ torch.cat(heads))
            samples.append(torch.stack(pixels, 1).view_as(sample))
        x = torch.stack(samples)
    return x


def criss_cross_attention(m, x):
    height, width = x.shape[2:]
    for _ in range(m.recurrence):
        samples = []
        for sample in x:
            places = [(i, j) for i in range(height) for j in range(width)]
            queries, keys, values = (
                {(i, j): _pointwise(conv, sample[:, i, j]) for i, j in places}
                for conv in (m.query, m.key, m.value)
            )
            pixels = []
            for i, j in places:
                cross = [(i, b) for b in range(width)]
                cross += [(a, j) for a in range(height) if a != i]  # itself is in the row
                weights = _softmax([(queries[i, j] * keys[u]).sum() for u in cross])
                mixed = sum(w * values[u] for w, u in zip(weights, cross, strict=True))
                pixels.append(m.scale * mixed + sample[:, i, j])
            samples.append(torch.stack(pixels, 1).view_as(sample))
        x = torch.stack(samples)
    return x


def _softmax(scores):
    powers = [(score - max(scores)).exp() for score in scores]
    return [power / sum(powers) for power in powers]


def _pointwise(conv, pixel):
    """A convolution of size 1 at one pixel."""
    y = conv.weight[:, :, 0, 0] @ pixel
    return y if conv.bias is None else y + conv.bias
