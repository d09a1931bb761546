"""What a notebook keeps of its stored outputs when its chapter has run again.

An output that says the same keeps its bytes.  So does what differs from run to run, clocks,
training and pictures, as long as it still is what the code above it gives: see `keep`.
"""

import json
import re
from itertools import chain, repeat

from nbformat import NotebookNode

from tools.chapters import code_cells
from tools.outputs import canonical

READS = re.compile(r"\bstored\(")  # a cell that reads stored measurements
# The stamp's facts that decide what a clock says, and in the last digits what training gives.
PLACE = ("preset", "machine", "python", "torch")


def shown(cell: NotebookNode) -> list[tuple[str, str]]:
    """What a cell shows, in canonical form: kind and text of each; a figure is only there."""
    found: list[tuple[str, str]] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            before = found.pop()[1] if found and found[-1][0] == output.name else ""
            found.append((output.name, before + output.text))  # it is cut at any place
            continue
        for kind, data in sorted(output.get("data", {}).items()):
            text = data if isinstance(data, str) else json.dumps(data, sort_keys=True)
            found.append((kind, text))
    return [(kind, canonical(text)) for kind, text in found]


def keep(new: NotebookNode, old: NotebookNode, timings: bool = False) -> int:
    """Put stored outputs back into a notebook that has run again, and its stamp if all of them.

    - What says the same in canonical form is kept, wherever it stands.
    - A picture is kept, and any output of a cell tagged `nbval-ignore-output`, while every code
      cell up to there is the same and shows the same.  (The first of them holds the parameters.)
    - Where the stored measurements are others than those that `old` read, nothing below the first
      cell that reads one counts as the same.
    - From another machine or torch, tagged cells are kept all or none: their times, and the line
      that says where they were taken, belong together.

    Args:
        timings: write tagged cells and pictures again.

    Returns:
        How many cells show something else than before.
    """
    stamp, then = (n.metadata.get("attention_book", NotebookNode()) for n in (new, old))
    here, there = ({fact: told.get(fact) for fact in PLACE} for told in (stamp, then))
    given = then.get("key", "").partition("-")[2] == stamp.key.partition("-")[2]
    code, before = code_cells(new), code_cells(old)
    if not then:  # it was written and never run: its empty outputs are none to keep
        before = []
    kept = _kept(code, before, given, timings)
    if there != here and any(_varies(cell) for cell in _changed(code, before, kept)):
        kept = _kept(code, before, given, timings=True)
    changed = _changed(code, before, kept)
    for cell in code:
        if cell.id in kept:
            cell.outputs = kept[cell.id].outputs
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = cell.execution_count
    if not changed and there["preset"] == here["preset"]:
        new.metadata.attention_book = then | {"key": stamp.key}
    return len(changed)


def _kept(
    code: list[NotebookNode], before: list[NotebookNode], given: bool, timings: bool
) -> dict[str, NotebookNode]:
    """The stored cells whose outputs stay, by the id of the cell that gets them."""
    stored, same = {cell.id: cell for cell in before}, True
    kept: dict[str, NotebookNode] = {}
    for cell, there in zip(code, chain(before, repeat(None)), strict=False):
        same = same and there is not None and _same_code(cell, there)
        same = same and (given or not READS.search(cell.source))
        mine = there if same else stored.get(cell.id, there)
        again = same and not timings
        says_so = mine is not None and shown(cell) == shown(mine)
        stays = again if _varies(cell) else says_so and (again or not _is_drawn(cell))
        if mine is not None and stays:
            kept[cell.id] = mine
        else:
            same = False
    return kept


def _changed(
    code: list[NotebookNode], before: list[NotebookNode], kept: dict[str, NotebookNode]
) -> list[NotebookNode]:
    """The cells that show something else than before."""
    stored = {cell.id: cell.outputs for cell in before}
    return [c for c in code if c.id not in kept and (c.outputs or stored.get(c.id))]


def _same_code(cell: NotebookNode, other: NotebookNode) -> bool:
    """Whether two cells do the same; the address in the install cell decides nothing."""
    return cell.source == other.source or ("install" in _tags(cell) and "install" in _tags(other))


def _is_drawn(cell: NotebookNode) -> bool:
    return any("<drawing>" in text for _, text in shown(cell))


def _varies(cell: NotebookNode) -> bool:
    return "nbval-ignore-output" in _tags(cell)


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])
