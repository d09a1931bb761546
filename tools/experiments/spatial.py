"""What the chapter on spatial attention reports."""

import time
from collections.abc import Callable
from functools import cache, partial
from itertools import product

import torch
from torch import Tensor, nn

from attention_lib import channel, spatial
from attention_lib.teaching import data, nets, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, origin, resumed

PLACES: dict = dict(
    steps=400,
    batch=16,
    training_scenes=8000,
    test_scenes=2000,
    rates=[0.003, 0.01, 0.03],
    tasks=["row and column", "local marker"],
    development_seed=0,
    seeds=list(range(101, 106)),
)


class RowsAlone(spatial.CoordinateAttention):
    """The gates of the rows, and none for the columns."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.row_gate(x)[..., None]


class GatesSwapped(spatial.CoordinateAttention):
    """On a square map: the gates of the rows laid on the columns, and those of columns on rows."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.row_gate(x)[..., None, :] * self.column_gate(x)[..., None]


PLUGS: dict[str, tuple[type[nn.Module] | None, dict]] = {
    "none": (None, {}),
    "SqueezeExcitation": (channel.SqueezeExcitation, dict(reduction=4)),
    "SpatialGroupEnhance": (spatial.SpatialGroupEnhance, dict(groups=8)),
    "CoordinateAttention": (spatial.CoordinateAttention, dict(reduction=4)),
}
# Coordinate attention with one thing changed; each learns at its rate.
CONTROLS: dict[str, type[nn.Module]] = {
    "CoordinateAttention, rows alone": RowsAlone,
    "CoordinateAttention, gates swapped": GatesSwapped,
}

FAIR = (
    "All have the same net, scenes, steps and batch, and on each task the learning rate that is "
    "best for them with the development seed, which is not reported. The controls have the "
    "parameters of CoordinateAttention and learn at its rate, on row and column alone."
)


def plug(name: str) -> Callable[[int], nn.Module] | None:
    """What makes the module of this name for so many channels."""
    mechanism, arguments = PLUGS[name.partition(",")[0]]
    chosen = CONTROLS.get(name, mechanism)
    return chosen and partial(chosen, **arguments)


def net(name: str, seed: int) -> nets.SmallNet:
    """A fresh small net with this plug-in, its weights drawn from the seed."""
    torch.manual_seed(seed)
    return nets.SmallNet(10, plug(name))


def places(fresh: bool) -> None:
    """Row and column, and a cue on the spot: which gate knows where?"""
    names = [*PLUGS, *CONTROLS]
    payload: dict = dict(
        provenance=origin("spatial", places),
        settings={**PLACES, "device": "cpu"},
        fairness=FAIR,
        plugs={
            name: dict(
                arguments=PLUGS[name.partition(",")[0]][1],
                parameters=nets.parameters(net(name, 0)),
            )
            for name in names
        },
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed("spatial-places", payload)

    @cache
    def scenes(task: str) -> tuple[data.Scenes, data.Scenes]:
        make = data.TASKS[task]
        test = make(PLACES["test_scenes"], seed=2, split="test")
        return make(PLACES["training_scenes"], seed=1), test

    def run(task: str, plug: str, rate: float, seed: int) -> dict:
        training, test = scenes(task)
        model, begun = net(plug, seed), time.process_time()
        train.fit(model, training[:2], PLACES["steps"], PLACES["batch"], rate, seed)
        seconds = time.process_time() - begun
        return dict(accuracy=train.accuracy(model, test[:2]), seconds=seconds)

    trials = [
        dict(task=task, plug=name, rate=rate, seed=PLACES["development_seed"])
        for task, name, rate in product(PLACES["tasks"], PLUGS, PLACES["rates"])
    ]
    complete("spatial-places", payload, "development", trials, run, "accuracy")
    rates = {
        task: best_rates([t for t in payload["development"] if t["task"] == task], "accuracy", 2)
        for task in PLACES["tasks"]
    }
    payload["rates"] = rates
    reported = [
        dict(task=task, plug=name, rate=rates[task][name.partition(",")[0]], seed=seed)
        for task, seed, name in product(PLACES["tasks"], PLACES["seeds"], names)
        if task == "row and column" or name in PLUGS
    ]
    complete("spatial-places", payload, "runs", reported, run, "accuracy")


HEADS: dict = dict(
    steps={"digits among scraps": 400, "one large digit": 100},
    batch=24,
    training_scenes=4000,
    test_scenes=1000,
    rates=[0.003, 0.01, 0.03],
    put_on=[[t, lam] for t in (1.0, "inf") for lam in (0.1, 1.0, 10.0)],
    development_seed=0,
    seeds=list(range(101, 106)),
)
TRAINED: dict[str, Callable[[int], nn.Module] | None] = {
    "mean": None,
    "ClassSpecificResidualAttention": partial(spatial.ClassSpecificResidualAttention, classes=10),
}


def put_on(
    model: nets.TaggingNet, temperature: float | str = 1.0, lam: float = 0.0
) -> spatial.ClassSpecificResidualAttention:
    """The class-specific head with the weights of a net's plain classifier."""
    weight = model.head.state_dict()["2.weight"]
    classes, channels = weight.shape
    temperatures = (float(temperature),)
    head = spatial.ClassSpecificResidualAttention(channels, classes, temperatures, lam)
    head.load_state_dict({"classify.0": weight})
    return head


def points_at(model: nets.TaggingNet, scenes: data.Scenes) -> float:
    """How often the best place of a digit that is there lies on it, 0 to 1.

    A place stands for 4 by 4 pixels, and lies on the digit if their middle does.
    """
    head = model.head
    if not isinstance(head, spatial.ClassSpecificResidualAttention):
        head = put_on(model)
    with torch.inference_mode():
        scores = head.scores(model.seen(scenes.images))[:, 0]
    digits, width = scenes.parts["digits"], scores.shape[-1]
    best = scores.flatten(2).argmax(dim=-1).gather(1, digits)
    down = 4 * (best // width) + 2 - scenes.parts["top"]
    across = 4 * (best % width) + 2 - scenes.parts["left"]
    on_it = (down >= 0) & (down < data.CELL) & (across >= 0) & (across < data.CELL)
    return on_it.float().mean().item()


def heads(fresh: bool) -> None:
    """Several digits among scraps: what does a head with a softmax for each class gain?"""
    payload: dict = dict(
        provenance=origin("spatial", heads),
        settings={**HEADS, "device": "cpu"},
        fairness="Both learn at the rate that is best for them with the development seed, which "
        "is not reported. The head that is put on a plain classifier learns nothing.",
        plugs={name: dict(parameters=nets.parameters(nets.TaggingNet(make)))
               for name, make in TRAINED.items()},
        development=[],
        rates={},
        runs=[],
    )  # fmt: skip
    payload = payload if fresh else resumed("spatial-heads", payload)

    @cache
    def scenes(task: str) -> tuple[data.Scenes, data.Scenes]:
        make = data.TAGGING[task]
        test = make(HEADS["test_scenes"], seed=2, split="test")
        return make(HEADS["training_scenes"], seed=1), test

    def run(task: str, plug: str, rate: float, seed: int) -> dict:
        training, test = scenes(task)
        torch.manual_seed(seed)
        model, begun = nets.TaggingNet(TRAINED[plug]), time.process_time()
        loss = nn.functional.binary_cross_entropy_with_logits
        train.fit(model, training[:2], HEADS["steps"][task], HEADS["batch"], rate, seed, loss)
        found: dict = dict(seconds=time.process_time() - begun)
        with torch.inference_mode():
            found["precision"] = train.average_precision(model(test.images), test.labels)
            if plug == "mean":
                seen = model.seen(test.images)
                found["put_on"] = [
                    train.average_precision(put_on(model, *how)(seen), test.labels)
                    for how in HEADS["put_on"]
                ]
        if test.parts:
            found["points_at"] = points_at(model, test)
        return found

    trials = [
        dict(task=task, plug=name, rate=rate, seed=HEADS["development_seed"])
        for task, name, rate in product(HEADS["steps"], TRAINED, HEADS["rates"])
    ]
    complete("spatial-heads", payload, "development", trials, run, "precision")
    rates = {
        task: best_rates([t for t in payload["development"] if t["task"] == task], "precision", 2)
        for task in HEADS["steps"]
    }
    payload["rates"] = rates
    reported = [
        dict(task=task, plug=name, rate=rates[task][name], seed=seed)
        for task, seed, name in product(HEADS["steps"], HEADS["seeds"], TRAINED)
    ]
    complete("spatial-heads", payload, "runs", reported, run, "precision")


EXPERIMENTS = (places, heads)
