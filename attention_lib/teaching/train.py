"""Train small models in seconds.

>>> fit(model, channel_cue(2048, seed=0), steps=100)
>>> accuracy(model, channel_cue(512, seed=1, split="test"))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention_lib.teaching.sequences import Sequences


@dataclass(frozen=True)
class Preset:
    """How much to train: steps a run, scenes to learn from, runs (each with a seed of its own)."""

    steps: int
    scenes: int
    seeds: int


PRESETS = {
    "ci": Preset(steps=800, scenes=8000, seeds=1),
    "laptop": Preset(steps=800, scenes=8000, seeds=3),
    "t4": Preset(steps=800, scenes=8000, seeds=8),
    "big": Preset(steps=1600, scenes=32000, seeds=20),
}


def fit(
    model: nn.Module,
    data: Sequence[Tensor],
    steps: int,
    batch: int = 16,
    lr: float = 1e-2,
    seed: int = 0,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    progress: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Train `model` where it is, in place, and return it ready for use (`eval`).

    AdamW with a learning rate that rises to `lr` over a fifth of the steps, then falls to zero.

    Args:
        data: inputs and targets, the first two of `data`; both (samples, ...).
        steps: batches to train on, 10 or more.
        batch: samples a step.
        lr: the highest learning rate.
        seed: of the order of the samples.
        loss: of the model's answer and the targets.
        progress: called after each step with the steps done and the loss.

    Raises:
        ValueError: if there are too few steps for the rate to rise and fall.
    """
    if steps < 10:
        raise ValueError(f"steps={steps} must be at least 10")
    inputs, targets = data[0], data[1]
    device = next(model.parameters()).device
    # Pixels first, channels last: grouped convolutions train four times as fast on a CPU.
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch forgot it
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.2)
    model.train()
    order = torch.empty(0, dtype=torch.long)
    for step in range(1, steps + 1):
        while len(order) < batch:
            order = torch.cat([order, torch.randperm(len(inputs), generator=generator)])
        chosen, order = order[:batch], order[batch:]
        error = loss(model(inputs[chosen].to(device)), targets[chosen].to(device))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        schedule.step()
        if progress:
            progress(step, error.item())
    return model.eval()


def accuracy(model: nn.Module, data: Sequence[Tensor], batch: int = 256) -> float:
    """The share of right answers, 0 to 1."""
    inputs, targets = data[0], data[1]
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        answers = torch.cat(
            [model(part.to(device)).argmax(-1).cpu() for part in inputs.split(batch)]
        )
    return (answers == targets.cpu()).float().mean().item()


def average_precision(scores: Tensor, labels: Tensor) -> float:
    """How well scores rank what has a label above what has not, 0 to 1: the mean over the classes.

    Of a class, each sample that has the label counts the share of samples with it among those that
    score as high or higher; the mean of these shares is its average precision.

    Args:
        scores: (samples, classes).
        labels: (samples, classes), 1 or 0; each class has a sample with 1.
    """
    ranked = labels.gather(0, scores.argsort(dim=0, descending=True))
    place = torch.arange(1, len(ranked) + 1, device=ranked.device)[:, None]
    precision = ranked.cumsum(dim=0) / place
    return ((precision * ranked).sum(dim=0) / ranked.sum(dim=0)).mean().item()


def last_tokens_loss(scores: Tensor, answers: Tensor) -> Tensor:
    """The mean cross-entropy of a SequenceNet's scores at the places where answers are asked."""
    asked = scores[:, -answers.shape[1] :]
    return F.cross_entropy(asked.flatten(0, 1), answers.flatten())


def recall_accuracy(model: nn.Module, task: Sequences, batch: int = 64) -> float:
    """The share of right answers of a SequenceNet, 0 to 1."""
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        right = [
            (model(tokens.to(device))[:, -answers.shape[1] :].argmax(-1).cpu() == answers).float()
            for tokens, answers in zip(
                task.tokens.split(batch), task.answers.cpu().split(batch), strict=True
            )
        ]
    return torch.cat(right).mean().item()
