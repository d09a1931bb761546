"""Mixing, one subscript at a time."""

from math import cos, floor, pi, sin, sqrt

import torch


def spatial_shift(m, x):
    r"""At each place a layer makes 3 C numbers, cut into X_1, X_2, X_3 of C.  X_1 and X_2 are cut
    into quarters at C // 4, C // 2, 3 C // 4, and each quarter is moved by one place:

        X_1: along the width +1, the width -1, the height +1, the height -1
        X_2: along the height +1, the height -1, the width +1, the width -1;      X_3 stays.

    Moved by +1, place p takes what p - 1 had; the place at the edge keeps its own.  With K = 3,

        a = sum_k sum_p X_kp,   A = reshape(GELU(a W_1) W_2) in R^{K x C},   w = softmax_k(A),
        y_p = W (sum_k w_k X_kp) + b

    (a is a sum and not a mean, each w_k holds C numbers, and W_1 and W_2 have no bias).

    Reads four Linear layers: m.expand (C -> 3 C) and m.out (C -> C) with bias, m.squash (C -> any)
    and m.excite (any -> 3 C; number k C + c is for branch k and channel c) without.
    """
    _, channels, height, width = x.shape
    cuts = [0, channels // 4, channels // 2, channels * 3 // 4, channels]
    along_width, along_height = [(0, -1), (0, 1)], [(-1, 0), (1, 0)]  # where a place reads
    moves = [along_width + along_height, along_height + along_width, [(0, 0)] * 4]
    y = []
    for sample in x:
        expanded = {}
        for i in range(height):
            for j in range(width):
                expanded[i, j] = m.expand.weight @ sample[:, i, j] + m.expand.bias
        maps = []  # X_1, X_2, X_3 after the shift: place -> vector of C
        for k in range(3):
            moved = {}
            for i, j in expanded:
                quarters = []
                for q in range(4):
                    source = i + moves[k][q][0], j + moves[k][q][1]
                    part = expanded[source if source in expanded else (i, j)]
                    quarters.append(part[k * channels + cuts[q] : k * channels + cuts[q + 1]])
                moved[i, j] = torch.cat(quarters)
            maps.append(moved)
        summed = sum(moved[place] for moved in maps for place in expanded)
        logits = m.excite.weight @ _gelu(m.squash.weight @ summed)
        mixed = []
        for place in expanded:
            numbers = []
            for c in range(channels):
                scores = [logits[k * channels + c] for k in range(3)]
                powers = [(score - max(scores)).exp() for score in scores]
                numbers.append(sum(powers[k] / sum(powers) * maps[k][place][c] for k in range(3)))
            mixed.append(m.out.weight @ torch.stack(numbers) + m.out.bias)
        y.append(torch.stack(mixed, 1).view_as(sample))
    return torch.stack(y)


def global_filter(m, x):
    r"""X_uv = sum_ij x_ij e^(-2 pi i (u i / H + v j / W)),
    y_ij = Re 1 / HW sum_uv K_uv X_uv e^(2 pi i (u i / H + v j / W)), in each channel.

    K_uv is kept for v = 0 ... W // 2; for the others it is the complex conjugate of K_(-u, -v).
    A filter kept for another size is read between its entries, first to first and last to last.

    Reads m.filter: real and imaginary parts (2, C, rows, columns).
    """
    _, channels, height, width = x.shape
    places = [(i, j) for i in range(height) for j in range(width)]
    y = []
    for sample in x:
        real, imaginary = {}, {}  # of K X, frequency -> vector of C
        for u, v in places:
            mirrored = v > width // 2
            at = ((height - u) % height, width - v) if mirrored else (u, v)
            k_real, k_imaginary = _between(m.filter, *at, height, width // 2 + 1)
            if mirrored:
                k_imaginary = -k_imaginary
            x_real, x_imaginary = 0, 0
            for i, j in places:
                angle = 2 * pi * (u * i / height + v * j / width)
                x_real = x_real + cos(angle) * sample[:, i, j]
                x_imaginary = x_imaginary - sin(angle) * sample[:, i, j]
            real[u, v] = k_real * x_real - k_imaginary * x_imaginary
            imaginary[u, v] = k_real * x_imaginary + k_imaginary * x_real
        for i, j in places:
            total = 0
            for u, v in places:
                angle = 2 * pi * (u * i / height + v * j / width)
                total = total + cos(angle) * real[u, v] - sin(angle) * imaginary[u, v]
            y.append(total / (height * width))
    return torch.stack(y).view(len(x), height, width, channels).permute(0, 3, 1, 2)


def _between(table, u, v, rows, columns):
    """What `table` (..., its rows, its columns) holds at (u, v) if stretched to rows x columns."""
    parts = []  # along each axis: the entry before, the one after, and how far between them
    for place, wanted, kept in ((u, rows, table.shape[2]), (v, columns, table.shape[3])):
        where = place * (kept - 1) / (wanted - 1) if wanted > 1 else 0
        before = min(floor(where), kept - 1)
        parts.append((before, min(before + 1, kept - 1), where - before))
    (up, down, a), (left, right, b) = parts
    upper = (1 - b) * table[:, :, up, left] + b * table[:, :, up, right]
    lower = (1 - b) * table[:, :, down, left] + b * table[:, :, down, right]
    return (1 - a) * upper + a * lower


def permutator(m, x):
    r"""Channel n S + s is the s-th of group n (the paper's reshape of C into N, S).  With R on the
    numbers (s, i) of a group and a column, and Q on the numbers (s, j) of a group and a row:

        h_(n, s, i, j) = sum_(t, k) R_(s i, t k) x_(n, t, k, j),
        w_(n, s, i, j) = sum_(t, k) Q_(s j, t k) x_(n, t, i, k),   c_ij = P x_ij,
        A = reshape(W_2 GELU(W_1 mean_ij (h + w + c) + b_1) + b_2) in R^{3 x C},
        a = softmax over the three,   y_ij = W (a_1 h + a_2 w + a_3 c)_ij + b.

    Reads m.mix_rows (R), m.mix_columns (Q), m.mix_channels (P), m.squash[0] and m.excite (W_1 and
    W_2; number k C + c of the last is for branch k and channel c), m.out (W), m.segment_size (S).
    """
    _, channels, height, width = x.shape
    size, groups = m.segment_size, channels // m.segment_size
    y = []
    for sample in x:
        along_height, along_width, along_channels = {}, {}, {}  # (c, i, j) -> number
        for n in range(groups):
            for j in range(width):
                seen = [sample[n * size + t, k, j] for t in range(size) for k in range(height)]
                for s in range(size):
                    for i in range(height):
                        row = m.mix_rows.weight[s * height + i, :, 0]
                        along_height[n * size + s, i, j] = (row * torch.stack(seen)).sum()
            for i in range(height):
                seen = [sample[n * size + t, i, k] for t in range(size) for k in range(width)]
                for s in range(size):
                    for j in range(width):
                        row = m.mix_columns.weight[s * width + j]
                        along_width[n * size + s, i, j] = (row * torch.stack(seen)).sum()
        for i in range(height):
            for j in range(width):
                for c in range(channels):
                    row = m.mix_channels.weight[c, :, 0, 0]
                    along_channels[c, i, j] = (row * sample[:, i, j]).sum()
        maps = [along_height, along_width, along_channels]
        places = [(i, j) for i in range(height) for j in range(width)]
        means = []
        for c in range(channels):
            total = sum(branch[c, i, j] for branch in maps for i, j in places)
            means.append(total / (height * width))
        hidden = _gelu(m.squash[0].weight @ torch.stack(means) + m.squash[0].bias)
        logits = m.excite.weight @ hidden + m.excite.bias
        mixed = {}
        for c in range(channels):
            scores = [logits[k * channels + c] for k in range(3)]
            powers = [(score - max(scores)).exp() for score in scores]
            for i, j in places:
                mixed[c, i, j] = sum(
                    power / sum(powers) * branch[c, i, j]
                    for power, branch in zip(powers, maps, strict=True)
                )
        for c in range(channels):
            for i, j in places:
                column = torch.stack([mixed[other, i, j] for other in range(channels)])
                y.append((m.out.weight[c, :, 0, 0] * column).sum() + m.out.bias[c])
    return torch.stack(y).view_as(x)


def _gelu(a):
    return a * (1 + (a / sqrt(2)).erf()) / 2
