"""Mechanisms side by side while one size grows: time, peak memory, counted cost.

rows = sweep(["se", "eca"], "height,width", [8, 16, 32, 64, 128], fixed=dict(channels=64))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_lib.cards.card import COSTS, Card
from attention_lib.catalog import find
from attention_lib.measure.cost import measure
from attention_lib.measure.sizes import realistic, sizes_named
from attention_lib.measure.store import check_device
from attention_lib.measure.timing import peak_memory, time_together


@dataclass(frozen=True)
class Row:
    """One mechanism at one size. The counts are of the whole call, so of the whole batch."""

    mechanism: str
    axis: str
    size: int
    backward: bool  # forward and backward, or forward alone
    device: str
    dtype: str
    seconds: float  # median of the rounds
    seconds_low: float  # eight rounds of ten lie between these
    seconds_high: float
    rounds: int
    peak_bytes: int  # see peak_memory
    params: int  # numbers learned
    macs: int  # multiply-adds of the forward pass
    memory: int  # numbers in its largest tensor


def sweep(
    cards: Sequence[Card | str | type[nn.Module]],
    axis: str,
    sizes: Sequence[int],
    *,
    fixed: Mapping[str, object] | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    backward: bool = False,
    seconds: float = 30.0,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Row]:
    """Measure mechanisms side by side while one size grows, in eval mode.

    Args:
        cards: the mechanisms, as `find` takes them.
        axis: what grows: an axis of the input or an integer argument of the constructor, such as
            "tokens" or "channels"; or several that grow together, "height,width".
        sizes: its sizes.
        fixed: other axes and constructor arguments; see `realistic` for those not named.
        device: "cpu" or "cuda".
        dtype: of parameters and inputs.
        backward: whether to compute the gradients of input and parameters too.
        seconds: how long to measure in all; at least five rounds are run whatever they take.
        seed: of parameters, inputs and the order in each round.
        progress: called with steps done, steps in all, and what comes next.

    Raises:
        ValueError: if a mechanism has no such axis, or no mechanism, size or device is there.
    """
    found = [find(card) for card in cards]
    if not found or not sizes:
        raise ValueError(f"nothing to measure: {len(found)} mechanisms at {len(sizes)} sizes")
    rows = []
    for done, size in enumerate(sizes):
        if progress:
            progress(done, len(sizes), f"{axis}={size}")
        grown = dict.fromkeys(axis.split(","), size)
        rows += side_by_side(
            [realistic(card, **{**(fixed or {}), **grown}) for card in found],
            axis=axis,
            size=size,
            device=device,
            dtype=dtype,
            backward=backward,
            seconds=seconds / len(sizes),
            seed=seed,
        )
    if progress:
        progress(len(sizes), len(sizes), "done")
    return rows


def side_by_side(
    cards: Sequence[Card | str | type[nn.Module]],
    *,
    axis: str = "",
    size: int = 0,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    backward: bool = False,
    seconds: float = 6.0,
    seed: int = 0,
) -> list[Row]:
    """Measure each card's example at its sizes, all in the same rounds, in eval mode.

    Args:
        cards: what to build, and on what; see `realistic`.
        axis, size: what the rows say that was grown.
        device, dtype, backward, seconds, seed: as in `sweep`.
    """
    check_device(device)
    found = [find(card) for card in cards]
    with sizes_named(*found):
        made = {str(card): build_with_inputs(card, device, dtype, seed) for card in found}
        runs = {name: timed_pass(*made[name], backward, seed) for name in made}
        timings = time_together(runs, device=device, seconds=seconds, seed=seed)
        costs = {name: measure(*made[name]) for name in made}
    kind = str(dtype).removeprefix("torch.")
    return [
        Row(
            name,
            axis,
            size,
            backward,
            device,
            kind,
            timing.median,
            *timing.spread,
            len(timing.rounds),
            peak_memory(runs[name], device),
            *(getattr(costs[name], kind) for kind in COSTS),
        )
        for name, timing in timings.items()
    ]


def build_with_inputs(
    card: Card, device: str, dtype: torch.dtype, seed: int
) -> tuple[nn.Module, *tuple[Tensor, ...]]:
    """A mechanism in eval mode, and inputs for it."""
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(seed)
        return card.build().to(dtype).eval(), *card.inputs(dtype)


def timed_pass(mechanism: nn.Module, *inputs_backward_seed: object) -> Callable[[], object]:
    """What is timed: a forward pass, or that and the gradients of all inputs and parameters."""
    *inputs, backward, seed = inputs_backward_seed
    if not backward:

        def forward() -> Tensor:
            with torch.no_grad():
                return mechanism(*inputs)

        return forward

    inputs = [x.requires_grad_() if isinstance(x, Tensor) else x for x in inputs]
    leaves = [*(x for x in inputs if isinstance(x, Tensor)), *mechanism.parameters()]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        direction = torch.randn_like(mechanism(*inputs))
    return lambda: torch.autograd.grad(mechanism(*inputs), leaves, direction)
