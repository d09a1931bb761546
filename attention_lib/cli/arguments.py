"""What several commands take: sizes and settings, device, dtype, threads."""

import ast
from collections.abc import Sequence
from typing import Annotated, Any

import torch
import typer

from attention_lib.cli.tables import console_for
from attention_lib.measure.store import check_device

Settings = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Sizes and arguments.")
]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="float32, bfloat16, ...")]
Threads = Annotated[int | None, typer.Option(min=1, max=4096, help="Of the CPU; else torch's.")]


def machine(device: str, dtype: str, threads: int | None) -> torch.dtype:
    """Make ready to measure on a device; the dtype of that name."""
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise ValueError(f"dtype={dtype!r} is no floating type of torch")
    check_device(device)
    if threads:
        torch.set_num_threads(threads)
    return kind


def said_where(device: str, dtype: str, backward: bool) -> dict[str, object]:
    """Print what was measured, and on which machine; the provenance."""
    from attention_lib.measure.store import provenance

    origin = provenance(device, dtype=dtype)
    what = "forward and backward" if backward else "forward"
    where = origin.get("gpu", f"{origin['processor']}, threads={origin['threads']}")
    line = f"{what}, {dtype}, {where}, torch {origin['torch']}\n"
    console_for().print(line, soft_wrap=True)
    return origin


def settings_of(words: Sequence[str] | None) -> dict[str, Any]:
    """["tokens=64", "bias=False"] as {"tokens": 64, "bias": False}; a bare word is a string."""
    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not (name.isidentifier() and equals and value):
            raise ValueError(f"{word!r} must be of the form name=value")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def numbers_of(text: str) -> list[int]:
    numbers = text.split(",")
    for number in numbers:
        if not number.strip().isdecimal() or int(number) < 1:
            raise ValueError(f"--sizes must be numbers of at least 1, as 8,16,32; got {number!r}")
    return sorted({int(number) for number in numbers})
