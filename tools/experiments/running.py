"""Run what is not stored yet, keep each run, choose rates."""

from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from attention_lib import bench


def complete(
    name: str,
    payload: dict,
    kind: str,
    jobs: list[dict],
    run: Callable[..., dict],
    merit: str,
) -> None:
    """Do those jobs that payload[kind] lacks; store the payload after each."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        bar = progress.add_task(f"{name}, {kind}", total=len(jobs))
        for job in jobs:
            if not any(job.items() <= done.items() for done in payload[kind]):
                done = {**job, **run(**job)}
                payload[kind].append(done)
                bench.save(name, payload)
                words = ", ".join(str(part) for part in job.values())
                progress.console.print(f"{words}: {merit} {done[merit]:.3f}", highlight=False)
            progress.advance(bar)


def best_rates(runs: list[dict], merit: str, digits: int) -> dict[str, float]:
    """For each plug-in the rate of the highest mean merit, rounded to so many digits.

    Of equals, the middle rate, or else the higher.
    """
    rates = sorted({run["rate"] for run in runs})
    middle = rates[len(rates) // 2]

    def mean(plug: str, rate: float) -> float:
        found = [run[merit] for run in runs if (run["plug"], run["rate"]) == (plug, rate)]
        return round(sum(found) / len(found), digits)

    return {
        plug: max(rates, key=lambda rate: (mean(plug, rate), rate == middle, rate))
        for plug in dict.fromkeys(run["plug"] for run in runs)
    }


def resumed(name: str, payload: dict) -> dict:
    """The payload with the runs stored under this name for this device, settings and plug-ins."""
    for found in bench.stored(name):
        here = found["provenance"]["device"] == bench.device_slug()
        if here and found["settings"] == payload["settings"]:
            same = {plug for plug, said in payload["plugs"].items()
                    if found["plugs"].get(plug) == said}  # fmt: skip
            for kind in ("development", "runs"):
                payload[kind] = [run for run in found[kind] if run["plug"] in same]
    return payload
