"""What stored experiments and stored times say of a mechanism."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from attention_lib.catalog import FAMILIES
from attention_lib.measure import growth, store

if TYPE_CHECKING:
    from attention_lib.advice.need import Need

SOLVED = 0.95  # accuracy from which the channel chapter calls a task solved


def experiment(task: str, plugs: Sequence[str]) -> list[str]:
    """What the channel chapter's stored experiment says of some plug-ins, in a sentence.

    Runs of the channel cue end either solved or at chance, so those that solved it are counted; of
    the other tasks stand the mean accuracy and its 95 % interval.
    """
    sentences = []
    for payload in store.load("channel-experiment"):
        told = []
        for plug in plugs:
            runs = payload["runs"]
            found = [r["accuracy"] for r in runs if (r["task"], r["plug"]) == (task, plug)]
            name = "no gate" if plug == "none" else plug
            if found and task == "channel cue":
                told.append(f"{name} {sum(a > SOLVED for a in found)} of {len(found)}")
            elif found:
                told.append("{} {:.3f} [{:.3f}, {:.3f}]".format(name, *growth.interval(found)))
        what = "runs that solved it" if task == "channel cue" else "mean accuracy, 95 % interval"
        if told:
            sentences.append(
                f"Task “{task}”, made for gates (channel-experiment), {what}: {'; '.join(told)}."
            )
    return sentences


def experiments_with(name: str) -> list[str]:
    """The stored experiments, not timings, that hold runs of a mechanism."""
    quoted = json.dumps(name)
    return [
        stored
        for stored, payloads in store.load_all().items()
        if not any(payload.keys() & {"sweeps", "proof", "rows"} for payload in payloads)
        and quoted in json.dumps(payloads)
    ]


@dataclass(frozen=True)
class Measured:
    """A stored time of one mechanism, at the measured size that is nearest to the one asked for."""

    mechanism: str
    group: str  # those of one group ran in the same rounds, at one size
    machine: str
    backward: bool
    batch: int
    features: int
    height: int  # 0 for tokens
    width: int  # or their number
    seconds: float
    low: float
    high: float
    peak_bytes: int

    @property
    def places(self) -> int:
        return max(self.height, 1) * self.width

    @property
    def where(self) -> str:
        size = f"{self.height} × {self.width} × {self.features:,}"
        if not self.height:
            size = f"{self.width:,} tokens × {self.features:,}"
        return size if self.batch == 1 else f"{self.batch} × ({size})"

    def far(self, places: int, features: int, batch: int) -> float:
        """How many times as large or small, in logarithms."""
        mine = (self.places, self.features, self.batch)
        pairs = zip(mine, (places, features, batch), strict=True)
        return sum(abs(math.log(a / b)) for a, b in pairs)


@cache
def measurements() -> tuple[Measured, ...]:
    """The stored times of each family; the default allocator's only where there are no others."""
    found = []
    for name in (f"{family}-bench" for family in FAMILIES):
        for payload in store.load_all().get(name, ()):
            sweeps = payload["sweeps"]
            tuned = [s for s in sweeps if s.get("allocator") != "default"]
            for number, sweep in enumerate(tuned or sweeps):
                made = payload["provenance"]
                threads = f"{made['threads']} thread" + "s" * (made["threads"] != 1)
                machine = made.get("gpu") or f"{made['processor']}, {threads}"
                if sweep["dtype"] != "float32":
                    machine = f"{machine}, {sweep['dtype']}"
                for row in sweep["rows"]:
                    size = sweep["fixed"] | dict.fromkeys(sweep["axis"].split(","), row["size"])
                    found.append(
                        Measured(
                            row["mechanism"],
                            f"{name}, sweep {number + 1}, {row['size']}",
                            machine,
                            sweep["backward"],
                            size.get("batch", 1),
                            size.get("channels", size.get("dim")),
                            0 if "tokens" in size else size["height"],
                            size["tokens"] if "tokens" in size else size["width"],
                            row["seconds"],
                            row["seconds_low"],
                            row["seconds_high"],
                            row["peak_bytes"],
                        )
                    )
    return tuple(m for m in found if m.features)


def nearest(name: str, need: "Need") -> Measured | None:
    """The stored time at the measured size nearest to what is needed, if there is one."""
    mine = [m for m in measurements() if (m.mechanism, m.backward) == (name, need.backward)]
    return min(mine, key=lambda m: m.far(need.places, need.features, need.batch), default=None)
