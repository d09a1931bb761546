"""Run what is not stored yet, and keep each run."""

from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from attention_lib.measure import store


def origin(chapter: str, *measured: Callable | str) -> dict[str, object]:
    """The provenance of what an experiment stores.

    Args:
        chapter: whose experiment it is.
        measured: what it runs; each is followed to all that it names, but not to what it asks for
            by a name in a string, such as a mechanism.
    """
    names = [m if isinstance(m, str) else f"{m.__module__}.{m.__qualname__}" for m in measured]
    return store.provenance(measured=names, command=f"make experiments FAMILY={chapter}")


def is_stored(name: str, payload: dict) -> bool:
    """Whether all of it was measured here, at these settings, with the present code."""
    return any(_same(found, payload) for found in store.load(name))


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
                store.save(name, payload)
                words = ", ".join(str(part) for part in job.values())
                progress.console.print(f"{words}: {merit} {done[merit]:.3f}", highlight=False)
            progress.advance(bar)


def resumed(name: str, payload: dict) -> dict:
    """The payload with the stored runs of this device, settings, plug-ins and present code."""
    for found in store.load(name):
        if _same(found, payload):
            same = {plug for plug, said in payload["plugs"].items()
                    if found["plugs"].get(plug) == said}  # fmt: skip
            for kind in ("development", "runs"):
                payload[kind] = [run for run in found[kind] if run["plug"] in same]
    return payload


def _same(found: dict, payload: dict) -> bool:
    """Whether a stored measurement is of the device, the code and the settings of the payload."""
    then, now = found["provenance"], payload["provenance"]
    same = all(then.get(what) == now[what] for what in ("device", "source"))
    return same and found["settings"] == payload["settings"]
