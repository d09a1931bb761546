"""What stored experiments say of a mechanism."""

import json
from collections.abc import Sequence

from attention_lib.measure import growth, store

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
