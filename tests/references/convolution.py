"""Convolutions, one subscript at a time."""

import torch


def depthwise_separable(m, x):
    """z_ci = f(BN(Σ_p D_cp x_c(si + p))), y_oi = f(BN(Σ_c K_oc z_ci)), f(u) = max(u, 0).

    Howard et al. 2017, of stride s, with zeros around the map, in eval mode.

    m.stride
    m.look.weight       (channels, 1, k, k), without bias: one kernel a channel
    m.mix.weight        (out_channels, channels, 1, 1), without bias
    m.look_norm, m.mix_norm   batch norms: weight, bias, running_mean, running_var, eps
    """
    batch, channels, height, width = x.shape
    size, s = m.look.weight.shape[-1], m.stride
    y = []
    for b in range(batch):
        places = []
        for i in range(0, height, s):
            for j in range(0, width, s):
                z = []
                for c in range(channels):
                    total = x.new_zeros(())
                    for p in range(size):
                        for q in range(size):
                            row, column = i + p - size // 2, j + q - size // 2
                            if 0 <= row < height and 0 <= column < width:
                                total = total + m.look.weight[c, 0, p, q] * x[b, c, row, column]
                    z.append(_relu(_norm(m.look_norm, total, c)))
                mixed = m.mix.weight[:, :, 0, 0] @ torch.stack(z)
                places.append([_relu(_norm(m.mix_norm, u, o)) for o, u in enumerate(mixed)])
        y.append(torch.stack([torch.stack(place) for place in places], dim=1))
    rows = len(range(0, height, s))
    return torch.stack(y).unflatten(-1, (rows, -1))


def _relu(number):
    return number if number > 0 else 0 * number


def _norm(norm, number, c):
    """Batch normalisation of one number by the statistics of channel c."""
    deviation = (norm.running_var[c] + norm.eps).sqrt()
    return (number - norm.running_mean[c]) / deviation * norm.weight[c] + norm.bias[c]
