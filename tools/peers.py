"""Time mechanisms beside other people's implementations: the same weights, the same inputs.

    python -m tools.peers               # all; stored as book/results/<device>/peers-eager.json
    python -m tools.peers mha cbam      # some; printed

Who is compared, at which sizes, stands in tests/oracles/peers.py.  First the answers must be equal,
in double precision; then both run forward, and forward with all gradients, in the same rounds in
random order, and their peak memory is taken, with the buffers that each keeps between calls.  A
ratio is theirs / ours, round by round: above 1, ours is faster or leaner.

Where a process places its tensors stays the same in all its rounds, and may cost a tenth.  So each
pair is measured in several processes, which meet the pairs in different orders, and all rounds are
pooled.  Numbers too small to be normal are taken as zero: random weights make many of them, and
some processors take much longer over each.

On a CPU all of it is done twice: under the C library's usual allocator, and under one told to keep
large tensors (see tools/bench.py).  With --compiled both sides are compiled by torch.compile, at
the first size alone, under the second allocator.
"""

import argparse
import json
import os
import random
import warnings
from collections.abc import Sequence
from itertools import chain
from math import exp, log
from pathlib import Path
from statistics import fmean
from typing import cast

import torch
from torch import nn

from attention_lib import checks
from attention_lib.cards.card import Card
from attention_lib.catalog import catalog, find
from attention_lib.measure import store, timing
from attention_lib.measure.sizes import realistic
from attention_lib.measure.sweep import timed_pass
from attention_lib.measure.timing import Timing
from tests.oracles.peers import NOT_COMPILED, Peer, peers, sizes_of
from tools.bench import ALLOCATORS, apart


def pairs(names: list[str]) -> list[tuple[Card, Peer]]:
    """Every mechanism that has a peer, or those named, with each of its peers.

    Raises:
        ValueError: if a mechanism that is named has none.
    """
    cards = [find(name) for name in names] or catalog()
    found = [(card, peer) for card in cards for peer in peers(str(card), card.family)]
    if names and (lonely := {str(c) for c in cards} - {str(card) for card, _ in found}):
        raise ValueError(f"no peer of {', '.join(sorted(lonely))} is known to compute the same")
    return found


def side_by_side(
    card: Card, peer: Peer, size: dict[str, int], *, device: str, compiled: bool, seconds: float
) -> list[dict]:
    """One pair at one size, forward and with gradients: seconds of each round, peak of bytes."""
    large = realistic(card, **size)
    with torch.device(device):
        torch.manual_seed(0)
        ours, inputs = checks.randomize(large.build()).eval(), large.inputs()
    theirs = equal(ours, peer, inputs)
    both = {"ours": ours, "theirs": theirs}
    kept = {name: _buffers(module) for name, module in both.items()}
    if compiled:
        torch.compiler.reset()
        both = {name: cast(nn.Module, torch.compile(module)) for name, module in both.items()}
    rows = []
    for backward in (False, True):
        runs = {name: timed_pass(module, *inputs, backward, 0) for name, module in both.items()}
        timed = timing.time_together(runs, device=device, seconds=seconds, least=3)
        rows.append(
            dict(mechanism=str(card), peer=peer.name, size=size, backward=backward)
            | dict(seconds={name: timed[name].rounds for name in runs})
            | dict(
                bytes={name: kept[name] + timing.peak_memory(runs[name], device) for name in runs}
            )
        )
    return rows


def pooled(rows: list[dict]) -> list[dict]:
    """One row of ratios for all rows that tell of the same, whichever process measured them."""
    same: dict[str, list[dict]] = {}
    for row in rows:
        what = {name: told for name, told in row.items() if name not in ("seconds", "bytes")}
        same.setdefault(json.dumps(what), []).append(row)
    return [json.loads(what) | _ratios(measured) for what, measured in same.items()]


def _ratios(rows: list[dict]) -> dict[str, float]:
    """Of time, over the rounds of all rows, and of the most memory in any."""
    names = ("ours", "theirs")
    timed = {name: Timing(tuple(chain(*(row["seconds"][name] for row in rows)))) for name in names}
    peak = {name: max(row["bytes"][name] for row in rows) for name in names}
    ratio, low, high = timed["theirs"].ratio_to(timed["ours"])
    return (
        dict(time_ratio=ratio, low=low, high=high)
        | dict(processes=len(rows), rounds=len(timed["ours"].rounds))
        | dict(memory_ratio=peak["theirs"] / max(peak["ours"], 1))
        | {f"{name}_seconds": timing.median for name, timing in timed.items()}
        | {f"{name}_bytes": number for name, number in peak.items()}
    )


def replaced(older: dict, provenance: dict, rows: list[dict]) -> dict:
    """What is stored, with new rows of some mechanisms; its provenance tells of them too."""
    order = [(allocator, str(card)) for allocator in ALLOCATORS for card in catalog()]
    named = {row["mechanism"] for row in rows}
    rows = rows + [row for row in older["rows"] if row["mechanism"] not in named]
    rows.sort(key=lambda row: order.index((row["allocator"], row["mechanism"])))
    told = {key: provenance[key] for key in ("command", "commit", "date")}
    origin = older["provenance"]
    source = origin["source"] | provenance["source"]
    later = [*origin.get("later", []), told]
    return dict(provenance=origin | dict(source=source, later=later), rows=rows)


def equal(ours: nn.Module, peer: Peer, inputs: Sequence) -> nn.Module:
    """Theirs with our weights, which in double precision must give our answer."""
    doubled = [x.double() if torch.is_tensor(x) and x.is_floating_point() else x for x in inputs]
    theirs, state = peer.make(ours.double())
    theirs = theirs.to(doubled[0]).eval()
    theirs.load_state_dict({name: tensor.detach() for name, tensor in state.items()})
    with torch.no_grad():
        mine, other = ours(*doubled), theirs(*doubled)
    who = f"{peer.mechanism} and {peer.name}"
    torch.testing.assert_close(other, mine, msg=lambda text: f"{who} differ: {text}")
    ours.float()
    return theirs.float()


def _buffers(module: nn.Module) -> int:
    """Bytes of what is neither learned nor computed in each call, such as a table of places."""
    return sum(buffer.nbytes for buffer in module.buffers())


def geometric_mean(ratios: list[float]) -> float:
    return exp(fmean(log(ratio) for ratio in ratios))


def told(row: dict) -> str:
    """A line for people: who, what, the ratios."""
    what = "with gradients" if row["backward"] else "forward"
    spread = f"{row['time_ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    size = " ".join(f"{name}={number}" for name, number in row["size"].items())
    return f"{row['peer']}, {size}, {what}: time {spread}, memory {row['memory_ratio']:.2f}"


def measure(options: argparse.Namespace, label: str) -> list[dict]:
    """All pairs, in this process; all but the first process shuffle them."""
    rows, found = [], pairs(options.names)
    if options.compiled:
        found = [(card, peer) for card, peer in found if peer.name not in NOT_COMPILED]
    if options.turn:
        random.Random(options.turn).shuffle(found)
    for number, (card, peer) in enumerate(found, 1):
        print(f"[{number}/{len(found)}] {card}, {label}, process {options.turn + 1}", flush=True)
        for size in sizes_of(card)[: 1 if options.compiled else 2]:
            made = side_by_side(
                *(card, peer, size),
                device=options.device,
                compiled=options.compiled,
                seconds=options.seconds,
            )
            for row in made:
                rows.append(row | dict(allocator=label, compiled=options.compiled))
                print(f"      {told(*pooled([row]))}", flush=True)
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and store all pairs; those named are only printed, but with --replace."""
    parser = argparse.ArgumentParser(
        prog="attention-lib peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="mechanisms; all if none")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--seconds", default=1.0, type=float, help="a ratio, in each process")
    parser.add_argument("--processes", default=3, type=int, help="in which each ratio is measured")
    parser.add_argument("--compiled", action="store_true", help="compile both sides first")
    parser.add_argument("--folder", type=Path, help="where to store; default: book/results")
    parser.add_argument(
        "--replace", action="store_true", help="store those named too, in place of their older rows"
    )
    parser.add_argument("--part", help=argparse.SUPPRESS)  # of this program, in its own process
    parser.add_argument("--turn", default=0, type=int, help=argparse.SUPPRESS)  # which process
    options = parser.parse_args(arguments)
    try:
        found = pairs(options.names)
    except ValueError as error:
        parser.error(str(error))
    unfit = NOT_COMPILED if options.compiled else ()
    measured = dict.fromkeys(str(card) for card, peer in found if peer.name not in unfit)
    if options.processes < 1:
        parser.error(f"--processes {options.processes} must be at least 1")
    torch.set_num_threads(1)
    if options.part:
        warnings.simplefilter("ignore")  # what other packages deprecate is not ours to tell
        torch.set_flush_denormal(True)
        options.folder.write_text(json.dumps(measure(options, options.part)), "utf-8")
        return
    name = "peers-compiled" if options.compiled else "peers-eager"
    older = [
        found for found in store.load(name)
        if found["provenance"]["device"] == store.device_slug(options.device)
    ]  # fmt: skip
    if options.replace and not (options.names and older):
        parser.error("--replace needs names, and rows of this machine to replace")
    wishes = [*options.names, "--seconds", f"{options.seconds:g}"]
    wishes += ["--compiled"] * options.compiled
    command = " ".join([*wishes, f"--processes {options.processes}"])
    origin = store.provenance(options.device, measured, command=f"make peers ARGS={command!r}")
    asked = [*wishes, "--device", options.device]
    labels = ["tuned"] if options.compiled else list(ALLOCATORS)
    if options.device == "cuda":
        labels = ["default"]
    rows = pooled(
        [
            row
            for label in labels
            for turn in range(options.processes)
            for row in apart("tools.peers", [*asked, "--turn", str(turn)], label)
        ]
    )
    for label in dict.fromkeys(row["allocator"] for row in rows):
        chosen = [row for row in rows if row["allocator"] == label]
        means = (geometric_mean([row[f"{what}_ratio"] for row in chosen])
                 for what in ("time", "memory"))  # fmt: skip
        words = "geometric mean over {} ratios, {} allocator: time {:.2f}, memory {:.2f}"
        print(words.format(len(chosen), label, *means))
    if options.names:
        for row in rows:
            print(f"{row['allocator']}: {told(row)}")
    if not options.names or options.folder or options.replace:
        payload: dict = dict(provenance=origin, rows=rows)
        if options.replace:
            payload = replaced(older[0], **payload)
        path = store.save(name, payload, options.folder, device=options.device)
        print(f"stored in {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
