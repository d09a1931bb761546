"""What the chapter on dense attention reports."""

import time
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import nn
from torch.nn import functional as F

from attention_lib.core.heads import merge_heads
from attention_lib.dense import (
    EfficientMultiHeadAttention,
    MultiHeadAttention,
    SimplifiedSelfAttention,
)
from attention_lib.teaching import nets, sequences, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, origin, resumed

LENGTH = 12
SIDE = 6
PAIRS = 16
SOURCES = {
    "two places": ("mirror", "previous"),
    "four places": ("mirror", "previous", "next", "opposite"),
}
KINDS = {"two places": 6, "four places": 4}


class Without(nn.Module):
    """No mixing of tokens: what the rest of the net can do alone."""

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


class Scaled(nn.Module):
    """Multi-head attention whose logits are multiplied by a power of head_dim, not by its -1/2."""

    def __init__(self, dim: int, heads: int, power: float):
        super().__init__()
        self.attention = MultiHeadAttention(dim, heads)
        self.power = power

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.attention._project(x, None)
        scale = query.shape[-1] ** self.power
        gathered = F.scaled_dot_product_attention(query, key, value, scale=scale)
        return self.attention.out(merge_heads(gathered))


class OnMap(nn.Module):
    """Efficient multi-head attention that takes its tokens for a square map."""

    def __init__(self, dim: int, heads: int, sr_ratio: int):
        super().__init__()
        self.attention = EfficientMultiHeadAttention(dim, heads=heads, sr_ratio=sr_ratio)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, SIDE, SIDE)


@cache
def sequences_of(name: str, samples: int, seed: int) -> sequences.Sequences:
    """The sequences of a task, by its name."""
    if name == "recall":
        return sequences.recall(samples, seed, PAIRS, keys=64, values=32)
    if name == "turned map":
        mirror = sequences.elsewhere(SIDE * SIDE)["mirror"]  # row by row: turned by half a turn
        return sequences.rearranged(samples, seed, [mirror], kinds=8)
    where = sequences.elsewhere(LENGTH)
    sources = [where[source] for source in SOURCES[name]]
    return sequences.rearranged(samples, seed, sources, KINDS[name])


def net(name: str, mixer: Callable[[int], nn.Module], dim: int, seed: int) -> nets.SequenceNet:
    """A fresh net of one block for a task, its weights drawn from the seed."""
    torch.manual_seed(seed)
    asked = sequences_of(name, 1, 0)
    recall = name == "recall"  # looks up by content; each token is first joined with the one before
    return nets.SequenceNet(
        asked.vocabulary,
        asked.choices,
        mixer,
        dim=dim,
        positions=0 if recall else asked.tokens.shape[1],
        before=1 if recall else 0,
    )


def heads_of(mechanism: type[nn.Module], heads: int) -> Callable[[str], Callable]:
    """For a task, what makes this mechanism; causal where the task is to be read in order."""
    return lambda name: partial(mechanism, heads=heads, causal=name == "recall")


Makers = dict[str, Callable[[str], Callable]]  # for a task, what makes each variant
HEADS: Makers = {
    "no attention": lambda _: Without,
    "simplified, 1 head": heads_of(SimplifiedSelfAttention, 1),
    "simplified, 4 heads": heads_of(SimplifiedSelfAttention, 4),
    "1 head": heads_of(MultiHeadAttention, 1),
    "2 heads": heads_of(MultiHeadAttention, 2),
    "4 heads": heads_of(MultiHeadAttention, 4),
    "8 heads": heads_of(MultiHeadAttention, 8),
}
SCALE: Makers = {
    "1 / √d": lambda _: partial(Scaled, heads=1, power=-0.5),
    "1": lambda _: partial(Scaled, heads=1, power=0.0),
    "1 / d": lambda _: partial(Scaled, heads=1, power=-1.0),
}
RATIO: Makers = {
    "multi-head": lambda _: partial(MultiHeadAttention, heads=2),
    "ratio 1": lambda _: partial(OnMap, heads=2, sr_ratio=1),
    "ratio 2": lambda _: partial(OnMap, heads=2, sr_ratio=2),
    "ratio 3": lambda _: partial(OnMap, heads=2, sr_ratio=3),
}
COMMON: dict = dict(steps=300, training=8000, test=1000, development_seeds=[0, 1], device="cpu")
SETTINGS: dict[str, dict] = {
    "dense-heads": COMMON
    | dict(
        tasks=["two places", "four places"],
        batch=32,
        dims=[32],
        rates=[0.003, 0.01, 0.03],
        seeds=list(range(100, 106)),
    ),
    "dense-scale": COMMON
    | dict(
        tasks=["two places"],
        batch=16,
        dims=[32, 256],
        rates=[0.001, 0.003, 0.01],
        seeds=list(range(100, 105)),
    ),
    "dense-ratio": COMMON
    | dict(
        tasks=["turned map"],
        batch=16,
        dims=[32],
        steps=600,
        rates=[0.005, 0.01, 0.02],
        seeds=list(range(100, 105)),
    ),
}
SETTINGS["dense-recall"] = SETTINGS["dense-heads"] | dict(tasks=["recall"], steps=600)
FAIR = (
    "All have the same net of one block, sequences, steps and batch, and on each task and size the "
    "learning rate that is best for them over the development seeds, which are not reported. Heads "
    "share the features, so their number does not change the parameters; the simplified form has "
    "fewer."
)


def compare(experiment: Callable, name: str, makers: Makers, fresh: bool) -> None:
    """Train every variant on the tasks and sizes of its settings; store each run."""
    settings = SETTINGS[name]
    cases = [(t, d) for t in settings["tasks"] for d in settings["dims"]]
    first, narrow = cases[0]
    plugs = {
        plug: dict(parameters=nets.parameters(make(first)(narrow))) for plug, make in makers.items()
    }
    payload: dict = dict(
        provenance=origin("dense", experiment), settings=settings, fairness=FAIR, plugs=plugs
    )
    payload |= dict(development=[], rates={}, runs=[])
    payload = payload if fresh else resumed(name, payload)

    def run(task: str, dim: int, plug: str, rate: float, seed: int) -> dict:
        model, begun = net(task, makers[plug](task), dim, seed), time.process_time()
        learn = sequences_of(task, settings["training"], 1)
        steps, batch = settings["steps"], settings["batch"]
        train.fit(model, learn[:2], steps, batch, rate, seed, loss=train.last_tokens_loss)
        seconds = time.process_time() - begun
        right = train.recall_accuracy(model, sequences_of(task, settings["test"], 2))
        return dict(accuracy=right, seconds=seconds)

    trials = [
        dict(task=t, dim=d, plug=plug, rate=rate, seed=seed)
        for t, d in cases
        for plug in makers
        for rate in settings["rates"]
        for seed in settings["development_seeds"]
    ]
    complete(name, payload, "development", trials, run, "accuracy")
    for t, d in cases:
        found = [r for r in payload["development"] if (r["task"], r["dim"]) == (t, d)]
        payload["rates"][f"{t}, {d}"] = best_rates(found, "accuracy", 2)
    reported = [
        dict(task=t, dim=d, plug=plug, rate=payload["rates"][f"{t}, {d}"][plug], seed=seed)
        for t, d in cases
        for seed in settings["seeds"]
        for plug in makers
    ]
    complete(name, payload, "runs", reported, run, "accuracy")


def how_many_heads(fresh: bool) -> None:
    """One head or several, learned comparisons or none: which solves what?"""
    compare(how_many_heads, "dense-heads", HEADS, fresh)
    compare(how_many_heads, "dense-recall", HEADS, fresh)


def which_scale(fresh: bool) -> None:
    """The factor before the softmax: what does it do to training, in narrow and in wide heads?"""
    compare(which_scale, "dense-scale", SCALE, fresh)


def which_ratio(fresh: bool) -> None:
    """Every pixel has to read one other pixel: what do fewer keys cost?"""
    compare(which_ratio, "dense-ratio", RATIO, fresh)


EXPERIMENTS = (how_many_heads, which_scale, which_ratio)
