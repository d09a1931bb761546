"""What wants a GPU, in order of value, in so many seconds.

    python -m tools.gpu [NAME ...] [--time 480]          # or: make gpu TIME=480

1. proof: contract and references on the GPU, without TF32: proof.json
2. sweeps: time and memory of every family, in float32 and bfloat16: FAMILY-bench.json
3. peers: beside other packages, in this one process: peers-eager.json
4. roofline: shares of the GPU's own speeds: peers-roofline.json

A file is written again after each step, into book/results/<device>/, so that a run that is killed
keeps what it has.  It is `complete` once every step has ended without a note.  The run stops by
itself.  It needs torch, einops, jaxtyping and sympy; a peer that cannot be imported is named.

With --device cpu it is a rehearsal at small sizes, stored only where --folder says.
"""

import argparse
import gc
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields
from functools import partial, wraps
from itertools import product
from pathlib import Path
from typing import Any

import torch

from attention_lib.cards.card import Card
from attention_lib.catalog import catalog, find
from attention_lib.checks import checks_for, verdict
from attention_lib.measure import store
from attention_lib.measure.sizes import realistic
from attention_lib.measure.sweep import build_with_inputs, timed_pass
from tests.oracles.peers import MORE, NOT_TIMED, Peer, peers, sizes_of
from tests.support.proof import LOW, equals_reference, holds_in_low_precision
from tools.bench import members, one_sweep, sweeps
from tools.peers import pooled, side_by_side
from tools.roofline import family_rows

NO_GPU = "NOT RUN: no CUDA device here (torch.cuda.is_available() is false)"
SWEEP, RATIO, FAMILY = 1.0, 0.3, 2.0  # seconds to measure one, beyond the least rounds
Check = Callable[[Card], None]
Found = Iterator[dict | str]  # rows to store, and notes: "NOT RUN: ..." or "FAILED: ..."


# ---- 1. proof ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)  # as every card, a key of caches
class Placed(Card):
    """A card whose instances and inputs are made on a device.

    Only these: what `forward` makes goes where a user's would, so that a forgotten device shows.
    """

    device: str = "cpu"

    def build(self, **arguments: object) -> torch.nn.Module:
        with self._place():
            return super().build(**arguments)

    def inputs(self, dtype: torch.dtype = torch.float32, /, **sizes: int) -> list:
        with self._place():
            return super().inputs(dtype, **sizes)

    def _place(self) -> AbstractContextManager:
        """The device, but for what is made on meta, only to be counted."""
        return nullcontext() if torch.empty(0).is_meta else torch.device(self.device)


def proof(card: Card, device: str) -> Found:
    """The verdict of each check of the contract, of each reference and of each low precision."""
    card = Placed(**{f.name: getattr(card, f.name) for f in fields(card)}, device=device)
    checks: dict[str, Check] = {check.__name__: check for check in checks_for(card)}
    for arguments in ({}, *card.variants):
        changed = ", ".join(f"{k}={v}" for k, v in arguments.items()) or "example"
        checks[f"reference, {changed}"] = _given(equals_reference, arguments)
    for dtype in LOW:
        checks[f"reference, {dtype}"] = _given(holds_in_low_precision, dtype)
    for name, check in checks.items():
        with without_tf32():
            status, why = verdict(check, card)
            if status not in ("passed", "xfail"):
                why = f"{why}; a second time: {_once_more(check, card)}"
        yield dict(mechanism=str(card), check=name, verdict=status, why=why)
        if status not in ("passed", "xfail"):
            yield f"FAILED: {card}, {name}: {status}: {why}"


@contextmanager
def without_tf32() -> Iterator[None]:
    """Products and convolutions of float32 are of float32, not of its first ten bits."""
    places: tuple[Any, Any] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = False
        yield
    finally:
        for place, was in zip(places, before, strict=True):
            place.allow_tf32 = was


def _given(check: Callable[[Card, Any], None], more: object) -> Check:
    @wraps(check)
    def given(card: Card) -> None:
        check(card, more)

    return given


def _once_more(check: Check, card: Card) -> str:
    """All that a failing check says; an error that comes and goes is another kind of fault."""
    try:
        check(card)
    except Exception as error:  # the finding
        return _line(error)
    return "passed"


# ---- 2. sweeps, 3. peers -----------------------------------------------------------------------


def swept(
    cards: Sequence[Card],
    axis: str,
    sizes: Sequence[int],
    fixed: dict[str, int],
    dtype: str,
    backward: bool,
    device: str,
) -> Found:
    """One sweep, without those that cannot run at its largest size."""
    able = []
    for card in cards:
        try:
            large = realistic(card, **fixed, **dict.fromkeys(axis.split(","), max(sizes)))
            made = build_with_inputs(large, device, getattr(torch, dtype), 0)
            timed_pass(*made, backward, 0)()
            if device == "cuda":
                torch.cuda.synchronize()  # an error of a kernel shows here, not later
        except Exception as error:  # of one, which must not cost the others their rows
            yield f"FAILED: {card}, {axis}={max(sizes)}, {dtype}, {backward=}: {_line(error)}"
        else:
            able.append(card)
    if able:
        what = (able, axis, sizes, fixed, dtype, backward)
        yield one_sweep(*what, device, SWEEP, "default")


def beside_peers(card: Card, device: str) -> Found:
    """The ratios of one mechanism to each of its peers."""
    first, second = sizes_of(card)
    at = [first | dict(batch=1)] if device == "cpu" else [first, second]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other packages deprecate is not ours to tell
        try:
            found = peers(str(card), card.family)
        except ImportError as error:  # of one that the whole family's oracles are imported with
            for name in card.oracles:
                yield f"NOT RUN: peer {name}: {_line(error)}"
            found = [Peer(str(card), name, make) for name, make in MORE.get(str(card), {}).items()]
        for peer in found:
            try:
                for size in at:
                    rows = side_by_side(
                        card, peer, size, device=device, compiled=False, seconds=RATIO
                    )
                    for row in pooled(rows):
                        yield row | dict(allocator="default", compiled=False)
            except ImportError as error:
                yield f"NOT RUN: peer {peer.name}: {_line(error)}"
            except Exception as error:  # theirs on this device, or an answer that is not ours
                yield f"FAILED: peer {peer.name} of {card}: {_line(error)}"


# ---- what there is to do, and how long ---------------------------------------------------------


@dataclass
class Result:
    """A file that is written again whenever a step has added to it."""

    name: str
    kind: str  # what its list is called
    options: argparse.Namespace
    steps: int = 0  # still to come
    notes: tuple[str, ...] = ()
    found: tuple[dict, ...] = ()

    def add(self, found: list[dict], notes: list[str], ended: bool) -> None:
        self.found, self.notes = (*self.found, *found), (*self.notes, *notes)
        self.steps -= ended
        complete = not (self.steps or self.notes or self.options.names)
        measured = {*store.mechanisms(self.found), *(row.get("name") for row in self.found)}
        origin = self.options.origin
        source = {name: code for name, code in origin["source"].items() if name in measured}
        payload = dict(provenance=origin | dict(source=source), complete=complete)
        payload |= {"notes": self.notes, self.kind: self.found}
        store.save(self.name, payload, self.options.folder, device=self.options.device)


@dataclass(frozen=True)
class Step:
    stage: str
    name: str
    result: Result
    work: Callable[[], Iterable[dict | str]]


class OutOfTime(BaseException):
    """The time is up.  No Exception, which checks and steps would take for a finding."""


def plan(options: argparse.Namespace) -> list[Step]:
    """All steps, the most valuable first."""
    device = options.device
    cards = [find(name) for name in options.names] or catalog()
    families = list(dict.fromkeys(card.family for card in cards))

    result = Result("proof", "proof", options)
    steps = [Step("proof", str(card), result, partial(proof, card, device)) for card in cards]

    results = {family: Result(f"{family}-bench", "sweeps", options) for family in families}
    for dtype, backward, family in product(("float32", "bfloat16"), (False, True), families):
        for axis, sizes, fixed in sweeps(family):
            sizes = sizes[:2] if device == "cpu" else sizes
            able = [card for card in members(family, axis, fixed) if card in cards]
            work = partial(swept, able, axis, sizes, fixed, dtype, backward, device)
            name = f"{family}, {axis}, {dtype}" + ", with gradients" * backward
            if able:
                steps.append(Step("sweeps", name, results[family], work))

    result = Result("peers-eager", "rows", options)
    timed = [card for card in cards if {*card.oracles} - NOT_TIMED.keys() or str(card) in MORE]
    steps += [Step("peers", str(c), result, partial(beside_peers, c, device)) for c in timed]

    result = Result("peers-roofline", "rows", options)
    for family in families:
        steps.append(Step("roofline", family, result, partial(family_rows, family, device, FAMILY)))
    for step in steps:
        step.result.steps += 1
    return steps


@contextmanager
def cut_off(seconds: float) -> Iterator[None]:
    """Raise OutOfTime inside once the seconds are over, and each second until it is heard."""

    def over(*_: object) -> None:
        raise OutOfTime

    handler = signal.signal(signal.SIGALRM, over)
    before = signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *before)


def run(
    steps: Sequence[Step],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    within: Callable[[float], AbstractContextManager] = cut_off,
) -> int:
    """Do the steps in order while there is time, and say what was not reached; 1 if one failed."""
    end = clock() + seconds
    done: list[Step] = []
    told: list[str] = []
    for step in steps:
        if (left := end - clock()) <= 0:
            break
        found: list[dict] = []
        notes: list[str] = []
        ended = True
        try:
            with within(left):
                for made in step.work():
                    if isinstance(made, str):
                        notes.append(made)
                    else:
                        found.append(made)
        except OutOfTime:
            ended = False
        except Exception as error:  # the next steps may still be worth something
            notes.append(f"FAILED: {step.stage}, {step.name}: {_line(error)}")
        step.result.add(found, notes, ended)
        told += notes
        done += [step] * ended
        line = f"{max(end - clock(), 0):4.0f} s left  {step.stage}: {step.name}"
        print(line + ", cut off" * (not ended), *notes, sep="\n      ", flush=True)
    print(f"\n{len(told)} notes", *told, sep="\n")
    for stage in dict.fromkeys(step.stage for step in steps):
        asked = [step for step in steps if step.stage == stage]
        missed = [step.name for step in asked if step not in done]
        print(f"{stage}: {len(asked) - len(missed)} of {len(asked)} steps done", end="")
        print("; not reached: " * bool(missed) + "; ".join(missed))
    return int(any(note.startswith("FAILED") for note in told))


def _line(error: Exception) -> str:
    """An error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


def main(arguments: list[str] | None = None) -> int:
    """Run what the time allows; 1 if something failed, and 0 where there is no GPU to ask."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="mechanisms; all if none")
    parser.add_argument("--time", default=480.0, type=float, help="seconds of work, then it stops")
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--folder", type=Path, help="where to store; default: book/results")
    options = parser.parse_args(arguments)
    if not options.folder and (options.names or options.device == "cpu"):
        parser.error("a part or a rehearsal does not belong in book/results: say --folder")
    if options.device == "cuda" and not torch.cuda.is_available():
        print(NO_GPU)
        return 0
    torch.set_num_threads(1)
    tf32 = dict(matmul=torch.backends.cuda.matmul.allow_tf32, cudnn=torch.backends.cudnn.allow_tf32)
    told = dict(command="make gpu", tf32_when_timed=tf32)
    options.origin = store.provenance(options.device, map(str, catalog()), **told)
    steps = plan(options)
    gc.freeze()  # peak_memory collects garbage for each row: what is there by now is none
    try:
        return run(steps, options.time)
    finally:
        gc.unfreeze()


if __name__ == "__main__":
    sys.exit(main())
