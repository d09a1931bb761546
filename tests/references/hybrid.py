"""Hybrid attention, one subscript at a time."""

from math import sqrt

import torch


def contextual_transformer(m, x):
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


def mobile_vi_t_block(m, x):
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


def _shares(logits):
    """The softmax of a list of numbers."""
    powers = [(logit - max(logits)).exp() for logit in logits]
    return [power / sum(powers) for power in powers]


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
