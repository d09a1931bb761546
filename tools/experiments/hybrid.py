"""What the chapter on hybrid attention reports."""

import time
from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import nn

from attention_lib.adapt import on_maps
from attention_lib.dense import MultiHeadAttention
from attention_lib.hybrid import (
    ContextualTransformer,
    MobileViTBlock,
    ParallelMultiScaleAttention,
    RelativeAttention,
)
from attention_lib.teaching import nets, places, sequences, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, origin, resumed

Maker = Callable[[int], nn.Module]
SIDES = (places.SIDE, places.SIDE)


def convolution(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1)


def attention(channels: int) -> nn.Module:
    return on_maps(MultiHeadAttention(channels, heads=2))


def relative(channels: int) -> RelativeAttention:
    return RelativeAttention(channels, *SIDES, head_dim=16, expansion=1)


def started(channels: int, right: int) -> RelativeAttention:
    """Relative attention that looks one column to its left (1) or to its right (-1) at first."""
    module = relative(channels)
    with torch.no_grad():  # the step 0 stands in the middle of the table
        module.table[:, places.SIDE - 1, places.SIDE - 1 + right] = 8
    return module


def mobilevit(channels: int, patch_size: int) -> nn.Module:
    return MobileViTBlock(channels, dim=channels, depth=1, heads=2, patch_size=patch_size)


# The blocks of each net, and whether it is told the places
Made = dict[str, tuple[Sequence[Maker], bool]]
OFFSET_NETS: Made = {
    "RelativeAttention twice": ([relative, relative], False),
    "convolution, convolution": ([convolution, convolution], False),
    "attention, attention, no places": ([attention, attention], False),
}
FAIR = (
    "All have the same maps or sequences, steps and batch, and the learning rate that is best for "
    "them over the development seeds, which are not reported."
)


def place_net(blocks: Sequence[Maker], told_places: bool, task: places.Places) -> places.PlaceNet:
    """An untrained net for a task."""
    positions = SIDES if told_places else None
    return places.PlaceNet(task.maps.shape[1], task.choices, blocks, positions=positions)


def report(
    experiment: Callable,
    name: str,
    settings: dict,
    plugs: dict[str, dict],
    run: Callable[..., dict],
    fresh: bool,
) -> None:
    """Choose each net's rate on the development seeds, then run the seeds that are reported.

    Args:
        experiment: whose runs they are.
        run: trains one net, named by `plug`, at a rate and from a seed.
    """
    payload: dict = dict(
        provenance=origin("hybrid", experiment),
        settings={**settings, "device": "cpu"},
        fairness=FAIR,
        plugs=plugs,
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed(name, payload)
    trials = [
        dict(plug=plug, rate=rate, seed=seed)
        for plug in plugs
        for rate in settings["rates"]
        for seed in settings["development_seeds"]
    ]
    complete(name, payload, "development", trials, run, "accuracy")
    payload["rates"] = best_rates(payload["development"], "accuracy", 2)
    reported = [
        dict(plug=plug, rate=payload["rates"][plug], seed=seed)
        for seed in settings["seeds"]
        for plug in plugs
    ]
    complete(name, payload, "runs", reported, run, "accuracy")


class Neighbour(nn.Module):
    """Each place is told what stands one column to its left, or to its right; zeros at the edge."""

    def __init__(self, side: str):
        super().__init__()
        self.padding, self.kept = (
            ((1, 0), slice(-1)) if side == "left" else ((0, 1), slice(1, None))  # type: ignore[var-annotated]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x, self.padding)[..., self.kept]


def neighbour(channels: int, side: str) -> Neighbour:
    return Neighbour(side)


DOMINOES: dict = dict(
    steps=400,
    batch=24,
    training_maps=9600,
    test_maps=400,
    rates=[0.0025, 0.005, 0.01],
    development_seeds=[0],
    seeds=list(range(101, 106)),
)


def report_dominoes(experiment: Callable, name: str, made: Made, fresh: bool) -> None:
    """Train nets of these blocks on dominoes; how often are they right, near and far?

    Args:
        experiment: whose runs they are.
        made: the blocks of each net, and whether it is told the places.
    """
    learn = cache(lambda: places.dominoes(DOMINOES["training_maps"], seed=1))
    test = places.dominoes(DOMINOES["test_maps"], seed=2)
    asked = test.answers != places.NOT_ASKED
    own = torch.arange(places.SIDE)[:, None].expand_as(test.rows)
    rows_away = (own - test.rows).abs()[asked]

    def run(plug: str, rate: float, seed: int) -> dict:
        torch.manual_seed(seed)
        net, begun = place_net(*made[plug], test), time.process_time()
        train.fit(net, learn()[:2], DOMINOES["steps"], DOMINOES["batch"], rate, seed)
        seconds = time.process_time() - begun
        right = places.right_at(net, test).float()
        by_rows = [right[rows_away == rows].mean().item() for rows in range(places.SIDE)]
        return dict(accuracy=right.mean().item(), accuracy_by_rows=by_rows, seconds=seconds)

    plugs = {
        plug: dict(parameters=nets.parameters(place_net(*net, test))) for plug, net in made.items()
    }
    report(experiment, name, DOMINOES, plugs, run, fresh)


def order(fresh: bool) -> None:
    """Dominoes, the neighbour first or the far one first: which block solves them?"""
    made: Made = {
        "convolution, attention": ([convolution, attention], False),
        "attention, convolution": ([attention, convolution], False),
        "convolution, convolution": ([convolution, convolution], False),
        "attention, attention, places": ([attention, attention], True),
        "MobileViT block, patch 1": ([partial(mobilevit, patch_size=1)], False),
        "MobileViT block, patch 2": ([partial(mobilevit, patch_size=2)], False),
        "CoT twice": ([ContextualTransformer, ContextualTransformer], False),
        "RelativeAttention twice": ([relative, relative], False),
        "the same, left neighbour at +8": ([partial(started, right=1), relative], False),
        "the same, right neighbour at +8": ([partial(started, right=-1), relative], False),
    }
    report_dominoes(order, "hybrid-order", made, fresh)


def neighbours(fresh: bool) -> None:
    """One fixed step in place of the convolution: which way must it go?"""
    made: Made = {
        f"{side} neighbour, attention": ([partial(neighbour, side=side), attention], False)
        for side in ("left", "right")
    }
    report_dominoes(neighbours, "hybrid-neighbours", made, fresh)


OFFSET: dict = dict(
    steps=100,
    batch=24,
    training_maps=2400,
    test_maps=200,
    offset=[3, 3],
    rates=[0.005, 0.01, 0.02],
    development_seeds=[0, 1],
    seeds=list(range(101, 106)),
)


def offset(fresh: bool) -> None:
    """A fixed step on a ring, three rows down and three columns right: what takes it?"""
    learn = places.at_offset(OFFSET["training_maps"], 1, *OFFSET["offset"])
    test = places.at_offset(OFFSET["test_maps"], 2, *OFFSET["offset"])

    def run(plug: str, rate: float, seed: int) -> dict:
        torch.manual_seed(seed)
        net, begun = place_net(*OFFSET_NETS[plug], test), time.process_time()
        train.fit(net, learn[:2], OFFSET["steps"], OFFSET["batch"], rate, seed)
        seconds = time.process_time() - begun
        accuracy = places.right_at(net, test).float().mean().item()
        largest = [largest_offsets(m) for m in net.mixers if isinstance(m, RelativeAttention)]
        return dict(accuracy=accuracy, largest=largest, seconds=seconds)

    plugs = {
        name: dict(parameters=nets.parameters(place_net(*made, test)))
        for name, made in OFFSET_NETS.items()
    }
    report(offset, "hybrid-offset", OFFSET, plugs, run, fresh)


def largest_offsets(module: RelativeAttention) -> list[list[tuple[int, int]]]:
    """For each head the four offsets, in rows and columns, of the largest numbers in its table."""
    width = module.table.shape[-1]
    middle = width // 2
    return [
        [(i // width - middle, i % width - middle) for i in head.flatten().topk(4).indices.tolist()]
        for head in module.table.detach()
    ]


PATHS: dict = dict(
    steps=200,
    batch=24,
    training_sequences=4800,
    test_sequences=400,
    pairs=8,
    keys=16,
    values=16,
    rates=[0.005, 0.01, 0.02],
    development_seeds=[0, 1],
    seeds=list(range(101, 106)),
)


def muse(dim: int, without: str = "") -> nn.Module:
    """MUSE with one kernel of three tokens; a path that it is to do without adds zeros for ever."""
    module = ParallelMultiScaleAttention(dim, heads=4, kernel_sizes=(3,), expansion=1)
    if without:
        path = module.get_submodule(f"out_{without}")
        nn.init.zeros_(path.get_parameter("weight")).requires_grad_(False)
    return module


# What makes the mixer of each net, and whether it is told the places
PATH_NETS: dict[str, tuple[Maker, bool]] = {
    "MUSE, kernel 3": (muse, False),
    "its convolution alone": (partial(muse, without="attention"), False),
    "its attention alone, places": (partial(muse, without="convolution"), True),
}


def paths(fresh: bool) -> None:
    """Recall of pairs by two layers of MUSE: does either path do it alone?"""
    make = partial(
        sequences.recall, pairs=PATHS["pairs"], keys=PATHS["keys"], values=PATHS["values"]
    )
    learn, test = make(PATHS["training_sequences"], 1), make(PATHS["test_sequences"], 2)

    def net(plug: str) -> nets.SequenceNet:
        mixer, told_places = PATH_NETS[plug]
        positions = test.tokens.shape[1] if told_places else 0
        kinds = test.vocabulary, test.choices
        return nets.SequenceNet(*kinds, mixer, dim=48, layers=2, positions=positions)

    def run(plug: str, rate: float, seed: int) -> dict:
        torch.manual_seed(seed)
        model, begun = net(plug), time.process_time()
        train.fit(
            model, learn[:2], PATHS["steps"], PATHS["batch"], rate, seed,
            loss=train.last_tokens_loss,
        )  # fmt: skip
        seconds = time.process_time() - begun
        return dict(accuracy=train.recall_accuracy(model, test), seconds=seconds)

    plugs = {name: dict(parameters=nets.parameters(net(name))) for name in PATH_NETS}
    report(paths, "hybrid-paths", PATHS, plugs, run, fresh)


EXPERIMENTS = (paths, offset, order, neighbours)
