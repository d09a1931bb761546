"""Sparse attention, one subscript at a time."""

from math import sqrt

import torch


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
