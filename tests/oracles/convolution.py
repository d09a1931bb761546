"""Convolutions in timm."""

from timm.models._efficientnet_blocks import DepthwiseSeparableConv


def timm_depthwise_separable(m):
    theirs = DepthwiseSeparableConv(
        m.channels, m.out_channels, m.kernel_size, m.stride, noskip=True, pw_act=True
    )
    theirs.conv_dw.padding = (m.kernel_size // 2,) * 2  # theirs grows with the stride
    ours = {"conv_dw": m.look, "bn1": m.look_norm, "conv_pw": m.mix, "bn2": m.mix_norm}
    return theirs, {
        f"{name}.{key}": tensor
        for name, layer in ours.items()
        for key, tensor in layer.state_dict(keep_vars=True).items()
    }


ORACLES = {
    "DepthwiseSeparable": {
        "timm.models._efficientnet_blocks.DepthwiseSeparableConv": timm_depthwise_separable
    }
}
