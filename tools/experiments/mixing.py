"""What the chapter on mixing reports."""

import time
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib import dense, hybrid, mixing
from attention_lib.adapt import on_maps
from attention_lib.teaching import data, denoise, nets, places, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, origin, resumed

# What makes a mixer for maps of so many rows and columns, of so many channels.
MIXERS: dict[str, Callable[[int, int], nn.Module]] = {
    "convolution 3×3": lambda side, width: nn.Conv2d(width, width, 3, padding=1),
    "SpatialShift": lambda side, width: mixing.SpatialShift(width),
    "GlobalFilter": lambda side, width: mixing.GlobalFilter(width, side, side),
    "VisionPermutator": lambda side, width: mixing.VisionPermutator(width, side, side),
    "RelativeAttention": lambda side, width: hybrid.RelativeAttention(
        width, side, side, head_dim=16, expansion=1
    ),
    "MultiHeadAttention": lambda side, width: on_maps(dense.MultiHeadAttention(width, heads=2)),
}
PLACED = ", learned places"  # of a mixer that is told the places by a learned map

WHERE: dict = dict(
    side=6,
    width=32,
    layers=2,
    batch=24,
    steps={"step": 100, "far": 100, "mirror": 100, "content": 150},
    test_maps=200,
    rates=[0.01, 0.02],
    development_seeds=[0],
    seeds=list(range(101, 106)),
)
KNOWN: dict = WHERE | dict(
    steps={"vectors drawn for each map": 300, "six known vectors": 300}, rates=[0.01]
)
SIZES: dict = WHERE | dict(
    side=8,
    batch=16,
    steps={"1 to the right": 100, "3 to the right": 100},
    test_maps=30,
    test_sides=[8, 12, 16],
)
FAIR = (
    "All have the same net, two blocks of 32 channels, the same maps, steps and batch, and on each "
    "task the learning rate that is best for them on a development seed, which is not reported. "
    "RelativeAttention keeps the residual and the plain layers of its paper inside the block."
)
TASKS: dict[str, Callable[..., places.Places]] = {
    "step": places.to_the_right,
    "far": partial(places.at_offset, down=3, right=3),
    "mirror": places.mirrored,
    "content": places.same_vector,
    "vectors drawn for each map": places.same_vector,
    "six known vectors": partial(places.same_vector, known=True),
    "1 to the right": partial(places.to_the_right, steps=1),
    "3 to the right": partial(places.to_the_right, steps=3),
}


def net(plug: str, task: places.Places, settings: dict, seed: int) -> places.PlaceNet:
    """A fresh net with this mixer, its weights drawn from the seed."""
    side = settings["side"]
    torch.manual_seed(seed)
    return places.PlaceNet(
        task.maps.shape[1],
        task.choices,
        settings["layers"] * [partial(MIXERS[plug.removesuffix(PLACED)], side)],
        settings["width"],
        positions=(side, side) if plug.endswith(PLACED) else None,
    )


def answered(model: places.PlaceNet, tests: list[places.Places]) -> list[float | None]:
    """The accuracy on each test; None where the mixer refuses maps of that size."""
    found: list[float | None] = []
    for test in tests:
        try:
            found.append(places.right_at(model, test).float().mean().item())
        except ValueError:
            found.append(None)
    return found


def report(experiment: Callable, name: str, settings: dict, plugs: list[str], fresh: bool) -> None:
    """Choose each plug-in's rate on the development seeds, then run the seeds that are reported."""

    @cache
    def made(task: str) -> tuple[places.Places, list[places.Places]]:
        samples = settings["steps"][task] * settings["batch"]
        make = TASKS[task]
        if "test_sides" not in settings:
            return make(samples, seed=1), [make(settings["test_maps"], seed=2)]
        tests = [make(settings["test_maps"], seed=2, side=side) for side in settings["test_sides"]]
        return make(samples, seed=1, side=settings["side"]), tests

    payload: dict = dict(
        provenance=origin("mixing", experiment),
        settings={**settings, "device": "cpu"},
        fairness=FAIR,
        plugs={
            plug: dict(
                parameters={
                    task: nets.parameters(net(plug, made(task)[0], settings, 0))
                    for task in settings["steps"]
                }
            )
            for plug in plugs
        },
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed(name, payload)

    def run(task: str, plug: str, rate: float, seed: int) -> dict:
        training, tests = made(task)
        model, begun = net(plug, training, settings, seed), time.process_time()
        train.fit(model, training[:2], settings["steps"][task], settings["batch"], rate, seed)
        seconds = time.process_time() - begun
        found = answered(model, tests)
        return dict(accuracy=found[0], accuracies=found, seconds=seconds)

    trials = [
        dict(task=task, plug=plug, rate=rate, seed=seed)
        for task in settings["steps"]
        for plug in plugs
        for rate in settings["rates"]
        for seed in settings["development_seeds"]
    ]
    complete(name, payload, "development", trials, run, "accuracy")
    payload["rates"] = {
        task: best_rates([t for t in payload["development"] if t["task"] == task], "accuracy", 2)
        for task in settings["steps"]
    }
    reported = [
        dict(task=task, plug=plug, rate=payload["rates"][task][plug], seed=seed)
        for task in settings["steps"]
        for seed in settings["seeds"]
        for plug in plugs
    ]
    complete(name, payload, "runs", reported, run, "accuracy")


def where_to_read(fresh: bool) -> None:
    """Four questions about another place: who can answer which?"""
    plugs = [*MIXERS, f"MultiHeadAttention{PLACED}"]
    report(where_to_read, "mixing-where", WHERE, plugs, fresh)


def known_vectors(fresh: bool) -> None:
    """The question by content, for longer, and with vectors that all maps share: who passes?"""
    report(known_vectors, "mixing-known", KNOWN, ["GlobalFilter"], fresh)


def other_sizes(fresh: bool) -> None:
    """Trained on maps of one size, asked on larger ones: what still works?"""
    plugs = ["SpatialShift", "GlobalFilter", "VisionPermutator", "RelativeAttention"]
    report(other_sizes, "mixing-sizes", SIZES, plugs, fresh)


STRIPES: dict = dict(
    cycles={"waves that fit": [8, 4], "waves that do not": [8.5, 4.5]},
    size=32,
    training_crops=1000,
    test_crops=200,
    steps=300,
    batch=24,
    rates=[0.01, 0.03],
    development_seeds=[0],
    seeds=list(range(101, 106)),
)
AS_IDENTITY = "GlobalFilter, from the identity"


def filtering(plug: str, size: int) -> nn.Module:
    """One linear layer from three colours to three; at the edges all go on at the other side."""
    if plug.startswith("GlobalFilter"):
        layer = mixing.GlobalFilter(3, size, size)
        if plug == AS_IDENTITY:
            with torch.no_grad():
                layer.filter.copy_(torch.tensor([1.0, 0.0])[:, None, None, None])
        return layer
    kernel = int(plug[-1])
    return nn.Conv2d(3, 3, kernel, padding=kernel // 2, padding_mode="circular")


def stripes_on_picture(fresh: bool) -> None:
    """Stripes of one frequency on a photograph: which linear layer takes them off?"""
    plugs = ["convolution 3×3", "convolution 7×7", "GlobalFilter", AS_IDENTITY]
    size = STRIPES["size"]

    @cache
    def made(task: str) -> tuple[data.Crops, data.Crops]:
        cycles = tuple(STRIPES["cycles"][task])
        training = data.striped_crops(STRIPES["training_crops"], 1, "train", cycles, size)
        return training, data.striped_crops(STRIPES["test_crops"], 2, "test", cycles, size)

    def decibel(answer: Tensor, task: str) -> float:
        return denoise.psnr(answer, made(task)[1].clean).mean().item()

    payload: dict = dict(
        provenance=origin("mixing", stripes_on_picture),
        settings={**STRIPES, "device": "cpu"},
        untouched={task: decibel(made(task)[1].noisy, task) for task in STRIPES["cycles"]},
        plugs={plug: dict(parameters=nets.parameters(filtering(plug, size))) for plug in plugs},
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed("mixing-stripes", payload)

    def run(task: str, plug: str, rate: float, seed: int) -> dict:
        torch.manual_seed(seed)
        (training, test), layer = made(task), filtering(plug, size)
        begun = time.process_time()
        steps, batch = STRIPES["steps"], STRIPES["batch"]
        train.fit(layer, training[:2], steps, batch, rate, seed, loss=F.mse_loss)
        seconds = time.process_time() - begun
        with torch.inference_mode():
            return dict(decibel=decibel(layer(test.noisy), task), seconds=seconds)

    trials = [
        dict(task=task, plug=plug, rate=rate, seed=seed)
        for task in STRIPES["cycles"]
        for plug in plugs
        for rate in STRIPES["rates"]
        for seed in STRIPES["development_seeds"]
    ]
    complete("mixing-stripes", payload, "development", trials, run, "decibel")
    payload["rates"] = {
        task: best_rates([t for t in payload["development"] if t["task"] == task], "decibel", 1)
        for task in STRIPES["cycles"]
    }
    reported = [
        dict(task=task, plug=plug, rate=payload["rates"][task][plug], seed=seed)
        for task in STRIPES["cycles"]
        for seed in STRIPES["seeds"]
        for plug in plugs
    ]
    complete("mixing-stripes", payload, "runs", reported, run, "decibel")


EXPERIMENTS = (where_to_read, stripes_on_picture, known_vectors, other_sizes)
