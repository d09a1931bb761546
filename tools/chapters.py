"""A chapter's text as a notebook: the one reading of `book/chapters/*.md` that all tools share.

`python -m tools.new chapter NAME` begins a chapter. In its links and its install cell words in
capitals stand for what differs between a book and its fork: see `addresses`.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode

from attention_lib import __version__
from tools.folds import fold

ROOT = Path(__file__).resolve().parents[1]
PARAMETERS: dict[str, str | int] = {"preset": "ci", "device": "auto", "seed": 0}
ON_A_GPU = ("t4", "big")  # presets that are made for one

# What a notebook's outputs follow from beside the code of its chapter, whose name stands for NAME.
# The library is not in it: its changes are judged by nbval, which runs every cell again.
PINS = ("book/weights.txt", "constraints.txt")
RESULTS = ("book/results/*/NAME-*.json",)  # a chapter reads only those that begin with its name

# The first two code cells of every chapter, word for word. Colab makes a form of the first.
PARAMETERS_CELL = """\
preset = "ci"  # @param ["ci", "laptop", "t4", "big"]
device = "auto"  # @param ["auto", "cpu", "cuda"]
seed = 0  # @param {"type": "integer"}
# @markdown How much to compute, and on what. `t4` and `big` want a GPU; in
# @markdown Colab it is under *Runtime → Change runtime type*.
for given, known in (
    (preset, ["ci", "laptop", "t4", "big"]),
    (device, ["auto", "cpu", "cuda"]),
):
    if given not in known:
        raise ValueError(f"{given!r} is none of {', '.join(known)}")"""
INSTALL_CELL = """\
import re
import subprocess
import sys
from importlib import invalidate_caches, util

why = []
for source in ("SITE/_static/wheels/WHEEL", "git+REPOSITORY"):
    if util.find_spec("attention_lib") is None:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--retries=1"]
        wanted = f"attention-lib[plot] @ {source}"
        done = subprocess.run([*pip, wanted], capture_output=True, text=True)
        said = re.findall("fatal:.*|ERROR:.*|No module.*", done.stderr)
        why += [source, *said[:1]]
        invalidate_caches()
if util.find_spec("attention_lib") is None:
    raise SystemExit(
        "attention_lib could not be installed. Tried were:\\n"
        + "\\n".join(why)
        + "\\nCheck the network and run this cell again; or clone REPOSITORY,"
        "\\ntype  pip install -e '.[plot]'  there, and open its notebook."
    )"""
# The last lines of the third, which imports what the chapter needs.
SETUP_CELL = """\
if device == "auto":
    device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(seed)
torch.set_num_threads(1)  # as in the stored measurements
display.stamp(preset, device)"""

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
:tags: [install]

{INSTALL_CELL}
```

```{{code-cell}} ipython3
:tags: [setup, nbval-ignore-output]

import torch

from attention_lib.teaching import display

{SETUP_CELL}
```
"""
# The parts of a chapter, in order; the second: of one that is no family's.
HEADINGS = (
    "In one minute", "You will be able to", "Why", "What does it cost?", "Does it help?", "Use it",
    "Break it", "Exercises", "Summary",
)  # fmt: skip
EVERYWHERE = ("In one minute", "You will be able to", "Exercises", "Summary")
# The last line above the summary. The site has the questions there; a notebook has none.
QUESTIONS = """\
[Five questions on this chapter](SITE/notebooks/NAME.html#questions) show what you have understood;
each choice is explained."""


def repository(root: Path = ROOT) -> str:
    """The address of the repository: `BOOK_REPOSITORY` if set (a fork's), else _config.yml's."""
    return os.environ.get("BOOK_REPOSITORY") or _stated(root)["repository"]["url"]


def site(root: Path = ROOT) -> str:
    """The address where the book is read: `BOOK_SITE` if set (a fork's), else _config.yml's."""
    return (os.environ.get("BOOK_SITE") or _stated(root)["html"]["baseurl"]).rstrip("/")


def addresses(root: Path = ROOT) -> dict[str, str]:
    """What stands in a notebook for each of the words in capitals that a chapter's text has."""
    wheel = f"attention_lib-{__version__}-py3-none-any.whl"
    return {"REPOSITORY": repository(root), "SITE": site(root), "WHEEL": wheel}


def _stated(root: Path) -> dict:
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def chapters(root: Path = ROOT) -> list[Path]:
    """The text sources, by name."""
    return sorted((root / "book/chapters").glob("*.md"))


def notebook_of(chapter: Path) -> Path:
    """Where the executed form of a chapter lies."""
    return chapter.parents[2] / "notebooks" / f"{chapter.stem}.ipynb"


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """The cells that carry a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def as_notebook(text: str, named: Mapping[str, str], **parameters: str | int) -> NotebookNode:
    """The notebook a chapter's text describes: addresses and parameters filled in, no outputs.

    Cell ids follow from the cells' text, so an edit changes no other cell's id.

    Args:
        text: the chapter.
        named: what its words in capitals stand for, see `addresses`.
        parameters: preset, device, seed.
    """
    notebook = jupytext.reads(text, fmt="md:myst")
    for cell in tagged(notebook, "parameters"):
        for name, value in parameters.items():
            wanted = f"{name} = {json.dumps(value)}"
            cell.source = re.sub(rf'^{name} = (".*?"|\d+)', wanted, cell.source, flags=re.M)
    for cell in tagged(notebook, "install"):
        for word, address in named.items():
            cell.source = cell.source.replace(word, address)
    met: dict[str, int] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "SITE" in named:
            cell.source = cell.source.replace("](SITE/", f"]({named['SITE']}/")
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)  # an empty list says nothing
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        met[digest] = met.get(digest, 0) + 1
        cell.id = f"{digest}-{met[digest]}"
    fold(notebook)
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(display_name="Python 3", language="python", name="python3"),
        language_info=NotebookNode(name="python", file_extension=".py"),
    )
    if parameters.get("preset") in ON_A_GPU:
        notebook.metadata.accelerator = "GPU"  # Colab opens it on such a machine
    return notebook


def cells(notebook: NotebookNode) -> list[tuple]:
    """What text and executed notebook have in common, cell by cell."""
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def key(chapter: Path, root: Path = ROOT, **parameters: str | int) -> str:
    """A digest of code, parameters and pins, a hyphen, and one of the stored results it reads."""
    text = jupytext.reads(chapter.read_text(encoding="utf-8"), fmt="md:myst")
    code = [(cell.source, cell.metadata.get("tags")) for cell in code_cells(text)]
    told = repr((sorted((PARAMETERS | parameters).items()), code))
    parts = []
    for begin, patterns in ((told, PINS), ("", RESULTS)):
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
    """Whether a chapter's outputs may differ from those of its notebook; prose decides none."""
    notebook = published(chapter)
    stamp = notebook.metadata.get("attention_book", {}) if notebook else {}
    return stamp.get("key") != key(chapter, root, **parameters)
