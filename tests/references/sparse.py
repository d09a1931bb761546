"""Sparse attention, one subscript at a time."""

from math import floor, sqrt

import torch


def long_short(m, x):
    """Attention within groups of G x G places, each I apart (CrossFormer, 2108.00154, sec. 3.2).

    I = 1 is the short distance attention, I > 1 the long one.  A block of (G I) x (G I) places
    holds I x I groups; two places of a block are in one group if their rows are a multiple of I
    apart, and their columns too.  Places outside the map are in no group.
    """
    batch, channels, height, width = x.shape
    size, apart = channels // m.heads, m.interval
    block = m.group_size * apart
    places = [(i, j) for i in range(height) for j in range(width)]
    biases, y = {}, []
    for sample in x:
        queries, keys, values = {}, {}, {}
        for i, j in places:
            projected = _pointwise(m.query_key_value, sample[:, i, j])
            queries[i, j], keys[i, j], values[i, j] = (
                projected[part * channels : part * channels + channels] for part in range(3)
            )
        for i, j in places:
            group = []
            for r, c in places:
                same_block = r // block == i // block and c // block == j // block
                if same_block and (r - i) % apart == 0 and (c - j) % apart == 0:
                    group.append((r, c))
            heads = []
            for h in range(m.heads):
                part, logits = slice(h * size, h * size + size), []
                for r, c in group:
                    steps = ((i - r) // apart, (j - c) // apart)
                    if steps not in biases:
                        biases[steps] = _dynamic_bias(m.position_bias, x.new_tensor(steps))
                    score = (queries[i, j][part] * keys[r, c][part]).sum() / sqrt(size)
                    logits.append(score + biases[steps][h])
                powers = [(logit - max(logits)).exp() for logit in logits]
                mixed = [p * values[at][part] for p, at in zip(powers, group, strict=True)]
                heads.append(sum(mixed) / sum(powers))
            y.append(m.out.weight.flatten(1) @ torch.cat(heads) + m.out.bias)
    return torch.stack(y).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def _dynamic_bias(layers, steps):
    """A bias for each head, from two coordinates: four layers, the first three normed and cut."""
    first, norm1, _, second, norm2, _, third, norm3, _, last = layers
    z = steps
    for layer, norm in ((first, norm1), (second, norm2), (third, norm3)):
        z = layer.weight @ z + layer.bias
        z = _normed(z) * norm.weight + norm.bias
        z = z * (z > 0)
    return last.weight @ z


def _normed(z):
    """Mean 0 and variance 1 over the features."""
    centred = z - z.sum() / len(z)
    return centred / (centred.square().sum() / len(z) + 1e-5).sqrt()


def deformable(m, x):
    _, channels, height, width = x.shape
    y = []
    for sample in x:
        query = {}
        for i in range(height):
            for j in range(width):
                query[i, j] = _pointwise(m.query, sample[:, i, j])
        per_group = channels // m.groups
        points, features = [], []
        for g in range(m.groups):
            own = slice(g * per_group, (g + 1) * per_group)
            group_points = _points(m, {p: q[own] for p, q in query.items()}, height, width)
            points.append(group_points)
            features.append(
                [
                    _bilinear(sample[own], _pixel(row, height), _pixel(column, width))
                    for row, column in group_points
                ]
            )
        keys, values = [], []
        for n in range(len(points[0])):
            sampled = torch.cat([features[g][n] for g in range(m.groups)])
            both = _pointwise(m.key_value, sampled)
            keys.append(both[:channels])
            values.append(both[channels:])
        rows = []
        for i in range(height):
            columns = []
            for j in range(width):
                heads = []
                for h in range(m.heads):
                    heads.append(
                        _head(m, h, query[i, j], keys, values, points, (i, j), (height, width))
                    )
                columns.append(_pointwise(m.out, torch.cat(heads)))
            rows.append(torch.stack(columns))
        answer = torch.stack(rows)  # height, width, channels
        y.append(answer.permute(2, 0, 1))
    return torch.stack(y)


def _head(m, h, query, keys, values, points, pixel, size):
    """One head's sum of values at one pixel."""
    depth = query.numel() // m.heads
    own = slice(h * depth, (h + 1) * depth)
    group = h // (m.heads // m.groups)
    table = m.position_bias[h : h + 1]
    at_row, at_column = _even(pixel[0], size[0]), _even(pixel[1], size[1])
    logits = []
    for n, key in enumerate(keys):
        row, column = points[group][n]
        bias = _bilinear(
            table,
            _pixel((at_row - row) / 2, table.shape[1]),
            _pixel((at_column - column) / 2, table.shape[2]),
        )[0]
        logits.append((query[own] * key[own]).sum() / sqrt(depth) + bias)
    powers = [(logit - max(logits)).exp() for logit in logits]
    total = sum(powers)
    return sum(power / total * value[own] for power, value in zip(powers, values, strict=True))


def _points(m, query, height, width):
    """One group's deformed points (row, column), normalised, the grid in row order."""
    kernel, stride = m.gather.kernel_size[0], m.gather.stride[0]
    pad = kernel // 2
    rows = (height + 2 * pad - kernel) // stride + 1
    columns = (width + 2 * pad - kernel) // stride + 1
    points = []
    for r in range(rows):
        for c in range(columns):
            seen = m.gather.bias
            for a in range(kernel):
                for b in range(kernel):
                    i, j = r * stride + a - pad, c * stride + b - pad
                    if 0 <= i < height and 0 <= j < width:
                        seen = seen + m.gather.weight[:, 0, a, b] * query[i, j]
            mean = seen.sum() / seen.numel()
            variance = ((seen - mean) ** 2).sum() / seen.numel()
            normed = (seen - mean) / (variance + m.norm.eps).sqrt()
            normed = normed * m.norm.weight + m.norm.bias
            active = normed * (1 + torch.erf(normed / sqrt(2))) / 2
            raw_row, raw_column = m.offset.weight @ active
            points.append((_place(m, r, rows, raw_row), _place(m, c, columns, raw_column)))
    return points


def _place(m, index, count, raw):
    """The normalised coordinate of a point, from what the network says of its offset."""
    if m.clamp:  # as in the authors' code: (index + 1/2) / (count - 1), counted from -1 to 1
        return (_even(index, count) + 1 / max(count - 1, 1) + raw).clamp(-1, 1)
    return _even(index, count) + m.offset_range * torch.tanh(raw) / count


def _even(index, count):
    """The normalised coordinate of one of `count` even steps from -1 to 1; 0 if it is alone."""
    return 2 * index / (count - 1) - 1 if count > 1 else 0.0


def _pixel(coordinate, count):
    """A normalised coordinate in steps, -1 at the first of `count` and 1 at the last."""
    return (coordinate + 1) / 2 * (count - 1)


def _bilinear(image, row, column):
    """The vector image[:, row, column] between its four pixels; zero beyond the border."""
    top, left = floor(row.detach()), floor(column.detach())
    total = torch.zeros_like(image[:, 0, 0])
    for i, row_share in ((top, top + 1 - row), (top + 1, row - top)):
        for j, column_share in ((left, left + 1 - column), (left + 1, column - left)):
            if 0 <= i < image.shape[1] and 0 <= j < image.shape[2]:
                total = total + row_share * column_share * image[:, i, j]
    return total


def overlapped(m, x):
    """y_p = x_p + (concat_h [softmax(q_a K^T / sqrt(d_h) + B_h) V]) W_o + b_o, a = the window of p.

    MOA (2201.12903), sec. 3: a window of the map is one token.  With z = W_r x + b_r, a 1 x 1
    convolution to C / R channels, and windows of w x w places that do not overlap,
    q_a        = W_q vec(z over window a) + b_q
    k_b, v_b   = W_kv vec(z over window b and `overlap` more places on each side)
    B_h[a, b]  = a learned number for each difference of rows and of columns of windows.
    Every window attends to every window; what it gathers is added to all its places.  Places
    outside the map are zeros of z, below and right of it too where w does not divide the size;
    each window holds a place of the map, so no token is hidden.

    Sizes: m.channels, m.heads, m.window_size (w), m.overlap, m.max_windows (g, the most windows
    along an axis); d_h = channels / heads; C / R is the length of z.
    Weights: m.reduce.weight, as many numbers as (C / R, C), .bias (C / R,); m.query.weight, as many
    as (C, C / R, w, w), .bias (C,); m.key_value.weight, as many as (2 C, C / R, w + 2 overlap,
    w + 2 overlap), the keys first, no bias; m.position_bias (heads, 2 g - 1, 2 g - 1) at [h, row of
    a - row of b + g - 1, column of a - column of b + g - 1]; m.out.weight, as many as (C, C), .bias
    (C,).
    """
    batch, channels, height, width = x.shape
    w, size, last = m.window_size, channels // m.heads, m.max_windows - 1
    narrow = m.reduce.weight.reshape(-1, channels)
    out = m.out.weight.reshape(channels, channels)
    wide = w + 2 * m.overlap
    query = m.query.weight.reshape(channels, -1, w, w)
    key_value = m.key_value.weight.reshape(2 * channels, -1, wide, wide)
    y = []
    for sample in x:
        z = {}
        for i in range(height):
            for j in range(width):
                z[i, j] = narrow @ sample[:, i, j] + m.reduce.bias
        windows = [(r, c) for r in range(-(-height // w)) for c in range(-(-width // w))]
        queries, keys, values = [], [], []
        for r, c in windows:
            queries.append(_projected(query, z, r * w, c * w) + m.query.bias)
            both = _projected(key_value, z, r * w - m.overlap, c * w - m.overlap)
            keys.append(both[:channels])
            values.append(both[channels:])
        answers = {}
        for a, (r, c) in enumerate(windows):
            heads = []
            for h in range(m.heads):
                part, logits = slice(h * size, h * size + size), []
                for b, (row, column) in enumerate(windows):
                    bias = m.position_bias[h, r - row + last, c - column + last]
                    logits.append((queries[a][part] * keys[b][part]).sum() / sqrt(size) + bias)
                powers = [(logit - max(logits)).exp() for logit in logits]
                mixed = [p * value[part] for p, value in zip(powers, values, strict=True)]
                heads.append(sum(mixed) / sum(powers))
            answers[r, c] = out @ torch.cat(heads) + m.out.bias
        for i in range(height):
            for j in range(width):
                y.append(sample[:, i, j] + answers[i // w, j // w])
    return torch.stack(y).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def _projected(weight, z, top, left):
    """A filter as large as its patch, on the patch of z whose first place is (top, left)."""
    total = torch.zeros_like(weight[:, 0, 0, 0])
    for a in range(weight.shape[2]):
        for b in range(weight.shape[3]):
            if (top + a, left + b) in z:
                total = total + weight[:, :, a, b] @ z[top + a, left + b]
    return total


def axial(m, x):
    size = x.shape[1] // m.heads
    for axis, project, out in zip(m.axes, m.query_key_value, m.out, strict=True):
        samples = []
        for sample in x:
            rows, columns = range(sample.shape[1]), range(sample.shape[2])
            parts = {(i, j): _pointwise(project, sample[:, i, j]) for i in rows for j in columns}
            pixels = []
            for i in rows:
                for j in columns:
                    line = [(i, b) for b in columns] if axis == -1 else [(a, j) for a in rows]
                    heads = []
                    for h in range(m.heads):
                        first = [part * x.shape[1] + h * size for part in range(3)]
                        query, key, value = (slice(f, f + size) for f in first)
                        seen = [parts[place] for place in line]
                        scores = [(parts[i, j][query] * s[key]).sum() / sqrt(size) for s in seen]
                        mixed = [w * s[value] for w, s in zip(_softmax(scores), seen, strict=True)]
                        heads.append(sum(mixed))
                    pixels.append(_pointwise(out, torch.cat(heads)))
            samples.append(torch.stack(pixels, 1).view_as(sample))
        x = torch.stack(samples)
    return x


def criss_cross(m, x):
    height, width = x.shape[2:]
    for _ in range(m.recurrence):
        samples = []
        for sample in x:
            places = [(i, j) for i in range(height) for j in range(width)]
            queries, keys, values = (
                {(i, j): _pointwise(conv, sample[:, i, j]) for i, j in places}
                for conv in (m.query, m.key, m.value)
            )
            pixels = []
            for i, j in places:
                cross = [(i, b) for b in range(width)]
                cross += [(a, j) for a in range(height) if a != i]  # itself is in the row
                weights = _softmax([(queries[i, j] * keys[u]).sum() for u in cross])
                mixed = sum(w * values[u] for w, u in zip(weights, cross, strict=True))
                pixels.append(m.scale * mixed + sample[:, i, j])
            samples.append(torch.stack(pixels, 1).view_as(sample))
        x = torch.stack(samples)
    return x


def outlook(m, x):
    _, channels, height, width = x.shape
    size, step = m.kernel_size, m.stride
    head_dim = channels // m.heads
    samples = []
    for sample in x:
        y = {(i, j): 0 for i in range(height) for j in range(width)}
        values = {u: _pointwise(m.value, sample[:, *u]).view(m.heads, head_dim) for u in y}
        beyond = torch.zeros_like(sample[:, 0, 0]).view(m.heads, head_dim)
        for row in range(0, height, step):
            for column in range(0, width, step):
                block = [(row + a, column + b) for a in range(step) for b in range(step)]
                block = [sample[:, *u] for u in block if u in y]
                logits = m.logits.weight @ (sum(block) / len(block)) + m.logits.bias
                logits = logits.view(m.heads, size**2, size**2) / sqrt(head_dim)
                steps = range(-(size // 2), size // 2 + 1)
                window = [(row + a, column + b) for a in steps for b in steps]
                seen = [values.get(u, beyond) for u in window]
                for i, u in enumerate(window):
                    if u in y:
                        weights = _softmax([logits[:, i, j, None] for j in range(size**2)])
                        y[u] = y[u] + sum(w * v for w, v in zip(weights, seen, strict=True))
        pixels = [_pointwise(m.out, pixel.flatten()) for pixel in y.values()]
        samples.append(torch.stack(pixels, 1).view_as(sample))
    return torch.stack(samples)


def halo(m, x):
    _, channels, height, width = x.shape
    head_dim, middle = channels // m.heads, m.block_size + m.halo_size - 1
    reach = range(-m.halo_size, m.block_size + m.halo_size)
    samples = []
    for sample in x:
        places = [(i, j) for i in range(height) for j in range(width)]
        parts = {u: (m.query_key_value.weight @ sample[:, *u]).view(3, m.heads, -1) for u in places}
        pixels = []
        for i, j in places:
            top, left = i - i % m.block_size, j - j % m.block_size
            near = [(top + a, left + b) for a in reach for b in reach]
            near = [u for u in near if u in parts]
            query = parts[i, j][0]
            scores = []
            for a, b in near:
                offset = m.rows[a - i + middle] + m.columns[b - j + middle]
                score = (query * (parts[a, b][1] + offset)).sum(1, keepdim=True)
                scores.append(score / sqrt(head_dim))
            mixed = zip(_softmax(scores), near, strict=True)
            pixels.append(sum(w * parts[u][2] for w, u in mixed).flatten())
        samples.append(torch.stack(pixels, 1).view_as(sample))
    return torch.stack(samples)


def _softmax(scores):
    """Of a list of numbers, or of tensors of them: one softmax for each place in these."""
    largest = scores[0]
    for score in scores:
        largest = torch.maximum(largest, score)
    powers = [(score - largest).exp() for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _pointwise(layer, pixel):
    """A linear layer, or a convolution of size 1, at one pixel."""
    y = layer.weight.flatten(1) @ pixel
    return y if layer.bias is None else y + layer.bias
