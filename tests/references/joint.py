"""Joint attention, one subscript at a time."""

import torch


def triplet_attention(m, x):
    """Three Z-pools, each gated in the plane that is left; the mean of the three gated maps."""
    _, channels, height, width = x.shape
    y = []
    for sample in x:
        seen_along_height = [[sample[c, :, j] for j in range(width)] for c in range(channels)]
        seen_along_width = [[sample[c, i, :] for c in range(channels)] for i in range(height)]
        seen_along_channels = [[sample[:, i, j] for j in range(width)] for i in range(height)]
        channel_width = _plane_gate(m.channel_width, seen_along_height)
        height_channel = _plane_gate(m.height_channel, seen_along_width)
        height_width = _plane_gate(m.height_width, seen_along_channels)
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    gates = channel_width[c][j] + height_channel[i][c] + height_width[i][j]
                    y.append(sample[c, i, j] * gates / 3)
    return torch.stack(y).view_as(x)


def _plane_gate(layers, lines):
    """sigmoid(BN(K * [max; mean])) over a plane; lines[a][b] is what is pooled at (a, b)."""
    conv, norm, *_ = layers
    size, weight = conv.weight.shape[-1], conv.weight[0]
    rows, columns = len(lines), len(lines[0])
    pooled = [[torch.stack([z.max(), z.sum() / len(z)]) for z in row] for row in lines]
    gates = []
    for a in range(rows):
        gates.append([])
        for b in range(columns):
            total = 0
            for p in range(size):
                for q in range(size):
                    row, column = a + p - size // 2, b + q - size // 2
                    if 0 <= row < rows and 0 <= column < columns:
                        total = total + (weight[:, p, q] * pooled[row][column]).sum()
            gates[-1].append(_sigmoid(_normalized(norm, 0, total)))
    return gates


def _normalized(norm, c, value):
    """Batch normalisation of one number by the statistics kept for channel c."""
    centred = (value - norm.running_mean[c]) / (norm.running_var[c] + norm.eps).sqrt()
    return centred * norm.weight[c] + norm.bias[c]


def _sigmoid(a):
    return 1 / (1 + (-a).exp())
