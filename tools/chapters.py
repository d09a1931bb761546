"""A chapter's text as a notebook: the one reading of `book/chapters/*.md` that all tools share.

`python -m tools.new chapter NAME` begins a chapter.
"""

import hashlib
import json
import os
import re
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
PARAMETERS: dict[str, str | int] = {"preset": "ci", "device": "auto", "seed": 0}

# What a notebook follows from; NAME is the chapter's. The library is not in it: its changes are
# judged by nbval, which runs every cell again.
TEXT_AND_PINS = ("book/chapters/NAME.md", "book/weights.txt", "constraints.txt")
RESULTS = ("book/results/*/NAME-*.json",)  # a chapter reads only those that begin with its name

# The first two code cells of every chapter, word for word; REPOSITORY becomes the address.
PARAMETERS_CELL = """\
preset = "ci"  # how much to compute: "ci", "laptop", "t4" or "big"
device = "auto"  # "auto", "cpu" or "cuda"
seed = 0"""
INSTALL_CELL = """\
from importlib import invalidate_caches, util

if util.find_spec("attention_lib") is None:
    %pip install -qqq "attention-lib[plot] @ git+REPOSITORY"
    invalidate_caches()
if util.find_spec("attention_lib") is None:
    raise SystemExit(
        "attention_lib could not be installed from REPOSITORY.\\n"
        "Check the network and run this cell again (without -qqq, to see why); or download the\\n"
        "wheel from REPOSITORY/releases and type  %pip install NAME.whl;  or clone the\\n"
        "repository, type  pip install -e '.[plot]'  in it, and open this notebook there."
    )"""

OPENING = f"""\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Title

```{{code-cell}} ipython3
:tags: [parameters]

{PARAMETERS_CELL}
```

```{{code-cell}} ipython3
:tags: [install, hide-input]

{INSTALL_CELL}
```
"""
# The parts of a chapter, in order; the second: of one that is no family's.
HEADINGS = (
    "In one minute", "You will be able to", "Why", "What does it cost?", "Does it help?", "Use it",
    "Break it", "Exercises", "Summary",
)  # fmt: skip
EVERYWHERE = ("In one minute", "You will be able to", "Exercises", "Summary")


def repository(root: Path = ROOT) -> str:
    """The address of the repository: `BOOK_REPOSITORY` if set (a fork's), else _config.yml's."""
    stated = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return os.environ.get("BOOK_REPOSITORY") or stated["repository"]["url"]


def chapters(root: Path = ROOT) -> list[Path]:
    """The text sources, by name."""
    return sorted((root / "book/chapters").glob("*.md"))


def notebook_of(chapter: Path) -> Path:
    """Where the executed form of a chapter lies."""
    return chapter.parents[2] / "notebooks" / f"{chapter.stem}.ipynb"


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """The cells that carry a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def as_notebook(text: str, address: str, **parameters: str | int) -> NotebookNode:
    """The notebook a chapter's text describes: address and parameters filled in, no outputs.

    Cell ids follow from the cells' text, so an edit changes no other cell's id.
    """
    notebook = jupytext.reads(text, fmt="md:myst")
    for cell in tagged(notebook, "parameters"):
        for name, value in parameters.items():
            wanted = f"{name} = {json.dumps(value)}"
            cell.source = re.sub(rf'^{name} = (".*?"|\d+)', wanted, cell.source, flags=re.M)
    for cell in tagged(notebook, "install"):
        cell.source = cell.source.replace("REPOSITORY", address)
    met: dict[str, int] = {}
    for cell in notebook.cells:
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)  # an empty list says nothing
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        met[digest] = met.get(digest, 0) + 1
        cell.id = f"{digest}-{met[digest]}"
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(display_name="Python 3", language="python", name="python3"),
        language_info=NotebookNode(name="python", file_extension=".py"),
    )
    return notebook


def cells(notebook: NotebookNode) -> list[tuple]:
    """What text and executed notebook have in common, cell by cell."""
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def key(chapter: Path, root: Path = ROOT, **parameters: str | int) -> str:
    """A digest of text, parameters and pins, a hyphen, and one of the stored results it reads."""
    told = repr(sorted((PARAMETERS | parameters).items()))
    parts = []
    for begin, patterns in ((told, TEXT_AND_PINS), ("", RESULTS)):
        digest = hashlib.sha256(begin.encode())
        for pattern in patterns:
            for path in sorted(root.glob(pattern.replace("NAME", chapter.stem))):
                digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
        parts.append(digest.hexdigest()[:32])
    return "-".join(parts)


def published(chapter: Path) -> NotebookNode | None:
    """The executed notebook of a chapter, if there is one."""
    path = notebook_of(chapter)
    return nbformat.read(path, as_version=4) if path.exists() else None


def is_stale(chapter: Path, root: Path = ROOT, **parameters: str | int) -> bool:
    """Whether a chapter has changed since its notebook was made of it."""
    notebook = published(chapter)
    stamp = notebook.metadata.get("attention_book", {}) if notebook else {}
    return stamp.get("key") != key(chapter, root, **parameters)
