"""Hybrid attention, one subscript at a time."""

from math import sqrt

import torch


def contextual(m, x):
    """K1 = relu(BN(conv_k X)); A = GN(relu(BN([K1, X] W1)) W2 + b); K2 = swish(BN(A * V)); fused.

    A * V at a pixel, channel c: the sum over k x k places of A[c mod planes, place] V[place, c].
    """
    _, channels, height, width = x.shape
    size, area = m.kernel_size, m.kernel_size**2
    planes = channels // m.share
    conv, norm_static, _ = m.static
    value_conv, norm_value = m.value
    norm_compare, _, widen, norm_weights = m.attend
    narrow, norm_hidden, _ = m.squash
    y = []
    for sample in x:
        static, weights = {}, {}
        value = {}
        for i in range(height):
            for j in range(width):
                seen = _convolved(conv.weight, conv.groups, sample, i, j)
                static[i, j] = _relu(_batch_norm(norm_static, seen))
                value[i, j] = _batch_norm(norm_value, _matrix(value_conv) @ sample[:, i, j])
                both = (
                    _matrix(m.compare_static) @ static[i, j] + _matrix(m.compare) @ sample[:, i, j]
                )
                hidden = _relu(_batch_norm(norm_compare, both))
                weights[i, j] = _matrix(widen) @ hidden + widen.bias
        for plane in range(planes):  # group normalisation: over one plane's places and all pixels
            rows = slice(plane * area, (plane + 1) * area)
            count = area * height * width
            mean = sum(w[rows].sum() for w in weights.values()) / count
            variance = sum(((w[rows] - mean) ** 2).sum() for w in weights.values()) / count
            for place, w in weights.items():
                normal = (w[rows] - mean) / (variance + norm_weights.eps).sqrt()
                normal = normal * norm_weights.weight[rows] + norm_weights.bias[rows]
                weights[place] = torch.cat([w[: rows.start], normal, w[rows.stop :]])
        dynamic = {}
        for i in range(height):
            for j in range(width):
                gathered = []
                for c in range(channels):
                    total = 0 * sample[c, i, j]
                    for a in range(size):
                        for b in range(size):
                            near = i + a - size // 2, j + b - size // 2
                            if near in value:
                                index = c % planes * area + a * size + b
                                total = total + weights[i, j][index] * value[near][c]
                    gathered.append(total)
                dynamic[i, j] = _swish(_batch_norm(m.normalize, torch.stack(gathered)))
        mean = sum(dynamic[p] + static[p] for p in static) / (height * width)
        hidden = _relu(_batch_norm(norm_hidden, narrow.weight @ mean))
        logits = (m.excite.weight @ hidden + m.excite.bias).reshape(channels, 2)
        powers = logits.exp()
        shares = powers / powers.sum(1, keepdim=True)
        y += [shares[:, 0] * dynamic[p] + shares[:, 1] * static[p] for p in static]
    return torch.stack(y).reshape(len(x), height, width, channels).permute(0, 3, 1, 2)


def mobilevit(m, x):
    """Convolutions, attention among the pixels at one place of all patches, fusion with x."""
    _, _, height, width = x.shape
    p = m.patch_size
    y = []
    for sample in x:
        near = {}
        first, norm, _, narrow = m.near
        for i in range(height):
            for j in range(width):
                local = _swish(_batch_norm(norm, _convolved(first.weight, 1, sample, i, j)))
                near[i, j] = _matrix(narrow) @ local
        rows, columns = -(-height // p) * p, -(-width // p) * p
        grid, far = _resized(near, (height, width), (rows, columns)), {}
        for a in range(p):
            for b in range(p):
                places = [(i, j) for i in range(a, rows, p) for j in range(b, columns, p)]
                tokens = [grid[place] for place in places]
                for layer in m.layers:
                    tokens = _transformer(layer, tokens)
                far |= {q: _layer_norm(m.norm, t) for q, t in zip(places, tokens, strict=True)}
        far, joined = _resized(far, (rows, columns), (height, width)), []
        back, norm, _ = m.far
        for i in range(height):
            for j in range(width):
                seen = _swish(_batch_norm(norm, _matrix(back) @ far[i, j]))
                joined.append(torch.cat([sample[:, i, j], seen]))
        joined = torch.stack(joined).reshape(height, width, -1).permute(2, 0, 1)
        last, norm, _ = m.fuse
        for i in range(height):
            for j in range(width):
                y.append(_swish(_batch_norm(norm, _convolved(last.weight, 1, joined, i, j))))
    return torch.stack(y).reshape(len(x), height, width, -1).permute(0, 3, 1, 2)


def relative(m, x):
    """a = x + MultiHead(LN x), y = a + W2 gelu(W1 LN a); logits q_i . k_j / sqrt(d) + w_{i - j}.

    The table of w holds the offsets of a map of its own size; bilinear for a map of another one.
    """
    _, channels, height, width = x.shape
    places = [(i, j) for i in range(height) for j in range(width)]
    _, rows, columns = m.table.shape
    table = {(r, c): m.table[:, r, c] for r in range(rows) for c in range(columns)}
    table = _resized(table, (rows, columns), (2 * height - 1, 2 * width - 1))
    norm, expand, _, contract = m.feed
    y = []
    for sample in x:
        projected = {}
        for i, j in places:
            normal = _layer_norm(m.norm, sample[:, i, j])
            parts = m.query_key_value.weight @ normal + m.query_key_value.bias
            projected[i, j] = parts.reshape(3, m.heads, m.head_dim)
        for i, j in places:
            heads = []
            for h in range(m.heads):
                logits = []
                for a, b in places:
                    offset = table[i - a + height - 1, j - b + width - 1][h]
                    likeness = (projected[i, j][0, h] * projected[a, b][1, h]).sum()
                    logits.append(likeness / sqrt(m.head_dim) + offset)
                weights = _shares(logits)
                heads.append(
                    sum(w * projected[p][2, h] for w, p in zip(weights, places, strict=True))
                )
            a = sample[:, i, j] + m.out.weight @ torch.cat(heads) + m.out.bias
            hidden = _gelu(expand.weight @ _layer_norm(norm, a) + expand.bias)
            y.append(a + contract.weight @ hidden + contract.bias)
    return torch.stack(y).reshape(len(x), height, width, channels).permute(0, 3, 1, 2)


def _transformer(layer, tokens):
    """A pre-norm transformer layer: a = x + MultiHead(LN x), y = a + W2 swish(W1 LN a)."""
    projected = []
    for token in tokens:
        parts = layer.query_key_value.weight @ _layer_norm(layer.norm, token)
        projected.append((parts + layer.query_key_value.bias).reshape(3, layer.heads, -1))
    norm, expand, _, contract = layer.feed
    answers = []
    for token, (query, _, _) in zip(tokens, projected, strict=True):
        heads = []
        for h in range(layer.heads):
            logits = [(query[h] * key[h]).sum() / sqrt(len(key[h])) for _, key, _ in projected]
            weights = _shares(logits)
            heads.append(sum(w * v[h] for w, (_, _, v) in zip(weights, projected, strict=True)))
        a = token + layer.out.weight @ torch.cat(heads) + layer.out.bias
        hidden = _swish(expand.weight @ _layer_norm(norm, a) + expand.bias)
        answers.append(a + contract.weight @ hidden + contract.bias)
    return answers


def _resized(pixels, old, new):
    """Bilinear: pixel centres at (r + 1/2) / size of each axis, and the outermost pixel beyond."""
    resized = {}
    for r in range(new[0]):
        for c in range(new[1]):
            corners = [{}, {}]
            for axis, target in enumerate((r, c)):
                at = max((target + 0.5) * old[axis] / new[axis] - 0.5, 0)
                low = int(at)
                high = min(low + 1, old[axis] - 1)
                corners[axis][low] = 1 - (at - low)
                corners[axis][high] = corners[axis].get(high, 0) + at - low
            above, left = corners
            resized[r, c] = sum(above[i] * left[j] * pixels[i, j] for i in above for j in left)
    return resized


def _layer_norm(norm, token):
    """Layer normalisation of one token's features."""
    mean = token.sum() / len(token)
    variance = ((token - mean) ** 2).sum() / len(token)
    return (token - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias


def _convolved(weight, groups, sample, i, j):
    """A k x k convolution at one pixel, zeros outside the map, channels kept apart in groups."""
    out, share, size, _ = weight.shape
    _, height, width = sample.shape
    total = [torch.zeros_like(sample[0, 0, 0]) for _ in range(out)]
    for a in range(size):
        for b in range(size):
            row, column = i + a - size // 2, j + b - size // 2
            if 0 <= row < height and 0 <= column < width:
                for o in range(out):
                    start = o // (out // groups) * share
                    seen = sample[start : start + share, row, column]
                    total[o] = total[o] + (weight[o, :, a, b] * seen).sum()
    return torch.stack(total)


def _batch_norm(norm, pixel):
    """Batch normalisation of one pixel's channels by the statistics that are kept."""
    centred = (pixel - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    return centred * norm.weight + norm.bias


def _matrix(conv):
    """The weights of a 1 x 1 convolution."""
    return conv.weight[:, :, 0, 0]


def _relu(a):
    return a * (a > 0)


def _swish(a):
    return a / (1 + (-a).exp())


def parallel_multi_scale(m, x, key_mask=None):
    """Attention(x) + Conv(x) + Pointwise(x): MUSE (1911.09483), sec. 2.

    Attention(x) = concat_h [softmax(Q_h K_h^T / sqrt(d_h)) V_h] W_o,  Q, K, V = x W_q, x W_k, x W_v
    Conv(x)      = sum_s softmax(alpha)_s Depth_{k_s}(V) W_c, with the V of the attention
    Depth_k(V)_{i,c} = sum_{t=1..k} softmax_t(W_{h(c),t} . V_i) V_{i + t - ceil((k + 1) / 2), c}
    Pointwise(x) = max(0, x W_1 + b_1) W_2 + b_2

    Depth is the dynamic convolution of Wu et al. (2019): each token makes its own kernel, one a
    head, out of its value; h(c) = c // d_h.  Outside the sequence values are zero.  Where
    `key_mask` is false a token is no key, and its value is zero for the convolution, unless
    m.read_padding; a token that sees nothing gathers zeros.

    Sizes: m.dim, m.heads, m.kernel_sizes (each >= 2: a softmax over one tap is 1 and learns
    nothing); d_h = dim / heads.
    Weights: m.query_key_value.weight (3 dim, dim), and .bias where m.bias is true;
    m.kernels[s].weight (heads * k_s, dim), the row of head h and tap t is h * k_s + t; m.select
    (scales,), alpha, or None if there is one scale; m.out_attention.weight and
    m.out_convolution.weight (dim, dim); none of these others has a bias.
    m.expand.weight (hidden, dim), .bias; m.contract.weight (dim, hidden), .bias.
    """
    size = m.dim // m.heads
    shares = [1.0] if m.select is None else _shares(list(m.select))
    y = []
    for sample, tokens in enumerate(x):
        real = [key_mask is None or bool(key_mask[sample, i]) for i in range(len(tokens))]
        parts = [m.query_key_value.weight @ token for token in tokens]
        if m.bias:
            parts = [part + m.query_key_value.bias for part in parts]
        read = [here or m.read_padding for here in real]
        queries = [part[: m.dim] for part in parts]
        keys = [part[m.dim : 2 * m.dim] for part in parts]
        values = [part[2 * m.dim :] for part in parts]
        for i, token in enumerate(tokens):
            gathered, convolved = [], []
            for h in range(m.heads):
                head = slice(h * size, h * size + size)
                seen = [j for j in range(len(tokens)) if real[j]]
                nothing = torch.zeros_like(values[i][head])
                logits = [(queries[i][head] * keys[j][head]).sum() / sqrt(size) for j in seen]
                weights = _shares(logits)
                gathered.append(
                    sum((w * values[j][head] for w, j in zip(weights, seen, strict=True)), nothing)
                )
                total = nothing
                own = values[i] if read[i] else 0 * values[i]
                for share, k, predict in zip(shares, m.kernel_sizes, m.kernels, strict=True):
                    taps = _shares([(predict.weight[h * k + t] * own).sum() for t in range(k)])
                    for t in range(k):
                        j = i + t - k // 2
                        if 0 <= j < len(tokens) and read[j]:
                            total = total + share * taps[t] * values[j][head]
                convolved.append(total)
            hidden = m.expand.weight @ token + m.expand.bias
            y.append(
                m.out_attention.weight @ torch.cat(gathered)
                + m.out_convolution.weight @ torch.cat(convolved)
                + m.contract.weight @ (hidden * (hidden > 0))
                + m.contract.bias
            )
    return torch.stack(y).view_as(x)


def acmix(m, x):
    """F_out = alpha F_att + beta F_conv out of one 1 x 1 projection: ACmix (2111.14556), sec. 4.

    q, k, v = the three 1 x 1 convolutions of x, each cut into N heads of d channels.
    F_att_{ij}  = concat_l sum_{ab in N_K(i,j)} A^l_{ab} v^l_{ab}, and over those ab
    A^l = softmax(q^l_{ij} . (k^l_{ab} + p_{ij} - p_{ab}) / sqrt(d)),  p_{ij} = W_p (x_j, y_i)
    F_conv      = sum over maps t and taps (a, b) of the shift kernels S * f_t, zeros outside, where
    f_t^c       = sum_u W_{t,u} z_u^c, c < d, over the 3 N pieces z = q^1..q^N, k^1..k^N, v^1..v^N.

    N_K(i,j) are the places of the map within K // 2 of (i, j) on both axes: outside the map there
    is no key, or, if m.mirror, that which lies as far inside the outermost row or column.  x_j and
    y_i run from -1 to 1 over columns and rows (0 on an axis of length 1; the difference alone
    counts).  With a stride s only places (i, j) = s (r, c) answer, both paths.

    Sizes: m.channels, m.heads (N), m.kernel_attention (K) and m.kernel_convolution (k), odd,
    m.stride; d = channels / heads.
    Weights: m.query_key_value.weight, as many numbers as (3 channels, channels), .bias, each
    channel that of a feature, of q, k or v, and of a head, the feature first; m.position.weight, as
    many as (d, 2), the column first, no bias;
    m.mix.weight, as many as (k^2, 3 N), no bias; m.shift.weight (channels, k^2, k, k), .bias
    (channels,): d groups, output channel o reads f^c with c = o // N; m.attention_rate and
    m.convolution_rate, one number each.
    """
    batch, channels, height, width = x.shape
    size, s, k = channels // m.heads, m.stride, m.kernel_convolution
    by_part = (size, 3, m.heads)  # our channels: one feature after another, of each part and head
    project = m.query_key_value.weight.reshape(*by_part, channels).permute(1, 2, 0, 3).flatten(0, 2)
    start = m.query_key_value.bias.reshape(by_part).permute(1, 2, 0).flatten()
    position = m.position.weight.reshape(size, 2)
    mix = m.mix.weight.reshape(k * k, 3 * m.heads)
    rows, columns = range(0, height, s), range(0, width, s)
    y = []
    for sample in x:
        places, maps = {}, {}  # at (i, j): q, k and v as (3, heads, size), and f as (k^2, size)
        for i in range(height):
            for j in range(width):
                projected = project @ sample[:, i, j] + start
                places[i, j] = projected.reshape(3, m.heads, size)
                maps[i, j] = mix @ projected.reshape(3 * m.heads, size)
        for i in rows:
            for j in columns:
                gathered = _local(m, places, position, height, width, i, j)
                convolved = _shifted(m, maps, i, j)
                y.append(m.attention_rate[0] * gathered + m.convolution_rate[0] * convolved)
    y = torch.stack(y).reshape(batch, len(rows), len(columns), channels)
    return y.permute(0, 3, 1, 2)


def _local(m, places, position, height, width, i, j):
    """The attention of place (i, j) to the places of the map around it, head after head."""
    reach, query, logits = m.kernel_attention // 2, places[i, j][0], []
    around = [(a, b) for a, b in places if abs(a - i) <= reach and abs(b - j) <= reach]
    if m.mirror:
        rows = [_mirrored(a, height) for a in range(i - reach, i + reach + 1)]
        columns = [_mirrored(b, width) for b in range(j - reach, j + reach + 1)]
        around = [(a, b) for a in rows for b in columns]
    for a, b in around:
        right, down = 2 * (j - b) / max(width - 1, 1), 2 * (i - a) / max(height - 1, 1)
        offset = right * position[:, 0] + down * position[:, 1]
        logits.append((query * (places[a, b][1] + offset)).sum(1) / sqrt(query.shape[1]))
    weights = _shares(logits)  # one number a head for each place
    mixed = [w[:, None] * places[p][2] for w, p in zip(weights, around, strict=True)]
    return sum(mixed).reshape(m.channels)


def _mirrored(place, size):
    place = abs(place)
    return place if place < size else 2 * (size - 1) - place


def _shifted(m, maps, i, j):
    """The convolution path at place (i, j): the maps f, each filtered, all added up."""
    k, answers = m.kernel_convolution, []
    for c in range(m.channels // m.heads):
        group = slice(c * m.heads, c * m.heads + m.heads)
        total = m.shift.bias[group]
        for a in range(k):
            for b in range(k):
                place = i + a - k // 2, j + b - k // 2
                if place in maps:
                    total = total + m.shift.weight[group, :, a, b] @ maps[place][:, c]
        answers.append(total)
    return torch.cat(answers)


def _shares(logits):
    """The softmax over a list of numbers, or of vectors entry by entry."""
    largest = logits[0] if logits else None
    for logit in logits:
        largest = torch.maximum(largest, logit)
    powers = [(logit - largest).exp() for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


def _gelu(a):
    """a times the probability that a standard normal number is below it."""
    return a * (1 + (a / sqrt(2)).erf()) / 2
