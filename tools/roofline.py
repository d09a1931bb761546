"""How near each mechanism comes to what the machine can do: its multiply-adds and bytes a second.

    python -m tools.roofline [family ...] [--device cuda]     # stored as peers-roofline.json

In the same rounds as the mechanisms of a family run a large matrix product and a large copy.  What
a mechanism must do at least is counted: its multiply-adds, and the bytes of input, parameters and
output, each once.  The shares of the two probes' speeds that it reaches say what binds it.  On a
CPU the form that torch.compile makes is timed beside the eager one, in the same rounds.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch

from attention_lib.cards.card import Card
from attention_lib.catalog import FAMILIES, catalog
from attention_lib.measure import store, timing
from attention_lib.measure.cost import measure
from attention_lib.measure.sizes import realistic
from attention_lib.measure.sweep import timed_pass
from tests.oracles.peers import sizes_of
from tools.bench import apart

SIDE = 2048  # of the matrices; their product is 2048³ multiply-adds
COPIED = 2**27  # bytes, far more than any cache holds


def as_beside_peers(card: Card) -> Card:
    """At the first of the sizes at which it is timed beside peers, or at one like it."""
    return realistic(card, **sizes_of(card)[0])


def bytes_at_least(module: torch.nn.Module, inputs: Sequence) -> int:
    """Of input, parameters and output, each once."""
    with torch.no_grad():
        answer = module(*inputs)
    tensors = [*(x for x in inputs if torch.is_tensor(x)), *module.parameters(), answer]
    return sum(tensor.nbytes for tensor in tensors)


def family_rows(family: str, device: str, seconds: float, compiled: bool = False) -> list[dict]:
    """A row a mechanism: its speeds, and those of the two probes in the same rounds."""
    runs, counted, fast = {}, {}, {}
    for card in catalog(family):
        large = as_beside_peers(card)
        with torch.device(device):
            module, inputs = large.build().eval(), large.inputs()
        runs[str(card)] = timed_pass(module, *inputs, False, 0)
        counted[str(card)] = measure(module, *inputs).macs, bytes_at_least(module, inputs)
        if compiled:
            print(f"      compiling {card}", flush=True)
            made = cast(torch.nn.Module, torch.compile(module))
            fast[f"{card}, compiled"] = timed_pass(made, *inputs, False, 0)
    left, right = (torch.randn(SIDE, SIDE, device=device) for _ in range(2))
    source = torch.randn(COPIED // 4, device=device)
    target = torch.empty_like(source)
    runs["matrix product"], counted["matrix product"] = lambda: left @ right, (SIDE**3, 0)
    runs["copy"], counted["copy"] = lambda: target.copy_(source), (0, 2 * COPIED)
    timed = timing.time_together(runs | fast, device=device, seconds=seconds, least=7)
    rows = [
        dict(family=family, name=name, seconds=timed[name].median, macs=macs, bytes=size)
        for name, (macs, size) in counted.items()
    ]
    for row in rows:
        if (of := f"{row['name']}, compiled") in timed:
            row["compiled_seconds"] = timed[of].median
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure, and store all families; those named are only printed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.roofline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("families", nargs="*", metavar="family", help=", ".join(FAMILIES))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--seconds", default=20.0, type=float, help="to measure, a family")
    parser.add_argument("--folder", type=Path, help="where to store; default: book/results")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # of this program, in its own process
    options = parser.parse_args(arguments)
    if unknown := set(options.families) - set(FAMILIES):
        parser.error(f"no family {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    torch.set_num_threads(1)
    if options.part:
        rows = []
        for family in options.families or FAMILIES:
            print(f"      {family}", flush=True)
            compiled = options.device == "cpu"
            rows += family_rows(family, options.device, options.seconds, compiled)
        options.folder.write_text(json.dumps(rows), "utf-8")
        return
    names = [str(card) for family in options.families or FAMILIES for card in catalog(family)]
    origin = store.provenance(options.device, names, command="make roofline")
    asked = [*options.families, "--device", options.device, "--seconds", str(options.seconds)]
    label = "default" if options.device == "cuda" else "tuned"
    rows = apart("tools.roofline", asked, label)
    if options.families and not options.folder:
        for row in rows:
            speeds = row["macs"] / row["seconds"], row["bytes"] / row["seconds"]
            print("{}: {:.3g} multiply-adds/s, {:.3g} bytes/s".format(row["name"], *speeds))
        return
    payload = dict(provenance=origin, rows=rows)
    path = store.save("peers-roofline", payload, options.folder, device=options.device)
    print(f"      stored in {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
