"""Linear attention, one subscript at a time."""

import torch


def external(m, x, key_mask=None):
    """a_is = exp(K_s · f_i) / Σ_j exp(K_s · f_j); α_is = a_is / Σ_t a_it; y_i = Σ_s α_is V_s.

    Guo et al. 2021, external attention with double normalisation, over tokens i, j and slots s, t
    of the memories K = M_k and V = M_v. One head: f = x. More heads (Algorithm 2): f = x W_q is
    cut into heads, all of them share both memories, and y = [head 1, …, head H] W_o.
    Padded tokens are left out of the sum over j; their own rows are read all the same.

    m.heads                    H; query and out are not read where it is one
    m.key_memory.weight        (slots, head_dim), Linear without bias: row s is K_s
    m.value_memory.weight      (head_dim, slots), Linear without bias: column s is V_s
    m.query.weight             (heads * head_dim, dim), Linear without bias
    m.out.weight, m.out.bias   (dim, heads * head_dim), (dim,)
    """
    slots, size = m.key_memory.weight.shape
    y = []
    for b, tokens in enumerate(x):
        real = [j for j in range(len(tokens)) if key_mask is None or key_mask[b, j]]
        features = [_affine(m.query, token) if m.heads > 1 else token for token in tokens]
        rows = [[] for _ in tokens]
        for h in range(m.heads):
            powers = []
            for feature in features:
                part = feature[h * size : (h + 1) * size]
                powers.append([(row * part).sum().exp() for row in m.key_memory.weight])
            totals = [sum(powers[j][s] for j in real) for s in range(slots)]
            for i, _ in enumerate(tokens):
                shares = [powers[i][s] / totals[s] for s in range(slots)]
                weights = [share / sum(shares) for share in shares]
                memory = m.value_memory.weight
                rows[i].append(sum(weights[s] * memory[:, s] for s in range(slots)))
        joined = [torch.cat(row) for row in rows]
        y += [_affine(m.out, row) if m.heads > 1 else row for row in joined]
    return torch.stack(y).view_as(x)


def double(m, x):
    """g_n = Σ_p exp(b_np) a_p / Σ_p exp(b_np); z_p = Σ_n exp(v_np) g_n / Σ_n exp(v_np).

    Chen et al. 2018: gathering, then distribution, over the places p of one map; y_p = W_o z_p.
    The first softmax normalises each attention map n over the places, the second each place over
    the attention maps. The residual belongs to the block.

    All are Conv2d of kernel 1 (weight (outputs, inputs, 1, 1)):
    m.feature     channels -> feature_channels, bias          a = A, m of the paper
    m.gather      channels -> attention_maps, no bias         b = B, n of the paper
    m.distribute  channels -> attention_maps, bias            v = V, as many maps as gather
    m.out         feature_channels -> channels, bias          W_o
    """
    _, _, height, width = x.shape
    y = []
    for sample in x:
        places = [sample[:, i, j] for i in range(height) for j in range(width)]
        features = [_affine(m.feature, place) for place in places]
        gathers = [_affine(m.gather, place) for place in places]
        descriptors = []
        for n in range(len(m.gather.weight)):
            powers = [gather[n].exp() for gather in gathers]
            pooled = [p * feature for p, feature in zip(powers, features, strict=True)]
            descriptors.append(sum(pooled) / sum(powers))
        spread = []
        for place in places:
            powers = [number.exp() for number in _affine(m.distribute, place)]
            chosen = [p * g for p, g in zip(powers, descriptors, strict=True)]
            spread.append(_affine(m.out, sum(chosen) / sum(powers)))
        y.append(torch.stack(spread, 1))
    return torch.stack(y).view_as(x)


def attention_free(m, x):
    """y_i = σ(q_i) ⊙ Σ_j exp(k_j + w_ij) ⊙ v_j / Σ_j exp(k_j + w_ij), every feature for itself.

    Zhai et al. 2021, equation 2 and its variants, with w_ij = u_i · u'_j. Full: every w_ij.
    Local: w_ij only where |i - j| < window, and 0 elsewhere, where tokens are still attended to.
    Simple: w = 0. Causal: j ≤ i. There is no projection at the end.

    m.query, m.key, m.value   .weight (dim, dim)   Linear without bias
    m.query_position          (max_tokens, rank) or None (simple): u
    m.key_position            (max_tokens, rank) or None (simple): u'
    m.window                  int or None (no limit)
    m.causal                  bool
    """
    y = []
    for tokens in x:
        for i, _ in enumerate(tokens):
            above, below = 0, 0
            for j in range(i + 1 if m.causal else len(tokens)):
                key, value = _affine(m.key, tokens[j]), _affine(m.value, tokens[j])
                near = m.window is None or abs(i - j) < m.window
                bias = 0
                if m.query_position is not None and near:
                    bias = (m.query_position[i] * m.key_position[j]).sum()
                power = (key + bias).exp()
                above, below = above + power * value, below + power
            y.append(_sigmoid(_affine(m.query, tokens[i])) * above / below)
    return torch.stack(y).view_as(x)


def attention_free_convolution(m, x):
    """y_p = σ(q_p) ⊙ Σ_r exp(k_r + w_{r-p}) v_r / Σ_r exp(k_r + w_{r-p}), head by head.

    Zhai et al. 2021, AFT-conv on a map, in the form of equation 2 that its convolution with
    exp(w) - 1 is a fast way to compute: r runs over all places, k has one number a head and
    place, and w depends on the offset r - p alone. Outside the window it is 0; inside it is
    γ (position - mean) / sqrt(variance + eps) + β, both statistics over the head's window.
    The divisor of the variance (the count) and eps are ours.

    m.heads                                 channel c belongs to head c // (channels / heads)
    m.query_key_value.weight  (2 * channels + heads, channels, 1, 1)   Conv2d without bias,
                              rows query (channels), key (heads), value (channels)
    m.position                (heads, kernel_size, kernel_size), kernel_size odd, 3 or more
    m.gain, m.shift           (heads,): γ and β, both zero at the start
    m.eps
    """
    _, channels, height, width = x.shape
    size = channels // m.heads
    kernel_size = m.position.shape[1]
    places = [(i, j) for i in range(height) for j in range(width)]
    biases = []
    for h in range(m.heads):
        mean = m.position[h].sum() / kernel_size**2
        variance = ((m.position[h] - mean) ** 2).sum() / kernel_size**2
        biases.append(m.gain[h] * (m.position[h] - mean) / (variance + m.eps).sqrt() + m.shift[h])
    y = []
    for sample in x:
        projected = {p: _affine(m.query_key_value, sample[:, p[0], p[1]]) for p in places}
        rows = []
        for i, j in places:
            row = []
            for h in range(m.heads):
                above, below = 0, 0
                for r, s in places:
                    key = projected[r, s][channels + h]
                    start = channels + m.heads + h * size
                    value = projected[r, s][start : start + size]
                    down, right = r - i + kernel_size // 2, s - j + kernel_size // 2
                    if 0 <= down < kernel_size and 0 <= right < kernel_size:
                        key = key + biases[h][down, right]
                    power = key.exp()
                    above, below = above + power * value, below + power
                query = projected[i, j][h * size : (h + 1) * size]
                row.append(_sigmoid(query) * above / below)
            rows.append(torch.cat(row))
        y.append(torch.stack(rows, 1))
    return torch.stack(y).view_as(x)


def unit_force(m, x):
    """y_i[c] = XN(q_i) · XN(Σ_j k_j v_j[c]) in each head, XN(a) = γ a / sqrt(Σ a² + eps).

    Song 2021: both vectors of the inner product lie along the features of the key (the axis over
    which queries and KᵀV meet), so with γ = 1 every output is a cosine. eps is ours: XN(0) = 0.

    m.heads, m.eps
    m.query_key_value.weight, .bias   (3 * dim, dim), (3 * dim,)   rows query, key, value,
                                      each split head by head
    m.gamma                           (heads,): one number a head, in both norms
    m.out.weight, .bias               (dim, dim), (dim,)
    """
    dim = x.shape[2]
    size = dim // m.heads
    y = []
    for tokens in x:
        projected = [_affine(m.query_key_value, token) for token in tokens]
        rows = [[] for _ in tokens]
        for h in range(m.heads):
            first, last = h * size, (h + 1) * size
            forces = []
            for c in range(first, last):
                pairs = [p[dim + first : dim + last] * p[2 * dim + c] for p in projected]
                forces.append(_unit(sum(pairs), m.gamma[h], m.eps))
            for i, _ in enumerate(tokens):
                query = _unit(projected[i][first:last], m.gamma[h], m.eps)
                rows[i] += [(query * force).sum() for force in forces]
        y += [_affine(m.out, torch.stack(row)) for row in rows]
    return torch.stack(y).view_as(x)


def separable(m, x, key_mask=None):
    """y_i = W_o (ReLU(v_i) ⊙ Σ_j exp(s_j) k_j / Σ_j exp(s_j)).

    Mehta and Rastegari 2022: one score a token, one context vector for
    all tokens. Padded tokens are left out of both sums over j.

    m.score.weight                    (1, dim)
    m.key, m.value, m.out             .weight (dim, dim), .bias (dim,)
    """
    y = []
    for b, tokens in enumerate(x):
        real = [j for j in range(len(tokens)) if key_mask is None or key_mask[b, j]]
        powers = [_affine(m.score, tokens[j])[0].exp() for j in real]
        keys = [_affine(m.key, tokens[j]) for j in real]
        context = sum(p * key for p, key in zip(powers, keys, strict=True)) / sum(powers)
        for token in tokens:
            value = _affine(m.value, token)
            y.append(_affine(m.out, value * (value > 0) * context))
    return torch.stack(y).view_as(x)


def _affine(layer, vector):
    """What a linear layer, or a convolution with a kernel of one, makes of one vector."""
    mapped = layer.weight.flatten(1) @ vector
    return mapped if layer.bias is None else mapped + layer.bias


def _sigmoid(a):
    return 1 / (1 + (-a).exp())


def _unit(vector, gamma, eps):
    return gamma * vector / ((vector * vector).sum() + eps).sqrt()
