"""Sparse attention, one subscript at a time."""

from math import sqrt

import torch


def long_short_distance_attention(m, x):
    """Attention within groups of G x G places, each I apart (CrossFormer, 2108.00154, sec. 3.2).

    I = 1 is the short distance attention, I > 1 the long one.  A block of (G I) x (G I) places
    holds I x I groups; two places of a block are in one group if their rows are a multiple of I
    apart, and their columns too.  Places outside the map are in no group.
    """
    batch, channels, height, width = x.shape
    size, apart = channels // m.heads, m.interval
    block = m.group_size * apart
    places = [(i, j) for i in range(height) for j in range(width)]
    weight, biases, y = m.query_key_value.weight, {}, []
    for sample in x:
        queries, keys, values = {}, {}, {}
        for i, j in places:
            queries[i, j], keys[i, j], values[i, j] = (
                weight[part * channels : part * channels + channels] @ sample[:, i, j]
                for part in range(3)
            )
        for i, j in places:
            group = []
            for r, c in places:
                same_block = r // block == i // block and c // block == j // block
                if same_block and (r - i) % apart == 0 and (c - j) % apart == 0:
                    group.append((r, c))
            heads = []
            for h in range(m.heads):
                part, logits = slice(h * size, h * size + size), []
                for r, c in group:
                    steps = ((i - r) // apart, (j - c) // apart)
                    if steps not in biases:
                        biases[steps] = _dynamic_bias(m.position_bias, x.new_tensor(steps))
                    score = (queries[i, j][part] * keys[r, c][part]).sum() / sqrt(size)
                    logits.append(score + biases[steps][h])
                powers = [(logit - max(logits)).exp() for logit in logits]
                mixed = [p * values[at][part] for p, at in zip(powers, group, strict=True)]
                heads.append(sum(mixed) / sum(powers))
            y.append(m.out.weight @ torch.cat(heads) + m.out.bias)
    return torch.stack(y).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def _dynamic_bias(layers, steps):
    """A bias for each head, from two coordinates: four layers, the first three normed and cut."""
    first, norm1, _, second, norm2, _, third, norm3, _, last = layers
    z = steps
    for layer, norm in ((first, norm1), (second, norm2), (third, norm3)):
        z = layer.weight @ z + layer.bias
        z = (z - z.sum() / len(z)) / ((z - z.sum() / len(z)).square().sum() / len(z) + 1e-5).sqrt()
        z = z * norm.weight + norm.bias
        z = z * (z > 0)
    return last.weight @ z
