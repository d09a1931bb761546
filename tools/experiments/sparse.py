"""What the chapter on sparse attention reports."""

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from attention_lib import sparse
from attention_lib.adapt import on_maps
from attention_lib.dense import MultiHeadAttention
from attention_lib.teaching import nets, places, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, origin, resumed

Maker = Callable[[int], nn.Module]
FAIR = (
    "All have the same net but for one layer, the same maps, steps and batch, and the learning "
    "rate that is best for them with the development seed, which is not reported."
)


def report(
    experiment: Callable,
    name: str,
    settings: dict,
    made: Mapping[str, Callable[[], nn.Module]],
    measured: Callable[[Any], dict],
    learn: Callable[[int], places.Places],
    fresh: bool,
) -> None:
    """Choose each net's rate with the development seed, then run the seeds that are reported.

    Args:
        experiment: whose runs they are.
        made: what makes each net.
        measured: what is said of a trained net; its "accuracy" chooses the rate.
        learn: makes so many maps to learn from.
    """
    maps = cache(lambda: learn(settings["steps"] * settings["batch"]))

    def net(plug: str, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return made[plug]()

    def run(plug: str, rate: float, seed: int) -> dict:
        model, begun = net(plug, seed), time.process_time()
        train.fit(model, maps()[:2], settings["steps"], settings["batch"], rate, seed)
        return dict(seconds=time.process_time() - begun, **measured(model))

    payload: dict = dict(
        provenance=origin("sparse", experiment),
        settings={**settings, "device": "cpu"},
        fairness=FAIR,
        plugs={plug: dict(parameters=nets.parameters(net(plug, 0))) for plug in made},
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed(name, payload)
    trials = [
        dict(plug=plug, rate=rate, seed=settings["development_seed"])
        for plug, rate in product(made, settings["rates"])
    ]
    complete(name, payload, "development", trials, run, "accuracy")
    payload["rates"] = best_rates(payload["development"], "accuracy", 2)
    reported = [
        dict(plug=plug, rate=payload["rates"][plug], seed=seed)
        for seed, plug in product(settings["seeds"], made)
    ]
    complete(name, payload, "runs", reported, run, "accuracy")


TOLD: dict = dict(
    side=12,
    farthest=6,
    width=32,
    steps=250,
    batch=8,
    test_maps=100,
    rates=[0.005, 0.01],
    development_seed=0,
    seeds=list(range(101, 106)),
)


def halo(channels: int, block: int, rim: int) -> nn.Module:
    return sparse.HaloAttention(channels, heads=2, block_size=block, halo_size=rim)


def convolution(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1)


NEARBY: dict[str, Maker] = {
    "block 3, halo 0": partial(halo, block=3, rim=0),
    "block 3, halo 1": partial(halo, block=3, rim=1),
    "block 3, halo 3": partial(halo, block=3, rim=3),
    "block 6, halo 0": partial(halo, block=6, rim=0),
    "outlook, kernel 3": partial(sparse.OutlookAttention, heads=2),
    "convolution 3×3": convolution,
}


def told_how_far(fresh: bool) -> None:
    """Each place says how far to look: how far can one layer?"""
    make = partial(places.told_how_far, farthest=TOLD["farthest"], side=TOLD["side"])
    test = make(TOLD["test_maps"], seed=2)
    told = places.columns_told(test)[test.answers != places.NOT_ASKED]

    def measured(model: nn.Module) -> dict:
        right = places.right_at(model, test).float()
        far = range(1, TOLD["farthest"] + 1)
        by_distance = [right[told == distance].mean().item() for distance in far]
        return dict(accuracy=right.mean().item(), accuracy_by_distance=by_distance)

    inside, choices = test.maps.shape[1], test.choices
    made = {
        name: partial(places.PlaceNet, inside, choices, [maker], TOLD["width"])
        for name, maker in NEARBY.items()
    }
    report(told_how_far, "sparse-told", TOLD, made, measured, partial(make, seed=1), fresh)


POINTS: dict = dict(
    side=16,
    width=16,
    steps=200,
    batch=32,
    test_maps=400,
    rates=[0.01, 0.02],
    development_seed=0,
    seeds=list(range(101, 106)),
    still=1e-6,  # the range of points that stay where they are
)


class SamePoints(sparse.DeformableAttention):
    """Points that are learned as numbers: they move, but are the same for every map."""

    def __init__(self, channels: int, side: int, stride: int):
        super().__init__(channels, 2, 1, 1, stride, table_height=side, table_width=side)
        self.moved_by = nn.Parameter(torch.zeros(side // stride, side // stride, 2))

    def _points(self, query: Tensor) -> Tensor:
        column, row = self.moved_by.expand(len(query), -1, -1, -1).unbind(-1)
        row = self._moved(row.transpose(1, 2)).transpose(1, 2)
        return torch.stack([self._moved(column), row], dim=-1)


class Reader(nn.Module):
    """A small net in which places hear of each other by the points alone: it has no residual."""

    def __init__(self, layer: sparse.DeformableAttention):
        super().__init__()
        self.colours = nn.Sequential(nn.Conv2d(3, layer.channels, 3, padding=1), nn.ReLU())
        self.layer = layer
        self.answer = nn.Conv2d(layer.channels, 6, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return self.answer(self.layer(self.colours(maps)))

    def pixels(self, maps: Tensor) -> Tensor:
        """Row and column of each point, in pixels: (batch, points, 2)."""
        points = self.layer.points(self.colours(maps))[:, 0].flatten(1, 2)
        return (points + 1) / 2 * (POINTS["side"] - 1)


def fixed(stride: int) -> Reader:
    return moved(stride, kernel_size=1, offset_range=POINTS["still"])


def learned(stride: int) -> Reader:
    return Reader(SamePoints(POINTS["width"], POINTS["side"], stride))


def moved(stride: int, kernel_size: int, offset_range: float = 2.0) -> Reader:
    layer = sparse.DeformableAttention(
        POINTS["width"],
        heads=2,
        groups=1,
        kernel_size=kernel_size,
        stride=stride,
        offset_range=offset_range,
        table_height=POINTS["side"],
        table_width=POINTS["side"],
    )
    return Reader(layer)


POINT_NETS: dict[str, Callable[[], Reader]] = {
    "2×2, fixed": partial(fixed, 8),
    "2×2, learned, the same for all maps": partial(learned, 8),
    "2×2, moved by the map, kernel 5": partial(moved, 8, 5),
    "2×2, moved by the map, kernel 15": partial(moved, 8, 15),
    "4×4, fixed": partial(fixed, 4),
    "4×4, moved by the map, kernel 15": partial(moved, 4, 15),
}


def moved_points(fresh: bool) -> None:
    """Four blobs, and a few points to read at, fixed or moved by each map: do they find one?"""
    test, middles = places.four_blobs(POINTS["test_maps"], seed=2)

    def measured(model: Reader) -> dict:
        with torch.inference_mode():
            apart = (model.pixels(test.maps)[:, :, None] - middles[:, None]).norm(dim=-1)
        accuracy = places.right_at(model, test).float().mean().item()
        return dict(accuracy=accuracy, nearest=apart.flatten(1).amin(dim=1).mean().item())

    def learn(samples: int) -> places.Places:
        return places.four_blobs(samples, seed=1)[0]

    report(moved_points, "sparse-points", POINTS, POINT_NETS, measured, learn, fresh)


CONTENT: dict = dict(
    width=32,
    steps=300,
    batch=24,
    test_maps=200,
    rates=[0.01, 0.02],
    development_seed=0,
    seeds=list(range(101, 106)),
)


def criss_cross(channels: int, recurrence: int) -> nn.Module:
    """As the paper has it, without a factor that starts at 0."""
    layer = sparse.CrissCrossAttention(channels, reduction=1, recurrence=recurrence)
    nn.init.ones_(layer.scale)
    return layer


LOOKING: dict[str, Maker] = {
    "block 3, halo 0": partial(halo, block=3, rim=0),
    "criss-cross, once": partial(criss_cross, recurrence=1),
    "criss-cross, twice": partial(criss_cross, recurrence=2),
    "axial, row and column": partial(sparse.AxialAttention, heads=2),
    "dense attention": lambda channels: on_maps(MultiHeadAttention(channels, heads=2)),
}


def by_content(fresh: bool) -> None:
    """One place of the map carries the same vector as I do: who finds it, by one layer?"""
    test = places.same_vector(CONTENT["test_maps"], seed=2)

    def measured(model: nn.Module) -> dict:
        return dict(accuracy=places.right_at(model, test).float().mean().item())

    inside, choices = test.maps.shape[1], test.choices
    made = {
        name: partial(places.PlaceNet, inside, choices, [maker], CONTENT["width"])
        for name, maker in LOOKING.items()
    }
    learn = partial(places.same_vector, seed=1)
    report(by_content, "sparse-content", CONTENT, made, measured, learn, fresh)


EXPERIMENTS = (told_how_far, moved_points, by_content)
