"""What the chapter on linear attention reports."""

import time
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib import linear
from attention_lib.catalog import find
from attention_lib.measure import store
from attention_lib.measure.sweep import sweep
from attention_lib.teaching import nets, sequences, train
from tools.experiments.rates import best_rates
from tools.experiments.running import complete, is_stored, origin, resumed


class Mixer(nn.Module):
    """One head: queries, keys and values from the tokens, put together by a rule.

    Args:
        dim: features of a token, and of a value.
        rule: takes query, key (batch, tokens, key_size), value (batch, tokens, dim) and strength
            (batch, tokens, 1) between 0 and 1, which only the rules of `STRENGTHS` use.
        key_size: features of queries and keys.
    """

    def __init__(self, dim: int, rule: Callable[..., Tensor], key_size: int):
        super().__init__()
        self.rule = rule
        self.query = nn.Linear(dim, key_size, bias=False)
        self.key = nn.Linear(dim, key_size, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.strength = nn.Linear(dim, 1) if rule in STRENGTHS else None
        self.norm = nn.RMSNorm(dim)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        strength = None if self.strength is None else self.strength(x).sigmoid()
        return self.out(self.norm(self.rule(self.query(x), self.key(x), self.value(x), strength)))


def softmax(query: Tensor, key: Tensor, value: Tensor, _: Tensor | None) -> Tensor:
    """Dense attention; nothing says which of two equal keys came later."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def softmax_near(query: Tensor, key: Tensor, value: Tensor, _: Tensor | None) -> Tensor:
    """Dense attention whose logits fall by a half with each step back (as in ALiBi)."""
    place = torch.arange(query.shape[1], device=query.device)
    ago = place[:, None] - place
    bias = (-0.5 * ago).masked_fill(ago < 0, -torch.inf)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def linear_sum(query: Tensor, key: Tensor, value: Tensor, _: Tensor | None) -> Tensor:
    """Plain linear attention with the features elu + 1."""
    query, key = F.elu(query) + 1, F.elu(key) + 1
    weights = (query @ key.mT).tril()
    return weights @ value / (weights.sum(dim=-1, keepdim=True) + 1e-6)


def taylor(query: Tensor, key: Tensor, value: Tensor, _: Tensor | None) -> Tensor:
    """Linear attention with all products of two features: 1 + s + s² / 2 in place of exp(s)."""
    logits = query @ key.mT / query.shape[-1] ** 0.5
    weights = (1 + logits + logits.square() / 2).tril()
    return weights @ value / (weights.sum(dim=-1, keepdim=True) + 1e-6)


def directions(*vectors: Tensor) -> list[Tensor]:
    """The features of the delta rule: all of length one."""
    return [F.normalize(F.silu(x), dim=-1) for x in vectors]


def delta_rule(query: Tensor, key: Tensor, value: Tensor, strength: Tensor) -> Tensor:
    """Write only what the summary does not hold yet: S += strength · key (value - keyᵀS)ᵀ.

    What each token writes depends on all before it: a triangular system.
    """
    query, key = directions(query, key)
    known = (strength * (key @ key.mT)).tril(-1)
    eye = torch.eye(known.shape[-1], device=known.device)
    written = torch.linalg.solve_triangular(eye + known, strength * value, upper=False)
    return (query @ key.mT).tril() @ written


def uncorrected(query: Tensor, key: Tensor, value: Tensor, strength: Tensor) -> Tensor:
    """The control of the delta rule: the same features and strengths, but sums that only grow."""
    query, key = directions(query, key)
    return (query @ key.mT).tril() @ (strength * value)


STRENGTHS = (delta_rule, uncorrected)


class OnTokens(nn.Module):
    """A mechanism on maps, given tokens as a map one pixel wide."""

    def __init__(self, mechanism: nn.Module):
        super().__init__()
        self.mechanism = mechanism

    def forward(self, x: Tensor) -> Tensor:
        return self.mechanism(x.mT[..., None])[..., 0].mT


RULES = {
    "softmax": softmax,
    "softmax, near first": softmax_near,
    "linear": linear_sum,
    "Taylor features": taylor,
    "delta rule": delta_rule,
    "delta rule, uncorrected": uncorrected,
}
LIBRARY: dict[str, Callable[[int], nn.Module]] = {
    "ExternalAttention": partial(linear.ExternalAttention, slots=64),
    "DoubleAttention": lambda dim: OnTokens(linear.DoubleAttention(dim, dim, 16)),
    "AttentionFree": partial(linear.AttentionFree, causal=True),
    "UnitForceAttention": partial(linear.UnitForceAttention, heads=4),
    "SeparableAttention": linear.SeparableAttention,
}


def mixer(name: str, key_size: int = 16) -> Callable[[int], nn.Module]:
    """What makes the mixer of this name for so many features."""
    if name in LIBRARY:
        return LIBRARY[name]
    return lambda dim: Mixer(dim, RULES[name], key_size)


RECALL = dict(
    pairs=[4, 16],  # short sequences first: from long ones alone the sums learn slowly
    steps=[150, 200],
    batch=32,
    keys=32,
    values=32,
    test_pairs=[4, 8, 16, 32],
    test_sequences=256,
    rates=[0.005, 0.01, 0.02],
    development_seeds=[0],
    seeds=list(range(100, 105)),
)
OVERWRITTEN = dict(
    writes=[8, 32],
    steps=[120, 120],
    batch=32,
    keys=8,
    values=32,
    test_writes=[8, 16, 32, 64],
    test_sequences=256,
    rates=[0.005, 0.01, 0.02],
    development_seeds=[0],
    seeds=list(range(100, 105)),
)
FAIR = (
    "All have the same net of one block, 64 features, sequences, steps and batch, and the learning "
    "rate that is best for them on a development seed, which is not reported. What is asked "
    "for stands nowhere behind its question, so those that are not causal gain nothing by it."
)


def fitted(
    plug: str, size: int | None, training: list[sequences.Sequences], settings: dict, rate: float,
    seed: int,
) -> nets.SequenceNet:  # fmt: skip
    """A net trained on each part in turn, the short sequences first."""
    torch.manual_seed(seed)
    first = training[0]
    name = plug.partition(", key")[0]
    make = mixer(name) if size is None else mixer(name, size)
    model = nets.SequenceNet(first.vocabulary, first.choices, make, before=2)
    for part, steps in zip(training, settings["steps"], strict=True):
        train.fit(
            model, part[:2], steps, settings["batch"], rate, seed, loss=train.last_tokens_loss
        )
    return model


def report(
    experiment: Callable,
    name: str,
    settings: dict,
    plugs: dict[str, dict],
    task: str,
    merit: int,
    fresh: bool,
) -> None:
    """Choose each plug-in's rate on the development seeds, then run the seeds that are reported.

    Args:
        experiment: whose runs they are.
        task: what the lengths are called, "pairs" or "writes".
        merit: the tested length that the rates are chosen by.
    """
    make = {"pairs": sequences.recall, "writes": sequences.overwritten}[task]
    make = partial(make, keys=settings["keys"], values=settings["values"])
    payload: dict = dict(
        provenance=origin("linear", experiment),
        settings={**settings, "merit": merit, "device": "cpu"},
        fairness=FAIR,
        plugs=plugs,
        development=[],
        rates={},
        runs=[],
    )
    payload = payload if fresh else resumed(name, payload)

    @cache
    def tasks() -> tuple[list[sequences.Sequences], dict[int, sequences.Sequences]]:
        amounts = zip(settings["steps"], settings[task], strict=True)
        parts = [
            make(steps * settings["batch"], seed, length)
            for seed, (steps, length) in enumerate(amounts, start=1)
        ]
        tested = settings[f"test_{task}"]
        return parts, {n: make(settings["test_sequences"], 9, n) for n in tested}

    def run(plug: str, rate: float, seed: int) -> dict:
        training, tests = tasks()
        begun = time.process_time()
        model = fitted(plug, plugs[plug]["key_size"], training, settings, rate, seed)
        seconds = time.process_time() - begun
        right = {n: train.recall_accuracy(model, test) for n, test in tests.items()}
        return dict(accuracy=right[merit], accuracies=list(right.values()), seconds=seconds)

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


def overwritten_keys(fresh: bool) -> None:
    """Few keys, written again and again: what was written last?"""
    names = ["softmax", "softmax, near first", "linear", "delta rule"]
    plugs: dict[str, dict] = {name: dict(key_size=16) for name in names}
    plugs["AttentionFree"] = dict(key_size=None)
    report(overwritten_keys, "linear-overwritten", OVERWRITTEN, plugs, "writes", 64, fresh)


def associative_recall(fresh: bool) -> None:
    """Pairs of a key and a value, each key once: what was its value?"""
    sizes = {"softmax": 16, "linear, key size 8": 8, "linear, key size 16": 16}
    sizes |= {"linear, key size 32": 32, "Taylor features": 16, "delta rule": 16}
    plugs: dict[str, dict] = {name: dict(key_size=size) for name, size in sizes.items()}
    plugs |= {name: dict(key_size=None) for name in LIBRARY}
    report(associative_recall, "linear-recall", RECALL, plugs, "pairs", 16, fresh)


def correction(fresh: bool) -> None:
    """Recall by the delta rule, by the same without correction, and by a plain sum: who wins?"""
    names = ["linear, key size 16", "delta rule", "delta rule, uncorrected"]
    plugs: dict[str, dict] = {name: dict(key_size=16) for name in names}
    report(correction, "linear-correction", RECALL, plugs, "pairs", 16, fresh)


CROSSOVER: dict = dict(
    sizes=[32, 64, 128, 256, 512, 1024, 2048, 4096], dims=[128, 512], seconds=16.0
)


def crossover(fresh: bool) -> None:
    """Dense attention and the linear mechanisms on tokens, in the same rounds."""
    names = ["mha", "ea", "aft", "ufo", "separable"]
    measured = [str(find(name)) for name in names]
    payload = dict(provenance=origin("linear", *measured), settings=CROSSOVER)
    if not fresh and is_stored("linear-crossover", payload):
        return
    sweeps = [
        dict(
            axis="tokens",
            fixed=dict(dim=dim),
            rows=sweep(
                names, "tokens", CROSSOVER["sizes"], fixed=dict(dim=dim),
                seconds=CROSSOVER["seconds"],
            ),
        )
        for dim in CROSSOVER["dims"]
    ]  # fmt: skip
    store.save("linear-crossover", payload | dict(sweeps=sweeps))


EXPERIMENTS = (overwritten_keys, associative_recall, correction, crossover)
