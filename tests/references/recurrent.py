"""Recurrent attention, one subscript at a time."""

import torch


def linear_attention(m, x):
    """o_i = Σ_j (φ(q_i)·φ(k_j)) v_j / (Σ_j φ(q_i)·φ(k_j) + ε), over j ≤ i if causal; y = o W_o.

    Katharopoulos et al. 2020, for each head, with φ(u) = u + 1 where u > 0 and exp(u) elsewhere.

    m.heads, m.causal, m.eps
    m.query_key_value.weight   (3 * dim, dim): W_q above W_k above W_v, in each head after head
    m.out.weight               (dim, dim)
    """
    size = x.shape[-1] // m.heads
    y = []
    for tokens in x:
        queries, keys, values = (tokens @ m.query_key_value.weight.T).tensor_split(3, dim=-1)
        rows = []
        for i in range(len(tokens)):
            heads = []
            for h in range(m.heads):
                own = slice(h * size, (h + 1) * size)
                above, below = 0, m.eps
                for j in range(i + 1 if m.causal else len(tokens)):
                    weight = (_phi(queries[i, own]) * _phi(keys[j, own])).sum()
                    above, below = above + weight * values[j, own], below + weight
                heads.append(above / below)
            rows.append(m.out.weight @ torch.cat(heads))
        y.append(torch.stack(rows))
    return torch.stack(y)


def _phi(u):
    return torch.where(u > 0, u + 1, u.exp())
