"""What the chapter on joint attention reports."""

import time
from collections.abc import Callable
from functools import cache, partial
from itertools import product

import torch
from torch import Tensor, nn

from attention_lib import channel, joint, spatial
from attention_lib.teaching import data, nets, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, origin, resumed

COMMON: dict = dict(
    steps=400,
    batch=16,
    training_scenes=8000,
    test_scenes=2000,
    development_seed=0,
    seeds=list(range(101, 106)),
)
PLACES = dict(task="row and column", rates=[0.003, 0.01, 0.03], **COMMON)
CUE = {**COMMON, "task": "channel cue", "rates": [0.01], "seeds": [101, 102, 103]}


class WideConvolution(nn.Module):
    """A block that looks around as far as CBAM, channel by channel, and has no gate."""

    def __init__(self, channels: int):
        super().__init__()
        self.around = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.around(x)).relu()


class PlaceFirst(joint.ConvolutionalBlockAttention):
    """The gate of the places before that of the channels."""

    def forward(self, x: Tensor) -> Tensor:
        gated = self._spatial_gate(x)[:, None] * x
        return self.channel_gate(gated)[..., None, None] * gated


class PlacesAlone(joint.ConvolutionalBlockAttention):
    """The gate of the places, and none for the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return self._spatial_gate(x)[:, None] * x


class ChannelsAlone(joint.ConvolutionalBlockAttention):
    """The gate of the channels, and none for the places."""

    def forward(self, x: Tensor) -> Tensor:
        return self.channel_gate(x)[..., None, None] * x


class VoteAveraged(joint.BottleneckAttention):
    """Every place gets the mean vote of all places."""

    def forward(self, x: Tensor) -> Tensor:
        vote = self.spatial_branch(x).mean(dim=(-2, -1), keepdim=True)
        channel = self.channel_branch(x.mean(dim=(-2, -1)))[..., None, None]
        return x + (channel + vote).sigmoid() * x


class VoteAdded(joint.BottleneckAttention):
    """The vote of the places is added to the map; nothing is multiplied."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.spatial_branch(x)).relu()


PLUGS: dict[str, tuple[type[nn.Module] | None, dict]] = {
    "none": (None, {}),
    "SqueezeExcitation": (channel.SqueezeExcitation, dict(reduction=4)),
    "CoordinateAttention": (spatial.CoordinateAttention, dict(reduction=4)),
    "WideConvolution": (WideConvolution, {}),
    "ConvolutionalBlockAttention": (joint.ConvolutionalBlockAttention, dict(reduction=4)),
    "BottleneckAttention": (joint.BottleneckAttention, dict(reduction=4, dilation=2)),
    "ShuffleAttention": (joint.ShuffleAttention, dict(groups=4)),
    "PolarizedSelfAttention": (joint.PolarizedSelfAttention, {}),
    "TripletAttention": (joint.TripletAttention, {}),
    "SimAM": (joint.SimAM, {}),
    "ParNetAttention": (joint.ParNetAttention, {}),
    "DualAttention": (joint.DualAttention, dict(reduction=4)),
}
# A plug-in with one thing changed; each learns at the rate of that plug-in.
CONTROLS: dict[str, tuple[type[nn.Module], dict]] = {
    "ConvolutionalBlockAttention, 1×1": (joint.ConvolutionalBlockAttention, dict(kernel_size=1)),
    "ConvolutionalBlockAttention, channels alone": (ChannelsAlone, {}),
    "ConvolutionalBlockAttention, places alone": (PlacesAlone, {}),
    "ConvolutionalBlockAttention, place first": (PlaceFirst, {}),
    "BottleneckAttention, vote averaged": (VoteAveraged, {}),
    "BottleneckAttention, vote added": (VoteAdded, {}),
}
# On the channel cue the chapter on channel attention has Squeeze-and-Excitation.
ON_THE_CUE = [name for name in PLUGS if name not in ("SqueezeExcitation", "CoordinateAttention")]

FAIR = (
    "All have the same net, scenes, steps and batch. Where several rates are given, each has the "
    "one that is best for it with the development seed, which is not reported; where one is given, "
    "all have it. WideConvolution has no gate. A control learns at the rate of the plug-in that it "
    "changes."
)


def arguments(name: str) -> dict:
    """What the module of this name is told besides its channels."""
    return PLUGS[name.partition(",")[0]][1] | CONTROLS.get(name, (None, {}))[1]


def plug(name: str) -> Callable[[int], nn.Module] | None:
    """What makes the module of this name for so many channels."""
    mechanism = CONTROLS[name][0] if name in CONTROLS else PLUGS[name][0]
    return mechanism and partial(mechanism, **arguments(name))


def net(name: str, task: str, seed: int) -> nets.SmallNet:
    """A fresh small net with this plug-in, its weights drawn from the seed."""
    torch.manual_seed(seed)
    return nets.SmallNet(2 if task == "channel cue" else 10, plug(name))


def which_row_and_column(fresh: bool) -> None:
    """A cue in row and column: whose gate knows which feature, and where?"""
    origins = origin("joint", which_row_and_column)
    trained("joint-places", PLACES, [*PLUGS, *CONTROLS], origins, fresh)


def which_channel(fresh: bool) -> None:
    """A cue in one channel of the whole map: which gate, for features or for places, finds it?"""
    trained("joint-cue", CUE, ON_THE_CUE, origin("joint", which_channel), fresh)


def trained(name: str, settings: dict, names: list[str], origins: dict, fresh: bool) -> None:
    """Train nets with these plug-ins on one task, and store each run."""
    task, rates = settings["task"], settings["rates"]
    payload: dict = dict(
        provenance=origins,
        settings={**settings, "device": "cpu"},
        fairness=FAIR,
        plugs={
            plug: dict(arguments=arguments(plug), parameters=nets.parameters(net(plug, task, 0)))
            for plug in names
        },
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed(name, payload)

    @cache
    def scenes() -> tuple[data.Scenes, data.Scenes]:
        make = data.TASKS[task]
        test = make(settings["test_scenes"], seed=2, split="test")
        return make(settings["training_scenes"], seed=1), test

    def run(plug: str, rate: float, seed: int) -> dict:
        training, test = scenes()
        model, begun = net(plug, task, seed), time.process_time()
        train.fit(model, training[:2], settings["steps"], settings["batch"], rate, seed)
        seconds = time.process_time() - begun
        return dict(accuracy=train.accuracy(model, test[:2]), seconds=seconds)

    trials = [
        dict(plug=plug, rate=rate, seed=settings["development_seed"])
        for plug, rate in product(names, rates)
        if plug in PLUGS and len(rates) > 1
    ]
    complete(name, payload, "development", trials, run, "accuracy")
    found = payload["development"]
    chosen = best_rates(found, "accuracy", 2) if found else dict.fromkeys(names, rates[0])
    payload["rates"] = chosen
    reported = [
        dict(plug=plug, rate=chosen[plug.partition(",")[0]], seed=seed)
        for seed, plug in product(settings["seeds"], names)
    ]
    complete(name, payload, "runs", reported, run, "accuracy")


EXPERIMENTS = (which_row_and_column, which_channel)
