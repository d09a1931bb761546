"""Time the mechanisms of a family, and store book/results/<device>/<family>-bench.json.

    python -m tools.bench [family ...] [--device cpu] [--seconds 8]

Sizes are what the papers' networks have: the maps of a ResNet-50, from its stem (64 channels) to
its last stage, and the tokens of a Transformer (512 features, 8 heads), from a sentence to a
chapter.  Each range spans 16 times or more, so that exponents can be fitted.

On a CPU every sweep runs twice, each time in a process of its own: under the C library's usual
allocator, which is what a reader sees, and under one told to keep large tensors.  By default it
gives each tensor of 32 MiB and more back to the system, and every use of the next one then waits
for its pages; that bends times and exponents upward, whatever the mechanism.
On a GPU every sweep runs in float32 and in bfloat16.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from attention_lib.cards.card import Card
from attention_lib.catalog import FAMILIES, catalog
from attention_lib.measure.store import provenance, save, write
from attention_lib.measure.sweep import sweep

Sweep = tuple[str, tuple[int, ...], dict[str, int]]  # an axis, its sizes, what stays
TOKENS = ("tokens", (64, 128, 256, 512, 1024, 2048, 4096), dict(dim=512, batch=1))
MANY_TOKENS = ("tokens", (256, 512, 1024, 2048, 4096, 8192, 16384), dict(dim=512, batch=1))
SIDES = "height,width"
# Sizes that suit a family; for a family that is not named, see `sweeps`.
SWEEPS: dict[str, list[Sweep]] = {
    "dense": [TOKENS, (SIDES, (4, 8, 16, 32, 64), dict(dim=512, batch=1))],
    "linear": [MANY_TOKENS, (SIDES, (8, 16, 32, 64, 128), dict(channels=64, batch=8))],
    "channel": [
        # all the sides that a map of 64 channels can have; a batch, as in training
        (SIDES, (8, 16, 32, 64, 128), dict(channels=64, batch=8)),
        # 14 is the side of the stage with 1024; below 64 pyramid split attention is not defined
        ("channels", (64, 128, 256, 512, 1024), dict(height=14, width=14, batch=8)),
    ],
    "spatial": [(SIDES, (8, 16, 32, 64, 128), dict(channels=64, batch=8))],
    # shuffle attention has 64 groups of two halves; dual attention compares all pixels
    "joint": [(SIDES, (4, 8, 16, 32, 64), dict(channels=128, batch=1))],
    # the sides of the stages of a hierarchy, and the channels of its first
    "sparse": [(SIDES, (3, 7, 14, 28, 56), dict(channels=96, batch=1))],
    "hybrid": [(SIDES, (3, 7, 14, 28, 56), dict(channels=128, batch=1)), TOKENS],
    "mixing": [(SIDES, (4, 8, 16, 32, 64), dict(channels=128, batch=1))],
}
ALLOCATORS = {
    "default": {},
    "tuned": {"MALLOC_MMAP_THRESHOLD_": str(2**33), "MALLOC_TRIM_THRESHOLD_": str(2**34)},
}


def sweeps(family: str) -> list[Sweep]:
    """The sweeps of a family: its own, and one over the free axes of whatever these leave out."""
    made = list(SWEEPS.get(family, ()))
    for card in catalog(family):
        if not any(card in members(family, axis, fixed) for axis, _, fixed in made):
            width = "channels" if card.layout == "maps" else "dim"
            sides = (SIDES, (4, 8, 16, 32, 64), {width: 128, "batch": 1})
            made.append(TOKENS if "tokens" in card.free else sides)
    return made


def members(family: str, axis: str, fixed: dict[str, int]) -> list[Card]:
    """The mechanisms of a family that have an axis, or all of several, and what stays fixed."""
    return [
        card
        for card in catalog(family)
        if {*axis.split(",")} <= {*card.free, *inspect.signature(card.mechanism).parameters}
        and fixed.keys() <= {*card.sizes, *inspect.signature(card.mechanism).parameters}
    ]


def measure(family: str, device: str, dtypes: list[str], seconds: float, label: str) -> list[dict]:
    """The sweeps of a family, forward alone and with gradients."""
    made = []
    for axis, sizes, fixed in sweeps(family):
        for dtype in dtypes:
            for backward in (False, True):
                what = f"{family}, {axis}, {dtype}, {'with' if backward else 'no'} gradients"
                print(f"      {what}, {label} allocator:", end=" ", flush=True)
                began = time.perf_counter()
                cards = members(family, axis, fixed)
                how = (dtype, backward, device, seconds, label)
                made.append(one_sweep(cards, axis, sizes, fixed, *how))
                print(f"{time.perf_counter() - began:.0f} s", flush=True)
    return made


def one_sweep(
    cards: list[Card],
    axis: str,
    sizes: Sequence[int],
    fixed: dict[str, int],
    dtype: str,
    backward: bool,
    device: str,
    seconds: float,
    label: str,
) -> dict:
    """One sweep as it is stored: what was held fixed, and its rows."""
    rows = sweep(
        cards,
        axis,
        sizes,
        fixed=fixed,
        device=device,
        dtype=getattr(torch, dtype),
        backward=backward,
        seconds=seconds,
    )
    return dict(axis=axis, fixed=fixed, backward=backward, dtype=dtype, allocator=label) | dict(
        environment=ALLOCATORS[label], rows=rows
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure the families named, or all; one that is not there is a usage error."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("families", nargs="*", metavar="family", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--seconds", default=8.0, type=float, help="to measure, a sweep")
    parser.add_argument("--folder", type=Path, help="where to store; default: book/results")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # of this program, in its own process
    options = parser.parse_args(arguments)
    if unknown := set(options.families) - set(FAMILIES):
        parser.error(f"no family {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    torch.set_num_threads(1)
    if options.part:
        [family] = options.families
        write(options.folder, measure(family, "cpu", ["float32"], options.seconds, options.part))
        return
    for family in options.families or FAMILIES:
        names = [str(card) for card in catalog(family)]
        origin = provenance(options.device, names, command=f"make bench FAMILY={family}")
        if options.device == "cuda":
            dtypes = ["float32", "bfloat16"]
            made = measure(family, "cuda", dtypes, options.seconds, "default")
        else:
            asked = [family, "--seconds", str(options.seconds)]
            made = [one for label in ALLOCATORS for one in apart("tools.bench", asked, label)]
        payload = dict(provenance=origin, sweeps=made)
        path = save(f"{family}-bench", payload, options.folder, device=options.device)
        print(f"      stored in {os.path.relpath(path)}", flush=True)


def apart(program: str, arguments: list[str], label: str) -> list[dict]:
    """What a tool measures in a process of its own, since an allocator is chosen at the start.

    The tool is told by `--part` under which allocator it runs, and by `--folder` the file to write.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "measured.json"
        command = [sys.executable, "-m", program, *arguments]
        command += ["--part", label, "--folder", str(answer)]
        if subprocess.run(command, env={**kept, **ALLOCATORS[label]}).returncode:
            sys.exit(f"error: {program} failed (above is why); nothing is stored")
        return json.loads(answer.read_text("utf-8"))


if __name__ == "__main__":
    main()
