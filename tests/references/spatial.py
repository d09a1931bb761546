"""Spatial attention, one subscript at a time."""

import torch


def spatial_group_enhance(m, x):
    r"""The channels are cut into G groups; in each, with m = HW places x_i (vectors of C / G):

        g = 1/m sum_i x_i,  c_i = g . x_i,  mu = 1/m sum_i c_i,  s^2 = 1/m sum_i (c_i - mu)^2,
        a_i = gamma (c_i - mu) / (s + eps) + beta,  y_i = x_i sigmoid(a_i),  eps = 1e-5.

    Reads m.groups (an int), m.scale and m.shift (gamma and beta, one number a group).
    """
    _, channels, height, width = x.shape
    size, places = channels // m.groups, height * width
    scale, shift = m.scale.flatten(), m.shift.flatten()
    y = []
    for sample in x:
        for t in range(m.groups):
            group = sample[t * size : (t + 1) * size]
            means = [channel.sum() / places for channel in group]
            likeness = []  # c_i, row by row
            for i in range(height):
                for j in range(width):
                    likeness.append(sum(means[c] * group[c, i, j] for c in range(size)))
            mean = sum(likeness) / places
            variance = sum((c - mean) ** 2 for c in likeness) / places
            # where all places are alike the root has no slope, and nothing is left to divide
            spread = variance.sqrt() if variance > 0 else variance
            for channel in group:
                for p, c in enumerate(likeness):
                    a = scale[t] * (c - mean) / (spread + 1e-5) + shift[t]
                    y.append(channel[p // width, p % width] / (1 + (-a).exp()))
    return torch.stack(y).view_as(x)
