"""The status page: what was executed and measured, where and when."""

from pathlib import Path

import nbformat

from tools.chapters import ROOT, chapters, notebook_of
from tools.pages.markdown import page, table
from tools.stale import measurements, outdated


def status_page(root: Path = ROOT) -> str:
    """What was executed and measured: where, when, for how long."""
    rows = []
    for chapter in chapters(root):
        path = notebook_of(chapter)
        if not path.exists():
            rows.append([chapter.stem, *["–"] * 6])
            continue
        stamp = nbformat.read(path, as_version=4).metadata["attention_book"]
        facts = ("preset", "machine", "seconds", "date", "python", "torch")
        rows.append([f"[{chapter.stem}](../notebooks/{path.name})",
                     *(str(stamp[fact]) for fact in facts)])  # fmt: skip
    heads = ["Chapter", "Preset", "Machine", "Seconds", "Date", "Python", "torch"]
    return page(
        "# Status",
        "Each chapter was executed from top to bottom before this site was built, and the tests"
        " demand that the notebook shown is that of the present text, and run it again with the"
        " present library: it has to show the same.",
        table(heads, rows, "stack"),
        *stored(root),
    )


def stored(root: Path = ROOT) -> list[str]:
    """The stored measurements that chapters show, and where each was made."""
    facts = ("processor", "gpu", "threads", "torch", "date")
    rows, older = [], outdated(root)
    for name, payload in measurements(root).items():
        known = payload.get("provenance", {})
        told = [str(known.get(fact, "–")).partition("T")[0] for fact in facts]
        rows.append([f"`{name}`", *told, ", ".join(older.get(name, ["–"]))])
    if not rows:
        return []
    heads = ["File", "Processor", "GPU", "Threads", "torch", "Date", "Of older code"]
    return [
        "## Stored measurements",
        "Some measurements take longer than a page should, or another machine. They are stored in"
        " `book/results`, each with what one must know to repeat it. *Of older code* is what has"
        " changed since it was measured.",
        table(heads, rows, "stack"),
    ]
