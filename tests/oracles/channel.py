"""Channel attention in timm, torchvision, pytorchcv and mmcv."""

from types import SimpleNamespace

from pytorchcv.models.sknet import SKConvBlock
from timm import layers
from torch import nn
from torchvision.ops import SqueezeExcitation

from tests.oracles.bare import bare


def timm_squeeze_excitation(m):
    hidden = m.squash.out_features
    theirs = layers.SEModule(m.channels, rd_channels=hidden, bias=m.squash.bias is not None)
    return theirs, _as_convolutions(m, "fc1", "fc2")


def torchvision_squeeze_excitation(m):
    theirs = SqueezeExcitation(m.channels, m.squash.out_features)
    if m.squash.bias is None:  # theirs always has biases
        theirs.fc1.bias, theirs.fc2.bias = None, None
    return theirs, _as_convolutions(m, "fc1", "fc2")


def timm_efficient_channel(m):
    return layers.EcaModule(kernel_size=m.kernel_size), {"conv.weight": m.mix.weight}


def timm_global_context(m):
    add = not m.multiply
    theirs = layers.GlobalContext(
        m.channels, fuse_add=add, fuse_scale=m.multiply, rd_channels=m.hidden
    )
    mlp = "mlp_add" if add else "mlp_scale"
    getattr(theirs, mlp).norm.eps = m.norm.eps  # theirs is 1e-6
    state = _as_convolutions(m, f"{mlp}.fc1", f"{mlp}.fc2") | _renamed(m.norm, f"{mlp}.norm")
    return theirs, state | _queried(m, "conv_attn")


def mmcv_global_context(m):
    block = bare(
        "mmcv.cnn.bricks.context_block",
        {
            "mmengine": {},
            "mmengine.model": dict.fromkeys(("constant_init", "kaiming_init"), _nothing),
            "mmengine.registry": {"MODELS": SimpleNamespace(register_module=lambda: _same)},
        },
    )
    fusion = "channel_mul" if m.multiply else "channel_add"
    theirs = block.ContextBlock(m.channels, m.hidden / m.channels, fusion_types=(fusion,))
    layer = f"{fusion}_conv"
    state = _as_convolutions(m, f"{layer}.0", f"{layer}.3")
    norm = {name: tensor[:, None, None] for name, tensor in _renamed(m.norm, f"{layer}.1").items()}
    return theirs, state | norm | _queried(m, "conv_mask")


def _queried(m, name):
    """Our query as their 1 x 1 convolution, whose bias the softmax ignores."""
    return {f"{name}.weight": m.query.weight, f"{name}.bias": m.query.weight.new_zeros(1)}


def _nothing(*_, **__):
    """Their start is not needed."""


def _same(thing):
    return thing


def timm_selective_kernel(m):
    theirs = layers.SelectiveKernel(
        m.channels,
        kernel_size=[3] * m.branches,
        stride=m.stride,
        dilation=1,
        groups=m.split[0][0].groups,
        rd_channels=m.hidden,
        split_input=False,
        keep_3x3=True,
    )
    for scale, path in enumerate(theirs.paths, 1):  # theirs ties the dilation to the kernel size
        path.conv.dilation = path.conv.padding = (scale, scale)
    state = {}
    for i, branch in enumerate(m.split):
        state |= _renamed(branch[0], f"paths.{i}.conv") | _renamed(branch[1], f"paths.{i}.bn")
    state |= {"attn.fc_reduce.weight": m.fuse[0].weight[..., None, None]}
    state |= _renamed(m.fuse[1], "attn.bn")
    return theirs, state | {"attn.fc_select.weight": m.select.weight[..., None, None]}


def pytorchcv_selective_kernel(m):
    theirs = SKConvBlock(
        m.channels,
        m.channels,
        stride=m.stride,
        groups=m.split[0][0].groups,
        num_branches=m.branches,
        reduction=1,
        min_channels=m.hidden,
    )
    theirs.fc1 = _narrow(theirs.fc1, m)
    theirs.fc2 = nn.Conv2d(m.hidden, m.branches * m.channels, 1, bias=False)
    state = {}
    for i, branch in enumerate(m.split):
        at = f"branches.branch{i + 2}"
        state |= _renamed(branch[0], f"{at}.conv") | _renamed(branch[1], f"{at}.bn")
    state |= {"fc1.conv.weight": m.fuse[0].weight[..., None, None]}
    state |= _renamed(m.fuse[1], "fc1.bn")
    return theirs, state | {"fc2.weight": m.select.weight[..., None, None]}


def _narrow(block, m):
    """Their width is at least as large as the channels divided by the reduction; ours is given."""
    block.conv = nn.Conv2d(m.channels, m.hidden, 1, bias=False)
    block.bn = nn.BatchNorm2d(m.hidden)
    return block


def _renamed(layer, name):
    """The parameters and buffers of our `layer` under their name."""
    return {f"{name}.{key}": value for key, value in layer.state_dict(keep_vars=True).items()}


def _as_convolutions(m, squash, excite):
    """Our two linear layers as their two 1 x 1 convolutions."""
    state = {f"{squash}.weight": m.squash.weight[..., None, None], f"{squash}.bias": m.squash.bias}
    state |= {f"{excite}.weight": m.excite.weight[..., None, None], f"{excite}.bias": m.excite.bias}
    return {name: value for name, value in state.items() if value is not None}


ORACLES = {
    "SqueezeExcitation": {
        "timm.layers.SEModule": timm_squeeze_excitation,
        "torchvision.ops.SqueezeExcitation": torchvision_squeeze_excitation,
    },
    "EfficientChannelAttention": {"timm.layers.EcaModule": timm_efficient_channel},
    "GlobalContext": {
        "timm.layers.GlobalContext": timm_global_context,
        "mmcv.cnn.bricks.context_block.ContextBlock": mmcv_global_context,
    },
    "SelectiveKernel": {
        "timm.layers.SelectiveKernel": timm_selective_kernel,
        "pytorchcv.models.sknet.SKConvBlock": pytorchcv_selective_kernel,
    },
}
