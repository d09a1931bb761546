"""Whom each mechanism is timed beside, and at which sizes.

Most are oracles.  Some oracles are wrapped for the tests in ways that would make them slow, and
some packages are no oracles of every variant: for those a plain form stands here, that is right
for the settings named.  Each answer is compared with ours before anything is timed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_lib.cards.card import Card
from tests.oracles import of

Make = Callable[[nn.Module], tuple[nn.Module, dict[str, Tensor]]]


@dataclass(frozen=True)
class Peer:
    """Somebody else's implementation: what makes it from ours, with which of our tensors."""

    mechanism: str
    name: str
    make: Make


class _OnItself(nn.Module):
    """Attention that takes query, key and value, called as self-attention."""

    def __init__(self, theirs, **options):
        super().__init__()
        self.theirs, self.options = theirs, options

    def forward(self, x):
        answer = self.theirs(x, x, x, **self.options)
        return answer[0] if isinstance(answer, tuple) else answer


def torch_multi_head(m):
    theirs = nn.MultiheadAttention(m.dim, m.heads, bias=False, batch_first=True)
    state = {"in_proj_weight": _joined(m), "out_proj.weight": m.out.weight}
    return _OnItself(theirs, need_weights=False), _within("theirs", state)


def timm_multi_head(m):
    from timm.models.vision_transformer import Attention

    theirs = Attention(m.dim, m.heads, proj_bias=False)
    return theirs, {"qkv.weight": _joined(m), "proj.weight": m.out.weight}


def vit_pytorch_multi_head(m):
    from vit_pytorch.vit import Attention

    theirs = Attention(m.dim, m.heads, m.dim // m.heads)
    theirs.norm, theirs.to_out[0].bias = nn.Identity(), None  # theirs begins with a norm
    return theirs, {"to_qkv.weight": _joined(m), "to_out.0.weight": m.out.weight}


def fightingcv_multi_head(m):
    from fightingcv_attention.attention.SelfAttention import ScaledDotProductAttention

    size = m.dim // m.heads
    theirs = ScaledDotProductAttention(m.dim, size, size, m.heads, dropout=0.0)
    parts = (m.query.weight, *m.key_value.weight.chunk(2), m.out.weight)
    names = ("fc_q", "fc_k", "fc_v", "fc_o")
    for name in names:
        getattr(theirs, name).bias = None  # theirs always has biases
    state = {f"{name}.weight": part for name, part in zip(names, parts, strict=True)}
    return _OnItself(theirs), _within("theirs", state)


def fightingcv_attention_free(m):
    from fightingcv_attention.attention.AFT import AFT_FULL

    theirs = AFT_FULL(m.dim, m.max_tokens)
    names = ("fc_q", "fc_k", "fc_v")
    for name in names:
        getattr(theirs, name).bias = None
    parts = m.query.weight, m.key.weight, m.value.weight
    state = {f"{name}.weight": part for name, part in zip(names, parts, strict=True)}
    return theirs, state | {"position_biases": m.query_position @ m.key_position.mT}


def fightingcv_coordinate(m):
    from fightingcv_attention.attention.CoordAttention import CoordAtt

    theirs = CoordAtt(m.channels, m.channels, m.channels // m.hidden)
    conv, norm, _ = m.squash
    state = {"conv1.weight": conv.weight[..., None], "conv1.bias": torch.zeros_like(norm.bias)}
    state |= _renamed(norm, "bn1")
    for name, layer in (("conv_h", m.excite_rows), ("conv_w", m.excite_columns)):
        state |= {f"{name}.weight": layer.weight[..., None], f"{name}.bias": layer.bias}
    return theirs, state


def fightingcv_triplet(m):
    from fightingcv_attention.attention.TripletAttention import TripletAttention

    state = {}
    for name, (conv, norm, _) in dict(
        hw=m.height_width, hc=m.height_channel, cw=m.channel_width
    ).items():
        state |= _renamed(conv, f"{name}.conv.conv") | _renamed(norm, f"{name}.conv.bn")
    return TripletAttention(), state


def fightingcv_criss_cross(m):
    from fightingcv_attention.attention.CrissCrossAttention import CrissCrossAttention

    from tests.oracles.sparse import _Recurrent

    state = _renamed(m.query, "query_conv") | _renamed(m.value, "value_conv")
    state |= {"key_conv.weight": m.key.weight, "key_conv.bias": torch.zeros_like(m.query.bias)}
    theirs = _Recurrent(CrissCrossAttention(m.channels), m.recurrence)
    return theirs, _within("once", state | {"gamma": m.scale})


def halonet(m):
    """Theirs hides what lies beyond the map by itself, where blocks divide the map."""
    from halonet_pytorch import HaloAttention
    from torch.nn.functional import pad

    theirs = HaloAttention(
        dim=m.channels, block_size=m.block_size, halo_size=m.halo_size, dim_head=m.head_dim,
        heads=m.heads,
    )  # fmt: skip
    theirs.to_out = nn.Identity()  # ours has none
    query, other = m.query_key_value.weight.tensor_split([m.heads * m.head_dim])
    state = {"to_q.weight": query, "to_kv.weight": other}
    for name, table in (("rel_height", m.rows), ("rel_width", m.columns)):
        state[f"rel_pos_emb.{name}"] = pad(table, (0, 0, 2 * m.halo_size, 0))
    return theirs, state


def _joined(m):
    """The projections of our multi-head attention as one."""
    return torch.cat([m.query.weight, m.key_value.weight])


def _within(name, state):
    return {f"{name}.{key}": value for key, value in state.items()}


def _renamed(layer, name):
    """The parameters and buffers of our `layer` under their name."""
    return _within(name, layer.state_dict(keep_vars=True))


MORE: dict[str, dict[str, Make]] = {
    "MultiHeadAttention": {
        "torch.nn.MultiheadAttention": torch_multi_head,  # without its weights, its fastest form
        "timm.models.vision_transformer.Attention": timm_multi_head,
        "vit_pytorch.vit.Attention": vit_pytorch_multi_head,
        "fightingcv_attention.attention.SelfAttention.ScaledDotProductAttention": (
            fightingcv_multi_head
        ),
    },
    "AttentionFree": {"fightingcv_attention.attention.AFT.AFT_FULL": fightingcv_attention_free},
    "CoordinateAttention": {
        "fightingcv_attention.attention.CoordAttention.CoordAtt": fightingcv_coordinate
    },
    "TripletAttention": {
        "fightingcv_attention.attention.TripletAttention.TripletAttention": fightingcv_triplet
    },
    "CrissCrossAttention": {
        "fightingcv_attention.attention.CrissCrossAttention.CrissCrossAttention": (
            fightingcv_criss_cross
        )
    },
    "HaloAttention": {"halonet_pytorch.HaloAttention": halonet},
}
NOT_TIMED = {  # oracles that no one would use so
    "torch.nn.functional.scaled_dot_product_attention": "a loop over heads, made for the test",
    "torch.nn.functional.conv2d": "the definition: a convolution as large as the map",
    "aft_pytorch.AFTSimple": "has no position biases: the test calls it once for each token",
}
BARE = "loaded without the packages round it, which the compiler would import"
NOT_COMPILED = {
    "holocron.nn.modules.attention.TripletAttention": BARE,
    "mmcv.ops.cc_attention.CrissCrossAttention": BARE,
    "mmpretrain.models.heads.multi_label_csra_head.CSRAModule": BARE,
    "mmpretrain.models.backbones.hornet.GlobalLocalFilter": BARE,
    "fightingcv_attention.attention.DAT.DAttentionBaseline": BARE,
    "keras_cv_attention_models.cotnet.cotnet.cot_attention": "a model of another framework",
}

STAGE = (
    dict(channels=64, height=56, width=56, batch=8),
    dict(channels=256, height=56, width=56, batch=8),
)
TOKENS = (dict(dim=512, tokens=1024), dict(dim=512, tokens=2048))
# Two each, as the papers' networks have them, where these differ from STAGE and from TOKENS.
SIZES: dict[str, tuple[dict, dict]] = {
    "EfficientMultiHeadAttention": (
        dict(dim=64, heads=1, sr_ratio=8, height=56, width=56, batch=2),
        dict(dim=256, heads=4, sr_ratio=2, height=14, width=14, batch=8),
    ),
    "ExternalAttention": (dict(dim=512, tokens=1024, batch=4), dict(dim=512, tokens=4096)),
    "AttentionFree": (
        dict(dim=384, tokens=196, max_tokens=196, batch=4),
        dict(dim=384, tokens=784, max_tokens=784),
    ),
    "SeparableAttention": (dict(dim=128, tokens=1024, batch=4), dict(dim=256, tokens=4096)),
    "SelectiveKernel": (STAGE[0], dict(channels=256, height=28, width=28, batch=4)),
    "SpatialGroupEnhance": (STAGE[1], dict(channels=512, height=28, width=28, batch=8)),
    "ClassSpecificResidualAttention": (
        dict(channels=2048, height=14, width=14, classes=80, batch=4),
        dict(channels=2048, height=28, width=28, classes=80),
    ),
    "DualAttention": (
        dict(channels=512, height=32, width=32),
        dict(channels=512, height=48, width=48),
    ),
    "ShuffleAttention": (dict(channels=256, height=28, width=28, batch=4), STAGE[1]),
    "ParNetAttention": (STAGE[0], dict(channels=256, height=28, width=28)),
    "AxialAttention": (
        dict(channels=128, height=64, width=64, batch=2),
        dict(channels=256, height=32, width=32, batch=4),
    ),
    "CrissCrossAttention": (
        dict(channels=512, height=33, width=33),
        dict(channels=512, height=97, width=97),
    ),
    "HaloAttention": (
        dict(channels=128, height=56, width=56, batch=2),
        dict(channels=256, height=56, width=56, batch=2),
    ),
    "OutlookAttention": (
        dict(channels=192, heads=6, height=28, width=28, batch=4),
        dict(channels=192, heads=6, height=56, width=56),
    ),
    "LongShortDistanceAttention": (
        dict(channels=96, heads=3, group_size=7, height=56, width=56, batch=2),
        dict(channels=96, heads=3, group_size=7, interval=8, height=56, width=56, batch=2),
    ),
    "DeformableAttention": (
        dict(channels=384, height=14, width=14, batch=4),
        dict(channels=384, height=28, width=28),
    ),
    "RelativeAttention": (
        dict(channels=384, height=14, width=14, batch=4),
        dict(channels=192, height=28, width=28),
    ),
    "ContextualTransformer": (
        dict(channels=256, height=28, width=28, batch=2),
        dict(channels=512, height=14, width=14, batch=4),
    ),
    "MobileViTBlock": (
        dict(channels=96, dim=144, height=32, width=32, batch=2),
        dict(channels=128, dim=192, height=16, width=16, batch=4),
    ),
    "VisionPermutator": (
        dict(channels=256, segment_size=8, height=32, width=32),
        dict(channels=512, segment_size=32, height=16, width=16, batch=4),
    ),
    "GlobalFilter": (
        dict(channels=384, height=14, width=14, batch=8),
        dict(channels=64, height=56, width=56, batch=4),
    ),
}


def sizes_of(card: Card) -> tuple[dict, dict]:
    """The two sizes at which a mechanism is timed beside its peers."""
    return SIZES.get(str(card), TOKENS if card.layout == "tokens" else STAGE)


def peers(mechanism: str, family: str) -> list[Peer]:
    """All whom a mechanism is timed beside: its oracles, but for those in NOT_TIMED, and MORE."""
    oracles = of(mechanism, family)
    found = {name: make for name, make in oracles.items() if name not in NOT_TIMED}
    return [Peer(mechanism, name, make) for name, make in (found | MORE.get(mechanism, {})).items()]
