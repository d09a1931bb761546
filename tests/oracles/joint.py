"""Joint attention in other people's packages."""

import warnings

from pytorchcv.models.cbamresnet import CbamBlock
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


def _renamed(layer, name):
    """The parameters and buffers of our `layer` under their name."""
    return {f"{name}.{key}": value for key, value in layer.state_dict(keep_vars=True).items()}


ORACLES = {
    "ConvolutionalBlockAttention": {
        "timm.layers.cbam.CbamModule": timm_convolutional_block,
        "pytorchcv.models.cbamresnet.CbamBlock": pytorchcv_convolutional_block,
    },
    "TripletAttention": {"holocron.nn.modules.attention.TripletAttention": holocron_triplet},
}
