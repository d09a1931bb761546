"""Joint attention, one subscript at a time."""

import torch


def convolutional_block(m, x):
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


def bottleneck(m, x):
    """F' = F + F sigmoid(M_c + M_s); or, as the authors released it, with M_c M_s un-normalised."""
    _, channels, height, width = x.shape
    first, norm, _, last, end = m.channel_branch
    y = []
    for sample in x:
        hidden = []
        for u, row in enumerate(first.weight):
            a = sum(row[c] * (sample[c].sum() / (height * width)) for c in range(channels))
            a = a if first.bias is None else a + first.bias[u]
            hidden.append(_relu(_normalized(norm, u, a)))
        channel_branch = []
        for c, row in enumerate(last.weight):
            a = sum(row[u] * h for u, h in enumerate(hidden))
            channel_branch.append(a + last.bias[c] if m.multiply else _normalized(end, c, a))
        spatial_branch = _spatial_branch(m, sample)
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    a, b = channel_branch[c], spatial_branch[i][j]
                    gate = _sigmoid(a * b if m.multiply else a + b)
                    y.append(sample[c, i, j] + sample[c, i, j] * gate)
    return torch.stack(y).view_as(x)


def _spatial_branch(m, sample):
    """M_s of one map: 1x1, two dilated 3x3, 1x1."""
    *inner, last, end = m.spatial_branch
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


def dual(m, x):
    """E_j = alpha sum_i s_ji D_i + A_j over places, and E_j = beta sum_i x_ji A_i + A_j over
    channels, added.  In the authors' code x is a softmax of the largest likeness less each."""
    _, channels, height, width = x.shape
    y = []
    for sample in x:
        at = [sample[:, i, j] for i in range(height) for j in range(width)]
        keys = [m.key.weight @ a for a in at]
        values = [m.value.weight @ a + m.value.bias for a in at]
        places = []
        for a in at:
            query = m.query.weight @ a + m.query.bias
            logits = [(query * key).sum() for key in keys]
            places.append(_mixed(logits, values) * m.position_scale + a)
        features = []
        for c in range(channels):
            logits = [(sample[c] * sample[other]).sum() for other in range(channels)]
            if m.least_alike:
                logits = [max(logits) - logit for logit in logits]
            features.append(_mixed(logits, list(sample)) * m.channel_scale + sample[c])
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    y.append(places[i * width + j][c] + features[c][i, j])
    return torch.stack(y).view_as(x)


def _mixed(logits, values):
    """The values, each weighed by the softmax of its logit (unscaled, it is too large for exp)."""
    powers = [(logit - max(logits)).exp() for logit in logits]
    total = sum(powers)
    return sum(power / total * value for power, value in zip(powers, values, strict=True))


def triplet(m, x):
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


def shuffle(m, x):
    r"""The channels are cut into G groups, each group into two halves X_1, X_2 of C / 2G channels:

        X_1' = sigmoid(W_1 mean(X_1) + b_1) X_1,      X_2' = sigmoid(W_2 GN(X_2) + b_2) X_2,

    GN normalises each channel over its places, and has a weight and a bias of its own.  All is
    laid down in the order in which it came, [X_1', X_2'] group after group; then the channels are
    shuffled with two groups: new channel 2 j + i is old channel i C/2 + j.  The vectors have C / 2G
    numbers and serve every group: 3 C / G parameters in all.

    Reads m.groups (an int); m.channel_scale, m.channel_shift (W_1, b_1), m.spatial_scale,
    m.spatial_shift (W_2, b_2), each C / 2G numbers; m.norm_scale, m.norm_shift (C / 2G).
    """
    _, channels, height, width = x.shape
    half, places = channels // (2 * m.groups), height * width
    channel_scale, channel_shift = m.channel_scale.flatten(), m.channel_shift.flatten()
    spatial_scale, spatial_shift = m.spatial_scale.flatten(), m.spatial_shift.flatten()
    y = []
    for sample in x:
        gated = []
        for g in range(m.groups):
            start = 2 * half * g
            for c in range(half):
                channel = sample[start + c]
                mean = channel.sum() / places
                gated.append(channel * _sigmoid(channel_scale[c] * mean + channel_shift[c]))
            for c in range(half):
                channel = sample[start + half + c]
                mean = channel.sum() / places
                variance = ((channel - mean) ** 2).sum() / places
                normed = (channel - mean) / (variance + 1e-5).sqrt()
                normed = normed * m.norm_scale[c] + m.norm_shift[c]
                gated.append(channel * _sigmoid(spatial_scale[c] * normed + spatial_shift[c]))
        for j in range(channels // 2):
            for i in range(2):
                y.append(gated[i * (channels // 2) + j])
    return torch.stack(y).view_as(x)


def polarized(m, x):
    r"""A gate for each channel and a gate for each place, side by side or one after the other:

        A_ch(X) = sigmoid(LN(W_z (sum_p softmax_p(W_q X)_p (W_v X)_p)))           in R^C
        A_sp(X) = sigmoid(sum_c softmax_c(mean_p(W_q' X)_p)_c (W_v' X)_c)         in R^{HW}
        parallel: A_ch(X) X + A_sp(X) X;   sequential: Z = A_ch(X) X, then A_sp(Z) Z.

    Inside there are C // 2 channels; LN normalises the C numbers before the sigmoid.

    Reads m.parallel (a bool) and six layers, the first five 1x1 (Linear or Conv2d) without bias:
    m.channel_query (C -> 1), m.channel_value (C -> C // 2), m.channel_out (C // 2 -> C),
    m.spatial_query (C -> C // 2), m.spatial_value (its transpose); m.norm.weight, .bias (C), .eps.

    Where m.released is true, the authors' code.  A_sp has softmax_p in place of softmax_c: of the
    sum over c if parallel, of W_v' X if sequential.  A_ch has no LN if parallel; if sequential, in
    place of LN and W_z m.channel_out is a layer, a norm (.eps), a ReLU, and a layer, with biases,
    and m.spatial_value is not transposed.
    """
    by_channel = torch.stack([_channel_gated(m, sample) for sample in x])
    if m.parallel:
        return by_channel + torch.stack([_place_gated(m, sample) for sample in x])
    return torch.stack([_place_gated(m, sample) for sample in by_channel])


def _channel_gated(m, sample):
    channels, height, width = sample.shape
    query, value = m.channel_query.weight.flatten(1), m.channel_value.weight.flatten(1)
    powers, values = [], []  # one entry per place
    for i in range(height):
        for j in range(width):
            powers.append((query[0] * sample[:, i, j]).sum().exp())
            values.append(value @ sample[:, i, j])
    context = sum(p / sum(powers) * v for p, v in zip(powers, values, strict=True))
    if m.released and not m.parallel:
        first, norm, _, last = m.channel_out
        hidden = _layer_normed(norm, first.weight @ context + first.bias)
        normed = last.weight @ (hidden * (hidden > 0)) + last.bias
    else:
        normed = m.channel_out.weight.flatten(1) @ context
        normed = normed if m.released else _layer_normed(m.norm, normed)
    return torch.stack([_sigmoid(normed[c]) * sample[c] for c in range(channels)])


def _layer_normed(norm, z):
    mean = z.sum() / len(z)
    variance = ((z - mean) ** 2).sum() / len(z)
    return (z - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias


def _place_gated(m, sample):
    channels, height, width = sample.shape
    query, value = m.spatial_query.weight, m.spatial_value.weight
    if not m.released or m.parallel:
        value = value.mT
    queries = [query @ sample[:, i, j] for i in range(height) for j in range(width)]
    shares = [sum(q[c] for q in queries) / (height * width) for c in range(len(query))]
    places = [sample[:, i, j] for i in range(height) for j in range(width)]
    seen = [value @ place for place in places]
    if not m.released:
        powers = [share.exp() for share in shares]
        shares = [power / sum(powers) for power in powers]
    elif not m.parallel:
        total = sum(s.exp() for s in seen)
        seen = [s.exp() / total for s in seen]
    logits = [sum(share * s[c] for c, share in enumerate(shares)) for s in seen]
    if m.released and m.parallel:
        total = sum(logit.exp() for logit in logits)
        logits = [logit.exp() / total for logit in logits]
    gated = [_sigmoid(logit) * place for logit, place in zip(logits, places, strict=True)]
    return torch.stack(gated, 1).view(channels, height, width)


def parnet(m, x):
    r"""Three branches are added, then a SiLU, a / (1 + exp(-a)):

        y = SiLU(BN_1(K_1x1 * x) + BN_2(K_3x3 * x) + z sigmoid(W mean(z))),      z = BN_3(x)

    (in eval mode: BN is with the statistics kept; zeros around the map for the 3x3).

    Reads m.point = Sequential(1x1 convolution, BatchNorm2d), m.square = Sequential(3x3 convolution,
    BatchNorm2d), m.skip = BatchNorm2d, m.excite, 1x1 (Linear or Conv2d), C -> C; no bias in any.
    """
    _, _, height, width = x.shape
    y = []
    for sample in x:
        points, squares, skipped = [], [], []  # a vector of C for each place
        for i in range(height):
            for j in range(width):
                square = torch.zeros_like(sample[:, i, j])
                for a in range(3):
                    for b in range(3):
                        row, column = i + a - 1, j + b - 1
                        if 0 <= row < height and 0 <= column < width:
                            square = square + m.square[0].weight[..., a, b] @ sample[:, row, column]
                point = m.point[0].weight[..., 0, 0] @ sample[:, i, j]
                points.append(_batch_normed(m.point[1], point))
                squares.append(_batch_normed(m.square[1], square))
                skipped.append(_batch_normed(m.skip, sample[:, i, j]))
        gate = _sigmoid(m.excite.weight.flatten(1) @ (sum(skipped) / (height * width)))
        totals = [a + b + gate * z for a, b, z in zip(points, squares, skipped, strict=True)]
        y.append(torch.stack([a * _sigmoid(a) for a in totals], 1).view_as(sample))
    return torch.stack(y)


def simam(m, x):
    r"""In each channel, for each of its M = HW numbers t, the inverse of the least energy:

        y = t sigmoid(1 / e),      e = 4 (s^2 + lambda) / ((t - mu)^2 + 2 s^2 + 2 lambda),

    mu the mean and s^2 the variance of the channel, which the paper's listing divides by M - 1 (its
    equation 5 by M).  One number alone has s^2 = 0, as its distance from the mean is.

    Reads m.regularization (a float, lambda); there are no parameters.
    """
    _, _, height, width = x.shape
    y = []
    for sample in x:
        for channel in sample:
            mean = channel.sum() / (height * width)
            variance = ((channel - mean) ** 2).sum() / max(height * width - 1, 1)
            for i in range(height):
                for j in range(width):
                    t, stiff = channel[i, j], variance + m.regularization
                    energy = 4 * stiff / ((t - mean) ** 2 + 2 * stiff)
                    y.append(t * _sigmoid(1 / energy))
    return torch.stack(y).view_as(x)


def _batch_normed(norm, place):
    """Batch normalisation of the C numbers of a place, by the statistics kept."""
    centred = (place - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    return centred * norm.weight + norm.bias


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
