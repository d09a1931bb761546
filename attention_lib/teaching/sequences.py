"""Tasks on sequences of tokens, made by code: the same for the same seed.

Each is built to ask one question of an attention mechanism; the page that uses it says so.

    >>> task = recall(2, seed=0, pairs=4)
    >>> task.tokens.shape, task.answers.shape, task.vocabulary, task.choices
    (torch.Size([2, 12]), torch.Size([2, 4]), 192, 64)
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Sequences(NamedTuple):
    """Sequences of tokens, and what is asked at the last few places of each.

    Args:
        tokens: (samples, length), int64, each below `vocabulary`.
        answers: (samples, questions), int64, each below `choices`: the right answer at each of the
            last `questions` places.
        vocabulary: how many kinds of tokens there are.
        choices: how many kinds of answers there are.
    """

    tokens: Tensor
    answers: Tensor
    vocabulary: int
    choices: int

    def to(self, device: torch.device | str) -> "Sequences":
        """The same sequences on another device."""
        return self._replace(tokens=self.tokens.to(device), answers=self.answers.to(device))


def recall(samples: int, seed: int, pairs: int, keys: int = 128, values: int = 64) -> Sequences:
    """Associative recall: pairs of a key and a value, then every key again; what was its value?

    The sequence is `key value key value ... | key key ...`, the keys all different, and asked for
    in another order.  Tokens below `keys` are keys, the others values.

    Args:
        pairs: how many; the length is three times as many.
        keys, values: how many kinds there are.

    Raises:
        ValueError: if there are fewer keys than pairs, or nothing to make.
    """
    if not 1 <= pairs <= keys:
        raise ValueError(f"pairs={pairs} must lie between 1 and keys={keys}")
    generator = _generator(samples, seed)
    written = torch.rand(samples, keys, generator=generator).argsort(dim=1)[:, :pairs]
    answers = torch.randint(values, (samples, pairs), generator=generator)
    order = torch.rand(samples, pairs, generator=generator).argsort(dim=1)
    context = torch.stack([written, keys + answers], dim=2).flatten(1)
    tokens = torch.cat([context, written.gather(1, order)], dim=1)
    return Sequences(tokens, answers.gather(1, order), keys + values, values)


def overwritten(samples: int, seed: int, writes: int, keys: int = 8, values: int = 32) -> Sequences:
    """Recall of what was written last: few keys, written again and again with new values.

    The sequence is `key value key value ... | key key ...`; each key is written at least once,
    and at the end all are asked for, in any order.  Tokens below `keys` are keys.

    Args:
        writes: pairs of a key and a value; the length is twice as many, and `keys`.
        keys, values: how many kinds there are.

    Raises:
        ValueError: if there are fewer writes than keys, or nothing to make.
    """
    if not 1 <= keys <= writes:
        raise ValueError(f"writes={writes} must be at least keys={keys}, and that at least 1")
    generator = _generator(samples, seed)
    once = torch.arange(keys).expand(samples, keys)
    again = torch.randint(keys, (samples, writes - keys), generator=generator)
    order = torch.rand(samples, writes, generator=generator).argsort(dim=1)
    written = torch.cat([once, again], dim=1).gather(1, order)
    answers = torch.randint(values, (samples, writes), generator=generator)
    asked = torch.rand(samples, keys, generator=generator).argsort(dim=1)
    context = torch.stack([written, keys + answers], dim=2).flatten(1)
    # the last of all writes of the key asked for: the largest place where it stands
    places = (written[:, None] == asked[..., None]) * torch.arange(1, writes + 1)
    last = answers.gather(1, places.argmax(dim=-1))
    return Sequences(torch.cat([context, asked], dim=1), last, keys + values, values)


def elsewhere(length: int) -> dict[str, list[int]]:
    """Where each place of a sequence is to look, by name; the sequence closes to a ring.

    >>> elsewhere(4)["mirror"], elsewhere(4)["previous"]
    ([3, 2, 1, 0], [3, 0, 1, 2])
    """
    places = range(length)
    return {
        "mirror": [length - 1 - i for i in places],
        "previous": [(i - 1) % length for i in places],
        "next": [(i + 1) % length for i in places],
        "opposite": [(i + length // 2) % length for i in places],
    }


def rearranged(samples: int, seed: int, sources: list[list[int]], kinds: int) -> Sequences:
    """Random tokens; asked at each place for the tokens at one or more other places.

    Args:
        sources: for each place where to look, such as `elsewhere(12)["mirror"]`; several such lists
            ask for several tokens at once, and each combination is one answer: the first list
            counts most, `first * kinds + second`.
        kinds: of tokens; there are as many answers as `kinds` to the power of `len(sources)`.

    Raises:
        ValueError: if the lists are not of one length, point outside, or there is nothing to make.
    """
    lengths = {len(source) for source in sources}
    if len(lengths) != 1:
        raise ValueError(f"sources must be lists of one length, got {sorted(lengths)}")
    [length] = lengths
    if not all(0 <= place < length for source in sources for place in source):
        raise ValueError(f"sources must lie between 0 and {length - 1}")
    generator = _generator(samples, seed)
    tokens = torch.randint(kinds, (samples, length), generator=generator)
    answers = torch.zeros_like(tokens)
    for source in sources:
        answers = answers * kinds + tokens[:, torch.tensor(source)]
    return Sequences(tokens, answers, kinds, kinds ** len(sources))


def _generator(samples: int, seed: int) -> torch.Generator:
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    return torch.Generator().manual_seed(seed)
