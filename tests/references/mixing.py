"""Mixing, one subscript at a time."""

from math import sqrt

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


def _gelu(a):
    return a * (1 + (a / sqrt(2)).erf()) / 2
