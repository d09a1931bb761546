"""What there is to read: the chapter of each family, and who reads which in what order."""

import re
from importlib import import_module
from pathlib import Path

from attention_lib.catalog import FAMILIES, catalog
from tools.chapters import ROOT, chapters, notebook_of, repository
from tools.pages.markdown import page, table

# Who reads what, in which order: chapters by name; those that are not written yet are left out. A
# student reads all, in the order of _toc.yml.
PATHS = {
    "Vision engineer": "start channel spatial joint resnet50 dense sparse hybrid peers",
    "Language-model engineer": "start dense linear sparse mixing peers",
    "Student": "",
    "Teacher": "start dense channel",
}


def chapter_of(family: str, root: Path = ROOT) -> Path | None:
    """The executed chapter of a family, if it is there."""
    path = root / "notebooks" / f"{family}.ipynb"
    return path if path.exists() else None


def chapters_table(root: Path = ROOT) -> str:
    """Each family: its question, its mechanisms, and its chapter where there is one."""
    written = [family for family in FAMILIES if chapter_of(family, root)]
    count = (
        f"Each family of mechanisms asks one question. {len(written)} of the {len(FAMILIES)}"
        f" families have a chapter so far: {', '.join(written) or 'none'}. Every mechanism, with or"
        " without a chapter, has a page of its own."
    )
    rows = []
    for family in FAMILIES:
        shelf = import_module(f"attention_lib.{family}")
        title, _, question = (shelf.__doc__ or "").partition("\n")[0].partition(": ")
        [question, *_] = re.findall(r"\*.*?\*", question)
        links = [f"[{card.title}](api/{card.family}/{card}.md)" for card in catalog(family)]
        found = chapter_of(family, root)
        where = f"[read it](../notebooks/{found.name})" if found else "not written yet"
        rows.append([title, question, ", ".join(links), where])
    return page(count, table(["Family", "It asks", "Mechanisms", "Chapter"], rows))


def doors(root: Path = ROOT) -> str:
    """The three ways in: to read, to run, to teach; each with its first step."""
    first, *_ = found = {path.stem: path for path in _read_by("Student", root)}
    exercises = sum(minutes(path) for path in _read_by("Teacher", root))
    owner = repository(root).removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/main/notebooks/{first}.ipynb"
    return _doors(
        f"**Read.** [{title(found[first])}](../notebooks/{first}.ipynb) builds attention from a"
        f" weighted average and opens up a real model, in {minutes(found[first])} minutes. Then"
        " take [a chapter](#the-chapters).",
        f"**Run.** [Open the first chapter in Colab]({colab}) and change what you like. Or take a"
        " mechanism from the library, [one page each](mechanisms.md).",
        f"**Teach.** [A path for a course](#reading-paths) of {exercises} minutes of reading."
        " Exercises judge themselves, and the [licence](license.md) lets you change all of it.",
    )


def _doors(*texts: str) -> str:
    inside = [f":::{{container}} door\n{text}\n:::" for text in texts]
    return page("::::{container} doors", *inside, "::::")


def minutes(chapter: Path) -> int:
    """How long a chapter takes to read, as its text says.

    Raises:
        ValueError: if it does not say.
    """
    text = " ".join(chapter.read_text(encoding="utf-8").split())
    found = re.search(r"Reading takes about (\d+) minutes", text)
    if not found:
        raise ValueError(f"{chapter.name} does not say: Reading takes about … minutes")
    return int(found[1])


def in_order(root: Path = ROOT) -> list[str]:
    """The chapters as _toc.yml orders them."""
    found = re.findall(r"- file: notebooks/(\S+)", (root / "_toc.yml").read_text("utf-8"))
    return [name.removesuffix(".ipynb") for name in found]


def _read_by(reader: str, root: Path) -> list[Path]:
    """The chapters on a reader's path that are written, in order."""
    written = {path.stem: path for path in chapters(root) if notebook_of(path).exists()}
    order = PATHS[reader].split() or in_order(root)
    return [written[name] for name in order if name in written]


def paths_table(root: Path = ROOT) -> str:
    """For each kind of reader, the chapters to read, in order, and how long they take together."""
    rows = []
    for reader in PATHS:
        found = _read_by(reader, root)
        links = [f"[{title(path)}](../notebooks/{path.stem}.ipynb)" for path in found]
        rows.append([reader, ", ".join(links), str(sum(map(minutes, found)))])
    return page(table(["Reader", "Chapters, in this order", "Minutes"], rows))


def title(chapter: Path) -> str:
    """The title of a chapter, up to the colon."""
    [heading, *_] = re.findall(r"^# (.*)", chapter.read_text(encoding="utf-8"), flags=re.M)
    return heading.partition(":")[0]
