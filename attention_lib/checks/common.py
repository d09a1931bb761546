"""What checks share: to which cards one applies, a random instance, inputs for it."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from attention_lib.cards.card import Card
from attention_lib.cards.shape import SignatureError, Wanted, measured, wanted

Module = TypeVar("Module", bound=nn.Module)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# the layers of torch that learn, by what they are made of
NORMS = nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d
MAPS = nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d
LAYERS = *NORMS, *MAPS, nn.Embedding
FIRST = torch.tensor(0)
Check = Callable[[Card], None]
ONLY: dict[Check, tuple[Callable[[Card], object], str]] = {}  # check -> (where it applies, or why)


def only(where: Callable[[Card], object], otherwise: str) -> Callable[[Check], Check]:
    """The check below applies to such cards alone; `otherwise` is why not to the others."""

    def mark(check: Check) -> Check:
        ONLY[check] = where, otherwise
        return check

    return mark


@contextmanager
def seeded() -> Iterator[None]:
    """The same random numbers every time; the caller's generators go on as if nothing had been."""
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices):
        torch.manual_seed(0)
        yield


class Network(nn.Module):
    """A network that holds the module, and gives it what is no symbol."""

    def __init__(self, part: nn.Module, rest: list):
        super().__init__()
        self.part, self.rest = part, rest

    def forward(self, x: Tensor) -> object:
        return self.part(x, *self.rest)


def randomize(mechanism: Module) -> Module:
    """Give every parameter and statistic a random value: a zero at the start may hide a path."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*mechanism.named_parameters(), *mechanism.named_buffers()]:
        if tensor.is_floating_point():
            values = torch.empty(tensor.shape, dtype=torch.float64, device="cpu")
            values.normal_(std=0.5, generator=generator)
            tensor.data.copy_(values.exp() if name.endswith("running_var") else values)
    return mechanism


def ready(
    card: Card, dtype: torch.dtype = torch.float64, /, **arguments: object
) -> tuple[nn.Module, list]:
    """A random instance of the card's example in eval mode, and inputs for it."""
    sizes = {k: v for k, v in arguments.items() if isinstance(v, int)}
    with seeded():
        mechanism = randomize(card.build(**arguments)).to(dtype).eval()
        return mechanism, card.inputs(dtype, **sizes)


def optional_inputs(card: Card, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """A random tensor for each argument of `forward` that may be left out, by name.

    Masks let through about half, but the first of each row; an axis of no other name is as long as
    the tokens.
    """
    words = card.words()
    sizes = defaultdict(lambda: words["tokens"], words)
    found = {}
    for name, note in wanted(card.mechanism.forward).items():
        if isinstance(note, Wanted) and note.optional and name != "return":
            x = torch.randn([measured(axis, sizes) for axis in note.sizes], dtype=dtype)
            found[name] = x if note.kind != "boolean" else (x > 0).index_fill(-1, FIRST, True)
    return found


def arguments_of(card: Card) -> Collection[str]:
    return inspect.signature(card.mechanism).parameters


def refused(card: Card, call: Callable[[], object], *words: object) -> None:
    try:
        call()
    except SignatureError as error:
        assert all(str(word) in str(error) for word in (card, *words)), error
    else:
        raise AssertionError(f"{card} took {words[-1]}")


def all_reached(mechanism: nn.Module) -> None:
    unreached = [n for n, p in mechanism.named_parameters() if p.grad is None or not p.grad.any()]
    assert not unreached, f"no gradient reaches {', '.join(unreached)}"


def loss(answer: object) -> Tensor:
    return torch.stack([y.square().sum() for y in tree_leaves(answer)]).sum()


def each(inputs: list, change: Callable[..., Tensor], *more: object) -> list:
    return [change(x, *more) if isinstance(x, Tensor) else x for x in inputs]


def is_float(x: object) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def floats(inputs: list, change: Callable[..., Tensor], *more: object) -> list:
    return [change(x, *more) if is_float(x) else x for x in inputs]


def cast(inputs: list, dtype: torch.dtype) -> list:
    return floats(inputs, lambda x: x.to(dtype))
