"""Channel attention, one subscript at a time."""

import torch


def squeeze_excitation(m, x):
    y = []
    for sample in x:
        means = [channel.sum() / channel.numel() for channel in sample]
        gates = _two_layers(m, means)
        y.append(torch.stack([g * channel for g, channel in zip(gates, sample, strict=True)]))
    return torch.stack(y)


def efficient_channel(m, x):
    size, weight = m.mix.weight.numel(), m.mix.weight.flatten()
    y = []
    for sample in x:
        means = [channel.sum() / channel.numel() for channel in sample]
        for c, channel in enumerate(sample):
            mixed = 0 * means[0]
            for t in range(size):
                neighbour = c + t - size // 2
                if 0 <= neighbour < len(means):
                    mixed = mixed + weight[t] * means[neighbour]
            y.append(channel / (1 + (-mixed).exp()))
    return torch.stack(y).view_as(x)


def global_context(m, x):
    """y_j = x_j + t, or sigmoid(t) x_j; t = W_2 ReLU(LN(W_1 c)); c = sum_j softmax_j(w x_j) x_j."""
    _, channels, height, width = x.shape
    y = []
    for sample in x:
        positions = [sample[:, i, j] for i in range(height) for j in range(width)]
        powers = [(m.query.weight.flatten() * position).sum().exp() for position in positions]
        context = sum(a / sum(powers) * x_j for a, x_j in zip(powers, positions, strict=True))
        hidden = [
            (row * context).sum() + bias
            for row, bias in zip(m.squash.weight, m.squash.bias, strict=True)
        ]
        mean = sum(hidden) / len(hidden)
        variance = sum((value - mean) ** 2 for value in hidden) / len(hidden)
        for u, value in enumerate(hidden):
            centred = (value - mean) / (variance + m.norm.eps).sqrt()
            hidden[u] = _relu(centred * m.norm.weight[u] + m.norm.bias[u])
        for c in range(channels):
            t = m.excite.bias[c] + sum(
                w * h for w, h in zip(m.excite.weight[c], hidden, strict=True)
            )
            y.append(sample[c] / (1 + (-t).exp()) if m.multiply else sample[c] + t)
    return torch.stack(y).view_as(x)


def selective_kernel(m, x):
    _, channels, height, width = x.shape
    y = []
    for sample in x:
        maps = []
        for scale, (conv, norm, _) in enumerate(m.split, 1):
            share = channels // conv.groups  # channels that one filter sees
            branch_map = []
            for c in range(channels):
                start = c // share * share
                for i in range(0, height, m.stride):
                    for j in range(0, width, m.stride):
                        total = torch.zeros_like(sample[0, 0, 0])
                        for a in (-1, 0, 1):
                            for b in (-1, 0, 1):
                                row, column = i + a * scale, j + b * scale
                                if 0 <= row < height and 0 <= column < width:
                                    seen = sample[start : start + share, row, column]
                                    total = total + (conv.weight[c, :, a + 1, b + 1] * seen).sum()
                        branch_map.append(_relu(_normalized(norm, c, total)))
            rows = len(range(0, height, m.stride))
            maps.append(torch.stack(branch_map).view(channels, rows, -1))
        summed = sum(maps)
        means = torch.stack([summed[c].sum() / summed[c].numel() for c in range(channels)])
        dense, norm, _ = m.fuse
        z = [_relu(_normalized(norm, u, (row * means).sum())) for u, row in enumerate(dense.weight)]
        z = torch.stack(z)
        logits = [(row * z).sum() for row in m.select.weight]
        for c in range(channels):
            powers = [logits[s * channels + c].exp() for s in range(len(maps))]
            shares = [power / sum(powers) for power in powers]
            y.append(sum(a * branch_map[c] for a, branch_map in zip(shares, maps, strict=True)))
    return torch.stack(y).view(len(x), *maps[0].shape)


def pyramid_split(m, x):
    """F_i = conv_{k_i, G_i}(X); a_i = softmax over i of SE(F_i); output = concat of a_i * F_i."""
    batch, channels, height, width = x.shape
    outputs = []
    for b in range(batch):
        maps, gates = [], []  # F_i[o, r, c] and SE(F_i)[o], one entry per branch i
        for conv in m.split:
            filters, size = conv.weight.shape[0], conv.kernel_size[0]
            inputs = channels // conv.groups  # input channels that one filter sees
            side = x.new_zeros(channels, height, size // 2)
            wide = torch.cat([side, x[b], side], 2)
            edge = x.new_zeros(channels, size // 2, wide.shape[2])
            padded = torch.cat([edge, wide, edge], 1)
            values = []
            for o in range(filters):
                first = (o // (filters // conv.groups)) * inputs
                for r in range(0, height, m.stride):
                    for c in range(0, width, m.stride):
                        window = padded[first : first + inputs, r : r + size, c : c + size]
                        values.append((conv.weight[o] * window).sum())
            rows = len(range(0, height, m.stride))
            maps.append(torch.stack(values).reshape(filters, rows, -1))
            means = [maps[-1][o].sum() / maps[-1][o].numel() for o in range(filters)]
            gates.append(_two_layers(m, means))
        scaled = []  # output channel i * (channels / S) + o, in branch order
        for i in range(len(maps)):
            for o in range(len(maps[i])):
                total = sum(torch.exp(gate[o]) for gate in gates)
                scaled.append(torch.exp(gates[i][o]) / total * maps[i][o])
        outputs.append(torch.stack(scaled))
    return torch.stack(outputs)


def _two_layers(m, means):
    """The gates that m.squash and m.excite make of a list of means."""
    hidden = []
    for j, row in enumerate(m.squash.weight):
        a = sum(row[c] * mean for c, mean in enumerate(means))
        hidden.append(_relu(a if m.squash.bias is None else a + m.squash.bias[j]))
    gates = []
    for c, row in enumerate(m.excite.weight):
        a = sum(row[j] * h for j, h in enumerate(hidden))
        a = a if m.excite.bias is None else a + m.excite.bias[c]
        gates.append(1 / (1 + (-a).exp()))
    return gates


def _normalized(norm, c, value):
    """Batch normalisation of one number by the statistics kept for channel c."""
    centred = (value - norm.running_mean[c]) / (norm.running_var[c] + norm.eps).sqrt()
    return centred * norm.weight[c] + norm.bias[c]


def _relu(a):
    return a * (a > 0)
