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


def _softmax(scores):
    powers = [(score - max(scores)).exp() for score in scores]
    return [power / sum(powers) for power in powers]
