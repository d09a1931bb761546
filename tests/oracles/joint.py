"""Joint attention in other people's packages."""

import warnings

from torch import nn

from tests.oracles.bare import bare


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
    "TripletAttention": {"holocron.nn.modules.attention.TripletAttention": holocron_triplet},
}
