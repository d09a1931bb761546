"""Spatial attention, one subscript at a time."""

import torch


def spatial_group(m, x):
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


def coordinate(m, x):
    r"""z^h_c(i) = 1/W sum_j x_c(i, j),  z^w_c(j) = 1/H sum_i x_c(i, j),
    f = delta(BN(F_1 [z^h, z^w])),  delta(a) = a min(max(a + 3, 0), 6) / 6,
    g^h = sigma(F_h f^h),  g^w = sigma(F_w f^w),  y_c(i, j) = x_c(i, j) g^h_c(i) g^w_c(j).
    """
    conv, norm, _ = m.squash
    _, channels, height, width = x.shape
    y = []
    for sample in x:
        rows = [sum(sample[:, i, j] for j in range(width)) / width for i in range(height)]
        columns = [sum(sample[:, i, j] for i in range(height)) / height for j in range(width)]
        gates = []  # of the rows, then of the columns: place -> vector of C
        for means, excite in ((rows, m.excite_rows), (columns, m.excite_columns)):
            for mean in means:
                hidden = []
                for u in range(len(conv.weight)):
                    a = sum(conv.weight[u, c, 0] * mean[c] for c in range(channels))
                    a = (a - norm.running_mean[u]) / (norm.running_var[u] + norm.eps).sqrt()
                    a = a * norm.weight[u] + norm.bias[u]
                    hidden.append(a * (a + 3).clamp(0, 6) / 6)
                logits = excite.weight[..., 0] @ torch.stack(hidden) + excite.bias
                gates.append(1 / (1 + (-logits).exp()))
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    y.append(sample[c, i, j] * gates[i][c] * gates[height + j][c])
    return torch.stack(y).view_as(x)


def class_specific(m, x):
    r"""With x_p the features of place p, and in each head t a classifier m_k for class k:

        s_kp = m_k . x_p / |m_k|,  a_kp = exp(T s_kp) / sum_q exp(T s_kq),
        y_k = sum_t (1 / HW sum_p s_kp + lambda sum_p a_kp s_kp);

    where T is infinite, the second sum is max_p s_kp.
    """
    _, _, height, width = x.shape
    places = [(i, j) for i in range(height) for j in range(width)]
    y = []
    for sample in x:
        for k in range(m.classes):
            logit = 0
            for t, temperature in enumerate(m.temperatures):
                row = m.classify[t][k]
                length = (row * row).sum().sqrt()
                scores = [(row * sample[:, i, j]).sum() / length for i, j in places]
                best = max(scores)
                if temperature == float("inf"):
                    attended = best
                else:
                    powers = [(temperature * (score - best)).exp() for score in scores]
                    attended = sum(a / sum(powers) * s for a, s in zip(powers, scores, strict=True))
                logit = logit + sum(scores) / len(places) + m.lam * attended
            y.append(logit)
    return torch.stack(y).view(len(x), m.classes)
