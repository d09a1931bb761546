"""Joint attention, one subscript at a time."""

import torch


def convolutional_block_attention(m, x):
    """M_c from the pooled channels; F' = M_c F; M_s from the pooled places of F'; F'' = M_s F'."""
    _, channels, height, width = x.shape
    y = []
    for sample in x:
        of_means = _two_layers(m, [sample[c].sum() / (height * width) for c in range(channels)])
        of_maxima = _two_layers(m, [sample[c].max() for c in range(channels)])
        gated = [_sigmoid(of_means[c] + of_maxima[c]) * sample[c] for c in range(channels)]
        lines = [
            [torch.stack([gated[c][i, j] for c in range(channels)]) for j in range(width)]
            for i in range(height)
        ]
        gates = _plane_gate(m.mix, lines)
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    y.append(gates[i][j] * gated[c][i, j])
    return torch.stack(y).view_as(x)


def bottleneck_attention(m, x):
    """F' = F + F sigmoid(M_c + M_s); or, as the authors released it, with M_c M_s un-normalised."""
    _, channels, height, width = x.shape
    first, norm, _, last, end = m.channel_vote
    y = []
    for sample in x:
        hidden = []
        for u, row in enumerate(first.weight):
            a = sum(row[c] * (sample[c].sum() / (height * width)) for c in range(channels))
            a = a if first.bias is None else a + first.bias[u]
            hidden.append(_relu(_normalized(norm, u, a)))
        channel_vote = []
        for c, row in enumerate(last.weight):
            a = sum(row[u] * h for u, h in enumerate(hidden))
            channel_vote.append(a + last.bias[c] if m.multiply else _normalized(end, c, a))
        place_vote = _place_vote(m, sample)
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    a, b = channel_vote[c], place_vote[i][j]
                    gate = _sigmoid(a * b if m.multiply else a + b)
                    y.append(sample[c, i, j] + sample[c, i, j] * gate)
    return torch.stack(y).view_as(x)


def _place_vote(m, sample):
    """M_s of one map: 1x1, two dilated 3x3, 1x1."""
    *inner, last, end = m.place_vote
    height, width = sample.shape[1:]
    at = [[sample[:, i, j] for j in range(width)] for i in range(height)]
    for conv, norm in zip(inner[::3], inner[1::3], strict=True):
        size, step = conv.weight.shape[-1], m.dilation if conv.weight.shape[-1] == 3 else 0
        new = []
        for i in range(height):
            new.append([])
            for j in range(width):
                total = 0 if conv.bias is None else conv.bias
                for p in range(size):
                    for q in range(size):
                        row, column = i + (p - 1) * step, j + (q - 1) * step
                        if 0 <= row < height and 0 <= column < width:
                            total = total + conv.weight[:, :, p, q] @ at[row][column]
                units = [_relu(_normalized(norm, u, total[u])) for u in range(len(total))]
                new[-1].append(torch.stack(units))
        at = new
    votes = [
        [(last.weight[0, :, 0, 0] * at[i][j]).sum() for j in range(width)] for i in range(height)
    ]
    if m.multiply:
        return [[vote + last.bias[0] for vote in row] for row in votes]
    return [[_normalized(end, 0, vote) for vote in row] for row in votes]


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


def _two_layers(m, numbers):
    """What the MLP of m.squash and m.excite makes of one number per channel."""
    hidden = []
    for j, row in enumerate(m.squash.weight):
        a = sum(row[c] * number for c, number in enumerate(numbers))
        a = a if m.squash.bias is None else a + m.squash.bias[j]
        hidden.append(_relu(a))
    outputs = []
    for c, row in enumerate(m.excite.weight):
        a = sum(row[j] * h for j, h in enumerate(hidden))
        outputs.append(a if m.excite.bias is None else a + m.excite.bias[c])
    return outputs


def _normalized(norm, c, value):
    """Batch normalisation of one number by the statistics kept for channel c."""
    centred = (value - norm.running_mean[c]) / (norm.running_var[c] + norm.eps).sqrt()
    return centred * norm.weight[c] + norm.bias[c]


def _relu(a):
    return a * (a > 0)


def _sigmoid(a):
    return 1 / (1 + (-a).exp())
