"""Linear attention in other people's packages."""

import torch
from aft_pytorch import AFTFull, AFTSimple
from torch import nn


class _Heads(nn.Module):
    """Their single head without projections, shared by several heads between a query and a last
    layer, as in the paper's Algorithm 2, which their package has not."""

    def __init__(self, m):
        super().__init__()
        from fightingcv_attention.attention.ExternalAttention import ExternalAttention

        slots, head_dim = m.key_memory.weight.shape
        width = m.heads * head_dim
        self.heads = m.heads
        self.query = nn.Linear(m.dim, width, bias=False) if m.heads > 1 else nn.Identity()
        self.attention = ExternalAttention(head_dim, slots)
        self.out = nn.Linear(width, m.dim) if m.heads > 1 else nn.Identity()

    def forward(self, x):
        parts = self.query(x).chunk(self.heads, dim=-1)
        return self.out(torch.cat([self.attention(part) for part in parts], dim=-1))


def fightingcv_external(m):
    state = {
        "attention.mk.weight": m.key_memory.weight,
        "attention.mv.weight": m.value_memory.weight,
    }
    state |= {f"query.{k}": v for k, v in m.query.state_dict(keep_vars=True).items()}
    state |= {f"out.{k}": v for k, v in m.out.state_dict(keep_vars=True).items()}
    return _Heads(m), state


class _Patches(nn.Module):
    """Theirs works on maps (batch, channels, places in a patch, patches): here of one place."""

    def __init__(self, m):
        super().__init__()
        from timm.models.mobilevit import LinearSelfAttention

        self.attention = LinearSelfAttention(m.dim)

    def forward(self, x):
        return self.attention(x.mT[:, :, None])[:, :, 0].mT


def timm_separable(m):
    weights = m.score.weight, m.key.weight, m.value.weight
    biases = torch.zeros_like(m.score.weight[:, 0]), m.key.bias, m.value.bias
    return _Patches(m), {
        "attention.qkv_proj.weight": torch.cat(weights)[..., None, None],
        "attention.qkv_proj.bias": torch.cat(biases),
        "attention.out_proj.weight": m.out.weight[..., None, None],
        "attention.out_proj.bias": m.out.bias,
    }


class _Plain(nn.Module):
    """aft_pytorch projects once more at the end, and all of its layers have biases."""

    def __init__(self, theirs):
        super().__init__()
        self.theirs = theirs
        theirs.project = nn.Identity()
        theirs.to_q.bias = theirs.to_k.bias = theirs.to_v.bias = None

    def forward(self, x):
        return self.theirs(x)


class _NoBias(_Plain):
    """Their w is a parameter; here it is 0, or -inf where it would look ahead."""

    def __init__(self, theirs, causal):
        super().__init__(theirs)
        self.causal = causal
        del theirs.wbias

    def forward(self, x):
        bias = x.new_full((x.shape[1], x.shape[1]), -torch.inf if self.causal else 0.0)
        self.theirs.wbias = bias.triu(1) if self.causal else bias
        return self.theirs(x)


class _TokenByToken(_Plain):
    """AFTSimple has no w: with w_i added to its keys, its token i is that of AFT-full."""

    def __init__(self, theirs, tokens):
        super().__init__(theirs)
        self.wbias = nn.Parameter(torch.empty(tokens, tokens))

    def forward(self, x):
        return torch.stack([self._token(x, i) for i in range(x.shape[1])], dim=1)

    def _token(self, x, i):
        def biased(layer, x, key):
            return key + self.wbias[i, : x[0].shape[1], None]

        with self.theirs.to_k.register_forward_hook(biased):
            return self.theirs(x)[:, i]


class _Prefixes(_Plain):
    """AFTSimple sees all tokens: causal, token i is the last of the first i."""

    def forward(self, x):
        return torch.stack([self.theirs(x[:, : i + 1])[:, i] for i in range(x.shape[1])], dim=1)


def aft_full(m):
    if m.max_tokens is None:
        return _NoBias(AFTFull(1, m.dim, m.dim), m.causal), _projections(m)
    biases = {"theirs.wbias": _position_biases(m)}
    return _Plain(AFTFull(m.max_tokens, m.dim, m.dim)), {**_projections(m), **biases}


def aft_simple(m):
    theirs = AFTSimple(m.max_tokens, m.dim, m.dim)
    if m.max_tokens is not None:
        biases = {"wbias": _position_biases(m)}
        return _TokenByToken(theirs, m.max_tokens), {**_projections(m), **biases}
    return (_Prefixes if m.causal else _Plain)(theirs), _projections(m)


def _projections(m):
    names = ("theirs.to_q.weight", "theirs.to_k.weight", "theirs.to_v.weight")
    return dict(zip(names, (m.query.weight, m.key.weight, m.value.weight), strict=True))


def _position_biases(m):
    """w as a whole: 0 outside the window, and -inf where it would look ahead."""
    bias = m.query_position @ m.key_position.mT
    place = torch.arange(m.max_tokens)
    if m.window is not None:
        bias = bias.where((place - place[:, None]).abs() < m.window, 0)
    return bias.masked_fill(place > place[:, None], -torch.inf) if m.causal else bias


ORACLES = {
    "AttentionFree": {"aft_pytorch.AFTFull": aft_full, "aft_pytorch.AFTSimple": aft_simple},
    "ExternalAttention": {
        "fightingcv_attention.attention.ExternalAttention.ExternalAttention": fightingcv_external,
    },
    "SeparableAttention": {"timm.models.mobilevit.LinearSelfAttention": timm_separable},
}
