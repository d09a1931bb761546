"""List what is older than what it was made from: notebooks, and stored measurements.

    python -m tools.stale      # a list and no test: its exit status is 0

Each line ends in the command that makes it again.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from attention_lib.measure.source import older
from tools.chapters import ROOT, chapters, is_stale, published


def measurements(root: Path = ROOT) -> dict[str, dict]:
    """Every stored measurement, by its path under book/results."""
    shelf = root / "book/results"
    found = sorted(shelf.glob("*/*.json"))
    return {p.relative_to(shelf).as_posix(): json.loads(p.read_text("utf-8")) for p in found}


def outdated(root: Path = ROOT) -> dict[str, list[str]]:
    """By path under book/results: what of a measurement was made with code that has changed."""
    found = {path: older(payload, root) for path, payload in measurements(root).items()}
    return {path: [n.rpartition(".")[2] for n in names] for path, names in found.items() if names}


def told(root: Path = ROOT) -> dict[str, str]:
    """By name, as `bench.stored` takes it: the sentence for a page that shows such numbers."""
    found: dict[str, list[str]] = {}
    for path, names in outdated(root).items():
        device, _, file = path.partition("/")
        found.setdefault(file.removesuffix(".json"), []).append(f"{', '.join(names)} ({device})")
    return {name: f"Measured on older code: {'; '.join(said)}." for name, said in found.items()}


def lines(root: Path = ROOT) -> Iterator[str]:
    """What to make again, and how."""
    for chapter in chapters(root):
        notebook = published(chapter)
        stamp = notebook.metadata.get("attention_book", {}) if notebook else {}
        if is_stale(chapter, root):
            yield f"notebook {chapter.stem}: make execute CHAPTER={chapter.stem}"
        elif stamp.get("noise", stamp["key"]) != stamp["key"]:
            yield f"notebook {chapter.stem}, not yet run under noise: make noise"
    found = measurements(root)
    for path, names in outdated(root).items():
        command = found[path]["provenance"].get("command", "no command is stored")
        if command.startswith("make peers ARGS='"):  # rows can be replaced one by one
            command = command.replace("ARGS='", f"ARGS='{' '.join(names)} --replace ")
        yield f"{path}: {', '.join(names)}: {command}"


def main(root: Path = ROOT) -> None:
    fresh = "every notebook and every stored measurement is of the present source"
    print("\n".join(lines(root)) or fresh)


if __name__ == "__main__":
    main()
