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


def outlook_attention(m, x):
    _, channels, height, width = x.shape
    size, step = m.kernel_size, m.stride
    head_dim = channels // m.heads
    samples = []
    for sample in x:
        y = {(i, j): 0 for i in range(height) for j in range(width)}
        values = {u: _pointwise(m.value, sample[:, *u]).view(m.heads, head_dim) for u in y}
        beyond = torch.zeros_like(sample[:, 0, 0]).view(m.heads, head_dim)
        for row in range(0, height, step):
            for column in range(0, width, step):
                block = [(row + a, column + b) for a in range(step) for b in range(step)]
                block = [sample[:, *u] for u in block if u in y]
                logits = m.logits.weight @ (sum(block) / len(block)) + m.logits.bias
                logits = logits.view(m.heads, size**2, size**2) / sqrt(head_dim)
                steps = range(-(size // 2), size // 2 + 1)
                window = [(row + a, column + b) for a in steps for b in steps]
                seen = [values.get(u, beyond) for u in window]
                for i, u in enumerate(window):
                    if u in y:
                        weights = _softmax([logits[:, i, j, None] for j in range(size**2)])
                        y[u] = y[u] + sum(w * v for w, v in zip(weights, seen, strict=True))
        pixels = [_pointwise(m.out, pixel.flatten()) for pixel in y.values()]
        samples.append(torch.stack(pixels, 1).view_as(sample))
    return torch.stack(samples)


def halo_attention(m, x):
    _, channels, height, width = x.shape
    head_dim, middle = channels // m.heads, m.block_size + m.halo_size - 1
    reach = range(-m.halo_size, m.block_size + m.halo_size)
    samples = []
    for sample in x:
        places = [(i, j) for i in range(height) for j in range(width)]
        parts = {u: (m.query_key_value.weight @ sample[:, *u]).view(3, m.heads, -1) for u in places}
        pixels = []
        for i, j in places:
            top, left = i - i % m.block_size, j - j % m.block_size
            near = [(top + a, left + b) for a in reach for b in reach]
            near = [u for u in near if u in parts]
            query = parts[i, j][0]
            scores = []
            for a, b in near:
                offset = m.rows[a - i + middle] + m.columns[b - j + middle]
                score = (query * (parts[a, b][1] + offset)).sum(1, keepdim=True)
                scores.append(score / sqrt(head_dim))
            mixed = zip(_softmax(scores), near, strict=True)
            pixels.append(sum(w * parts[u][2] for w, u in mixed).flatten())
        samples.append(torch.stack(pixels, 1).view_as(sample))
    return torch.stack(samples)


def _softmax(scores):
    """Of a list of numbers, or of tensors of them: one softmax for each place in these."""
    largest = scores[0]
    for score in scores:
        largest = torch.maximum(largest, score)
    powers = [(score - largest).exp() for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _pointwise(conv, pixel):
    """A convolution of size 1 at one pixel."""
    y = conv.weight[:, :, 0, 0] @ pixel
    return y if conv.bias is None else y + conv.bias
