"""What the stored experiments found: a fold for each on the page *Which one?*."""

import re
from collections.abc import Iterator
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from statistics import fmean

from attention_lib.measure import store
from tools.chapters import ROOT
from tools.pages.markdown import page, table
from tools.pages.reading import title

# What a run was judged by, with the digits that a table shows; the first of them that it has.
MERITS = {"accuracy": ("accuracy", 2), "precision": ("mean average precision", 2),
          "decibel": ("decibel", 1)}  # fmt: skip


def experiments_page(root: Path = ROOT) -> str:
    """Every stored experiment in which something was trained, by chapter."""
    return page(*(fold(name, payload, root) for name, payload in trained().items()))


def trained() -> dict[str, dict]:
    """The experiments with runs of several seeds, by name; of several devices the newest."""
    found = {
        name: [payload for payload in payloads if "plugs" in payload and payload.get("runs")]
        for name, payloads in store.load_all().items()
    }
    return {
        name: max(payloads, key=lambda payload: payload["provenance"]["date"])
        for name, payloads in found.items()
        if payloads
    }


def anchor(name: str) -> str:
    """The id of an experiment on the page; it lies in the fold, which a link to it opens."""
    return f"experiment-{name}"


def question(payload: dict) -> str:
    """What an experiment asks: the first line of what its function says of itself."""
    [path] = [source for source in payload["provenance"]["source"] if ".experiments." in source]
    module, _, function = path.rpartition(".")
    return (getdoc(getattr(import_module(module), function)) or "").partition("\n")[0]


def fold(name: str, payload: dict, root: Path = ROOT) -> str:
    """The question, on a fold; in it the table, and how it was made."""
    family, settings = name.partition("-")[0], payload["settings"]
    seeds = sorted({run["seed"] for run in payload["runs"]})
    merit, _ = MERITS[_merit(payload["runs"][0])]
    head = title(root / f"book/chapters/{family}.md")
    told = [
        f"From [{head}](../notebooks/{family}.ipynb). Shown is the mean {merit} over the seeds,"
        f" and the lowest and the highest run. {payload.get('fairness', '')}".rstrip(),
        f"Stored as `{name}`: {payload['provenance']['processor']}, {settings['device']},"
        f" {payload['provenance']['date'][:10]}, seeds {seeds[0]} to {seeds[-1]}."
        f" To measure it again: `{payload['provenance']['command']}`.",
    ]
    return page(
        f"<details>\n<summary>{head}: {question(payload)}</summary>",
        f'<span id="{anchor(name)}"></span>',
        results(payload),
        *told,
        "</details>",
    )


def results(payload: dict) -> str:
    """A row for each that was trained, a column for each thing that it was asked."""
    cells: dict[str, dict[str, list[float | None]]] = {}
    for run in payload["runs"]:
        for asked, value in _answers(run, payload["settings"]):
            cells.setdefault(asked, {}).setdefault(run["plug"], []).append(value)
    _, digits = MERITS[_merit(payload["runs"][0])]
    rows = [
        [plug, *(_shown(found.get(plug, []), digits) for found in cells.values())]
        for plug in payload["plugs"]
        if any(plug in found for found in cells.values())
    ]
    return table(["Trained", *cells], rows, "results")


def _merit(run: dict) -> str:
    return next(merit for merit in MERITS if merit in run)


def _answers(run: dict, settings: dict) -> Iterator[tuple[str, float | None]]:
    """What a run was asked, in words, and how well it answered; None: it refused."""
    task = [run["task"]] if "task" in run else []
    if len(settings.get("dims", [])) > 1:
        task.append(f"{run['dim']} features")
    several = run.get("accuracies", [])
    for size, values in settings.items():
        if size.startswith("test_") and isinstance(values, list) and len(values) == len(several):
            what = re.sub("sides", "pixels a side", size.removeprefix("test_"))
            for value, found in zip(values, several, strict=True):
                yield ", ".join([*task, f"{value} {what}"]), found
            return
    merit = _merit(run)
    yield ", ".join(task) or MERITS[merit][0].capitalize(), run[merit]


def _shown(values: list[float | None], digits: int) -> str:
    """The mean; and from the lowest to the highest, on one line."""
    found = [value for value in values if value is not None]
    if not found:
        return "refused" if values else "not run"
    mean, low, high = (f"{value:.{digits}f}" for value in (fmean(found), min(found), max(found)))
    return mean if low == high else f"{mean} ({low}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high})"
