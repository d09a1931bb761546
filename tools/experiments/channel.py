"""What the chapter on channel attention reports."""

import time
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import nn

from attention_lib import channel
from attention_lib.teaching import data, denoise, nets, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, origin, resumed

CHANNEL: dict = dict(
    steps={"channel cue": 800, "row and column": 400, "local marker": 400},
    batch=16,
    training_scenes=8000,
    test_scenes=2000,
    rates=[0.003, 0.01, 0.03],
    development_seeds=[0, 1],
    seeds={
        "channel cue": list(range(100, 107)),
        "row and column": list(range(100, 105)),
        "local marker": list(range(100, 105)),
    },
)

PLUGS: dict[str, tuple[type[nn.Module] | None, dict]] = {
    "none": (None, {}),
    "SqueezeExcitation": (channel.SqueezeExcitation, dict(reduction=4)),
    "EfficientChannelAttention": (channel.EfficientChannelAttention, {}),
    "SelectiveKernel": (channel.SelectiveKernel, {}),
    "PyramidSplitAttention": (channel.PyramidSplitAttention, dict(reduction=2)),
}

# The same branches with the choice taken away: what is left is convolution.
CONTROLS = {f"{name}, equal weights": name for name in PLUGS if name.startswith(("Sel", "Pyr"))}

FAIR = (
    "All have the same net, scenes, steps and batch, and on each task the learning rate that is "
    "best for them over the development seeds, which are not reported. SelectiveKernel and "
    "PyramidSplitAttention bring convolutions of their own: they add parameters and widen what "
    "the net sees (`reach`, in pixels). In the channel cue no reach here bridges digits and cue: "
    "that takes 46 pixels. In the other two tasks their convolutions help or hurt by themselves: "
    "the controls, 'equal weights', have the same branches and no choice among them, and learn at "
    "the rate of the plug-in they control."
)


class EqualWeights(nn.Module):
    """The branches of a SelectiveKernel or PyramidSplitAttention, each weighing the same."""

    def __init__(self, mechanism: nn.Module):
        super().__init__()
        self.split = nn.ModuleList(mechanism.get_submodule("split").children())
        self.combine = torch.cat if type(mechanism) is channel.PyramidSplitAttention else _added

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.combine([branch(x) / len(self.split) for branch in self.split], 1)


def _added(maps: list[torch.Tensor], _: int) -> torch.Tensor:
    return torch.stack(maps).sum(dim=0)


def plug(name: str) -> Callable[[int], nn.Module] | None:
    """What makes the module of this name for so many channels."""
    mechanism, arguments = PLUGS[CONTROLS.get(name, name)]
    if mechanism is None:
        return None
    make = partial(mechanism, **arguments)
    return (lambda channels: EqualWeights(make(channels))) if name in CONTROLS else make


def net(name: str, task: str, seed: int) -> nets.SmallNet:
    """A fresh small net with this plug-in, its weights drawn from the seed."""
    torch.manual_seed(seed)
    return nets.SmallNet(2 if task == "channel cue" else 10, plug(name))


def plugs_in_net(fresh: bool) -> None:
    """A cue in a channel, in row and column, or on the spot: which module finds which?"""
    names = [*PLUGS, *CONTROLS]
    payload: dict = dict(
        provenance=origin("channel", plugs_in_net),
        settings={**CHANNEL, "device": "cpu"},
        fairness=FAIR,
        plugs={
            name: dict(
                arguments=PLUGS[CONTROLS.get(name, name)][1],
                parameters=nets.parameters(net(name, "channel cue", 0)),
                reach=nets.receptive_field(net(name, "channel cue", 0)),
            )
            for name in names
        },
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed("channel-experiment", payload)

    @cache
    def scenes(task: str) -> tuple[data.Scenes, data.Scenes]:
        make = data.TASKS[task]
        return (
            make(CHANNEL["training_scenes"], seed=1),
            make(CHANNEL["test_scenes"], seed=2, split="test"),
        )

    def run(task: str, plug: str, rate: float, seed: int) -> dict:
        training, test = scenes(task)
        model, begun = net(plug, task, seed), time.process_time()
        train.fit(model, training[:2], CHANNEL["steps"][task], CHANNEL["batch"], rate, seed)
        seconds = time.process_time() - begun  # of this process alone
        return dict(accuracy=train.accuracy(model, test[:2]), seconds=seconds)

    trials = [
        dict(task=task, plug=name, rate=rate, seed=seed)
        for task in CHANNEL["seeds"]
        for name in PLUGS
        for rate in CHANNEL["rates"]
        for seed in CHANNEL["development_seeds"]
    ]
    complete("channel-experiment", payload, "development", trials, run, "accuracy")
    rates = {
        task: best_rates([t for t in payload["development"] if t["task"] == task], "accuracy", 2)
        for task in CHANNEL["seeds"]
    }
    payload["rates"] = rates
    reported = [
        dict(task=task, plug=name, rate=rates[task][CONTROLS.get(name, name)], seed=seed)
        for task, seeds in CHANNEL["seeds"].items()
        for seed in seeds
        for name in names
    ]
    complete("channel-experiment", payload, "runs", reported, run, "accuracy")


DENOISING: dict = dict(
    steps=900,
    batch=16,
    training_crops=4000,
    size=24,
    test_crops=400,
    rates=[0.05, 0.1, 0.5],
    development_seeds=[0, 1, 2],
    seeds=list(range(100, 108)),
    levels=[0.02, 0.05, 0.1, 0.2, 0.3],
)


def gates_on_picture(fresh: bool) -> None:
    """Noise on a photograph grows: what are gates worth, in decibel?"""
    makers = dict(
        constant=None,
        SqueezeExcitation=partial(channel.SqueezeExcitation, reduction=1),
        EfficientChannelAttention=channel.EfficientChannelAttention,
    )
    training = data.noisy_crops(DENOISING["training_crops"], seed=1, size=DENOISING["size"])
    test = data.noisy_crops(DENOISING["test_crops"], seed=2, split="test")
    levels = [
        data.noisy_crops(DENOISING["test_crops"], seed=3, split="test", noise=noise)
        for noise in DENOISING["levels"]
    ]

    def decibel(answer: torch.Tensor, crops: data.Crops) -> float:
        return denoise.psnr(answer, crops.clean).mean().item()

    payload: dict = dict(
        provenance=origin("channel", gates_on_picture),
        settings={**DENOISING, "device": "cpu"},
        bands=list(denoise.BANDS),
        best_constants=decibel(best_constants(training)(test.noisy), test),
        untouched=dict(
            decibel=decibel(test.noisy, test),
            decibel_by_level=[decibel(crops.noisy, crops) for crops in levels],
        ),
        plugs={
            name: dict(parameters=nets.parameters(denoise.Denoiser(maker)))
            for name, maker in makers.items()
        },
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed("channel-denoising", payload)

    def run(plug: str, rate: float, seed: int) -> dict:
        torch.manual_seed(seed)
        model, begun = denoise.Denoiser(makers[plug]), time.process_time()
        steps, batch = DENOISING["steps"], DENOISING["batch"]
        train.fit(model, training, steps, batch, rate, seed, loss=nn.functional.mse_loss)
        seconds = time.process_time() - begun
        with torch.inference_mode():
            return dict(
                decibel=decibel(model(test.noisy), test),
                decibel_by_level=[decibel(model(crops.noisy), crops) for crops in levels],
                gates_by_level=[model.gates(crops.noisy).mean(0).tolist() for crops in levels],
                seconds=seconds,
            )

    trials = [
        dict(plug=name, rate=rate, seed=seed)
        for name in makers
        for rate in DENOISING["rates"]
        for seed in DENOISING["development_seeds"]
    ]
    complete("channel-denoising", payload, "development", trials, run, "decibel")
    rates = best_rates(payload["development"], "decibel", 1)
    payload["rates"] = rates
    reported = [
        dict(plug=name, rate=rates[name], seed=seed)
        for seed in DENOISING["seeds"]
        for name in makers
    ]
    complete("channel-denoising", payload, "runs", reported, run, "decibel")


class FreeConstants(denoise.ConstantGate):
    """One factor for each channel, which may leave 0 to 1."""

    def gate(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(x), -1)


def best_constants(crops: data.Crops) -> denoise.Denoiser:
    """The denoiser whose constants, free to leave 0 to 1, fit these crops best: least squares."""
    constants = FreeConstants(len(denoise.BANDS))
    model, alone = denoise.Denoiser(lambda _: constants), []
    with torch.inference_mode():
        for one in torch.eye(len(denoise.BANDS)):  # what each band by itself makes of the crops
            constants.logits.copy_(one)
            alone.append(model(crops.noisy).flatten())
        shown = torch.stack(alone, dim=1).double()
        best = torch.linalg.lstsq(shown, crops.clean.flatten().double()[:, None]).solution
        constants.logits.copy_(best[:, 0])
    return model


EXPERIMENTS = (gates_on_picture, plugs_in_net)
