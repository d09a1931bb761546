"""Joint attention in other people's packages."""

import warnings

import torch
from pytorchcv.models.bamresnet import BamBlock, ChannelGate, SpatialGate
from pytorchcv.models.cbamresnet import CbamBlock
from pytorchcv.models.danet import ChaAttBlock, DANetHead, PosAttBlock
from timm.layers.cbam import CbamModule
from torch import nn

from tests.oracles.bare import bare


def timm_convolutional_block(m):
    bias, size = m.squash.bias is not None, m.mix[0].kernel_size[0]
    theirs = CbamModule(m.channels, rd_channels=m.hidden, spatial_kernel_size=size, mlp_bias=bias)
    state = {"spatial.conv.conv.weight": m.mix[0].weight.flip(1)}  # they put the mean first
    state |= _renamed(m.mix[1], "spatial.conv.bn")
    for ours, name in ((m.squash, "channel.fc1"), (m.excite, "channel.fc2")):
        state |= _renamed(ours, name) | {f"{name}.weight": ours.weight[..., None, None]}
    return theirs, state


def pytorchcv_convolutional_block(m):
    theirs = CbamBlock(m.channels, reduction_ratio=m.channels // m.hidden)
    mlp, conv, size = theirs.ch_gate.mlp, theirs.sp_gate.conv, m.mix[0].kernel_size[0]
    if m.squash.bias is None:  # theirs always has biases, and always reads 7 places
        mlp.fc1.bias, mlp.fc2.bias = None, None
    conv.conv = nn.Conv2d(2, 1, size, padding=size // 2, bias=False)
    state = _renamed(m.squash, "ch_gate.mlp.fc1") | _renamed(m.excite, "ch_gate.mlp.fc2")
    state |= _renamed(m.mix[0], "sp_gate.conv.conv") | _renamed(m.mix[1], "sp_gate.conv.bn")
    return theirs, state


class _Votes(BamBlock):
    """BAM with any reduction and dilation."""

    def __init__(self, m):
        super().__init__(16)  # theirs knows no other reduction than 16
        reduction = m.channels // m.hidden
        self.ch_att = ChannelGate(m.channels, reduction)
        self.sp_att = SpatialGate(m.channels, reduction, dilation=m.dilation)


class _AddedVotes(_Votes):
    """The paper's form: each branch ends in a BatchNorm, and the two are added."""

    def __init__(self, m):
        super().__init__(m)
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.bias = None  # a BatchNorm follows
        self.ch_end, self.sp_end = nn.BatchNorm2d(m.channels), nn.BatchNorm2d(1)

    def forward(self, x):
        channel, place = self.ch_end(self.ch_att(x)), self.sp_end(self.sp_att(x)[:, :1])
        return x * (1 + torch.sigmoid(channel + place))


def pytorchcv_bottleneck(m):
    theirs = _Votes(m) if m.multiply else _AddedVotes(m)
    named = {
        "ch_att.init_fc.fc": m.channel_branch[0],
        "ch_att.init_fc.bn": m.channel_branch[1],
        "ch_att.final_fc": m.channel_branch[3],
        "ch_end": m.channel_branch[4],
        "sp_att.init_conv.conv": m.spatial_branch[0],
        "sp_att.init_conv.bn": m.spatial_branch[1],
        "sp_att.dil_convs.conv1.conv": m.spatial_branch[3],
        "sp_att.dil_convs.conv1.bn": m.spatial_branch[4],
        "sp_att.dil_convs.conv2.conv": m.spatial_branch[6],
        "sp_att.dil_convs.conv2.bn": m.spatial_branch[7],
        "sp_att.final_conv": m.spatial_branch[9],
        "sp_end": m.spatial_branch[10],
    }
    states = [_renamed(layer, name) for name, layer in named.items()]
    return theirs, {key: value for state in states for key, value in state.items()}


class _GathersFromTheAlike(ChaAttBlock):
    """Their softmax is of maximum - likeness, which gathers from the least alike: turn it round."""

    def forward(self, x):
        likeness = x.flatten(2) @ x.flatten(2).mT
        return self.scale((likeness.softmax(dim=-1) @ x.flatten(2)).view_as(x)) + x


class _BothModules(DANetHead):
    """Their head without its convolutions: two modules side by side, and the sum of the two."""

    def __init__(self, m):
        super().__init__(4 * m.channels, m.channels)
        for branch in (self.branch_pa, self.branch_ca):
            branch.conv1 = branch.conv2 = branch.conv3 = nn.Identity()
        self.conv = nn.Identity()
        self.branch_pa.att = PosAttBlock(m.channels, m.channels // m.hidden)
        self.branch_pa.att.key_conv.bias = None  # without a gradient, and so not in ours
        if not m.least_alike:
            self.branch_ca.att = _GathersFromTheAlike()

    def forward(self, x):
        return super().forward(x)[0]


def pytorchcv_dual(m):
    state = {"branch_pa.att.scale.alpha": m.position_scale}
    state |= {"branch_ca.att.scale.alpha": m.channel_scale}
    for name in ("query", "key", "value"):
        layer, theirs = getattr(m, name), f"branch_pa.att.{name}_conv"
        state |= _renamed(layer, theirs) | {f"{theirs}.weight": layer.weight[..., None, None]}
    return _BothModules(m), state


def holocron_triplet(m):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what a neighbour of theirs calls
        theirs = bare("holocron.nn.modules.attention").TripletAttention()
    state = {}
    ours = dict(c=m.height_width, h=m.channel_width, w=m.height_channel)  # by what each pools over
    for name, (conv, norm, _) in ours.items():
        compress = getattr(theirs, f"{name}_branch").compress
        size = m.kernel_size  # theirs is always 7
        compress[1] = nn.Conv2d(2, 1, size, padding=size // 2, bias=False)
        state |= _renamed(conv, f"{name}_branch.compress.1")
        state |= _renamed(norm, f"{name}_branch.compress.2")
    return theirs, state


def fightingcv_shuffle(m):
    from fightingcv_attention.attention.ShuffleAttention import ShuffleAttention

    theirs = ShuffleAttention(m.channels, G=m.groups)
    vectors = dict(cweight=m.channel_scale, cbias=m.channel_shift)
    vectors |= dict(sweight=m.spatial_scale, sbias=m.spatial_shift)
    state = {name: vector[None, :, None, None] for name, vector in vectors.items()}
    return theirs, state | {"gn.weight": m.norm_scale, "gn.bias": m.norm_shift}


class _OverPlaces(nn.Module):
    """A softmax over the places of a map; on what has no places, nothing."""

    def forward(self, x):
        return x if x.ndim < 4 else x.flatten(2).softmax(dim=2).view_as(x)


def _as_released(m, theirs):
    """What the authors' own code has, in place of what theirs has."""
    theirs.ln, theirs.softmax_spatial = nn.Identity(), nn.Identity()
    if m.parallel:
        theirs.sigmoid = nn.Sequential(_OverPlaces(), nn.Sigmoid())
        return {}
    theirs.sp_wv.register_forward_hook(lambda layer, x, y: _OverPlaces()(y))
    first, last = nn.Conv2d(m.hidden, m.bottleneck, 1), nn.Conv2d(m.bottleneck, m.channels, 1)
    theirs.ch_wz = nn.Sequential(first, nn.LayerNorm([m.bottleneck, 1, 1]), nn.ReLU(), last)
    state = m.channel_out.state_dict(prefix="ch_wz.", keep_vars=True)
    shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
    return {name: tensor.view(shapes[name]) for name, tensor in state.items()}


def fightingcv_polarized(m):
    from fightingcv_attention.attention import PolarizedSelfAttention as shelf

    parallel, sequential = (
        shelf.ParallelPolarizedSelfAttention,
        shelf.SequentialPolarizedSelfAttention,
    )
    theirs = (parallel if m.parallel else sequential)(m.channels)
    layers = dict(ch_wq=m.channel_query, ch_wv=m.channel_value)
    layers |= dict(sp_wq=m.spatial_query, sp_wv=m.spatial_value)
    state = _as_released(m, theirs) if m.released else _renamed(m.norm, "ln")
    if not m.bottleneck:
        layers["ch_wz"] = m.channel_out
    for name, layer in layers.items():
        getattr(theirs, name).bias = None  # theirs always has biases
        across = layer is m.spatial_value and not m.bottleneck
        weight = layer.weight.mT if across else layer.weight.flatten(1)
        state[f"{name}.weight"] = weight[..., None, None]
    return theirs, state


class _NormalizedSkip(nn.Module):
    """The skip connection, which theirs leaves without a BatchNorm, is normalised first."""

    def __init__(self, theirs, channels):
        super().__init__()
        self.theirs, self.skip = theirs, nn.BatchNorm2d(channels)

    def forward(self, x):
        skip = self.skip(x)
        convolved = self.theirs.conv1x1(x) + self.theirs.conv3x3(x)
        return self.theirs.silu(convolved + self.theirs.sse(skip) * skip)


def fightingcv_parnet(m):
    from fightingcv_attention.attention.ParNetAttention import ParNetAttention

    theirs = ParNetAttention(m.channels)
    for layer in (theirs.sse[1], theirs.conv1x1[0], theirs.conv3x3[0]):
        layer.bias = None  # theirs always has biases
    state = _renamed(m.skip, "skip") | {"theirs.sse.1.weight": m.excite.weight[..., None, None]}
    state |= _renamed(m.point, "theirs.conv1x1") | _renamed(m.square, "theirs.conv3x3")
    return _NormalizedSkip(theirs, m.channels), state


def fightingcv_simam(m):
    from fightingcv_attention.attention.SimAM import SimAM

    return SimAM(e_lambda=m.regularization), {}


def _renamed(layer, name):
    """The parameters and buffers of our `layer` under their name."""
    return {f"{name}.{key}": value for key, value in layer.state_dict(keep_vars=True).items()}


ORACLES = {
    "ConvolutionalBlockAttention": {
        "timm.layers.cbam.CbamModule": timm_convolutional_block,
        "pytorchcv.models.cbamresnet.CbamBlock": pytorchcv_convolutional_block,
    },
    "BottleneckAttention": {"pytorchcv.models.bamresnet.BamBlock": pytorchcv_bottleneck},
    "DualAttention": {"pytorchcv.models.danet.DANetHead": pytorchcv_dual},
    "ShuffleAttention": {
        "fightingcv_attention.attention.ShuffleAttention.ShuffleAttention": fightingcv_shuffle
    },
    "PolarizedSelfAttention": {
        "fightingcv_attention.attention.PolarizedSelfAttention": fightingcv_polarized
    },
    "ParNetAttention": {
        "fightingcv_attention.attention.ParNetAttention.ParNetAttention": fightingcv_parnet
    },
    "SimAM": {"fightingcv_attention.attention.SimAM.SimAM": fightingcv_simam},
    "TripletAttention": {"holocron.nn.modules.attention.TripletAttention": holocron_triplet},
}
