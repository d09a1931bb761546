"""Show what the library knows on a page: a card, a source, a table.  Chapters call nothing else.

Each function returns an object that notebooks render as Markdown and terminals print as text, so
the site, Colab and a plain console show the same facts.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from textwrap import dedent
from typing import Any

from torch import nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.notation import COUNTED
from attention_lib.catalog import NETWORKS, catalog, find
from attention_lib.measure.order import big_o
from attention_lib.measure.sizes import realistic
from attention_lib.teaching.diagrams import Diagram, Overview


class Page(str):
    """Markdown that shows itself: rendered in a notebook, as it is elsewhere."""

    def _repr_markdown_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


class Illustrated(Page):
    """Markdown with a drawing, which a notebook shows above it."""

    drawing: Diagram | Overview | None = None

    def _ipython_display_(self) -> None:
        from builtins import display  # type: ignore[attr-defined]  # IPython puts it there

        if self.drawing:
            display(self.drawing)
        display(Page(self))


def card(thing: str | type[nn.Module] | nn.Module | Card, **sizes: int) -> Illustrated:
    """What a mechanism, by name or what else `find` takes, says of itself.

    Its costs are worked out for `sizes`, if there are any, and grow as there.  What these do not
    name has the paper's value.

    >>> display.card("se", channels=256, height=56, width=56)
    """
    found = find(thing)
    at = ", ".join(f"{word} = {size:,}" for word, size in sizes.items())
    rows = []
    for kind, title in COUNTED.items():
        if not getattr(found, kind):  # a network's costs are counted, not declared
            continue
        grown = big_o(found, kind, **sizes)
        row = {"cost": title, "grows as": f"${grown}$" if grown else "none counted"}
        if sizes:
            row[f"at {at}"] = f"{realistic(found, **sizes).cost(kind):,}"
        rows.append(row)
    shapes = [f"{n} ({', '.join(axes)})" for n, axes in found.shapes.items() if n != "return"]
    lines = [
        f"**{found.title}**, `{found}` ({', '.join(f'`{alias}`' for alias in found.aliases)}). "
        f"{found.summary}",
        "",
        *([table(rows), ""] if rows else []),
        f"- Takes {'; '.join(shapes)}; gives ({', '.join(found.shapes['return'])}).",
        *(f"- Measured, and holds: {_named(kept)}." for kept in [_kept(found)] if kept),
        *(f"- Measured, and does not hold: {_named(no)}." for no in [_missed(found)] if no),
        f"- Evidence: {evidence(found)}.",
        f"- {found.source.capitalize()}: {citation(found.paper)}.",
    ]
    page = Illustrated("\n".join(lines))
    page.drawing = Diagram(found) if found.flow else None
    return page


def stamp(preset: str, device: str) -> Page:
    """With what a page was made: preset, machine, versions, date.

    Raises:
        ValueError: if there is no such preset, or no such device here.
    """
    from attention_lib.measure.store import check_device, provenance
    from attention_lib.teaching.train import PRESETS

    if preset not in PRESETS:
        raise ValueError(f"no preset {preset!r}; there are {', '.join(PRESETS)}")
    check_device(device)
    made = provenance(device)
    machine = made.get("gpu") or f"{made['processor']}, {made['threads']} of {made['cores']} cores"
    return Page(
        f"preset `{preset}` on {machine}; Python {made['python']}, torch {made['torch']}; "
        f"{str(made['date'])[:10]}"
    )


def family(name: str) -> Illustrated:
    """A family's mechanisms: their diagrams in a row, and a table, made from their cards."""
    rows = [
        {
            "mechanism": f"{found.title}",
            "class": f"`{found}`",
            "paper": citation(found.paper, short=True),
            "what it does": found.summary,
        }
        for found in catalog(name)
    ]
    page = Illustrated(table(rows))
    page.drawing = Overview([found for found in catalog(name) if found.flow])
    return page


def source(thing: Callable) -> Page:
    """The library's own source of a class, method or function, quoted from its file."""
    return Page(f"```python\n{dedent(inspect.getsource(inspect.unwrap(thing))).rstrip()}\n```")


def table(rows: Sequence[Mapping[str, object]]) -> Page:
    """Rows of equal keys as a table; numbers align to the right."""
    if not rows:
        raise ValueError("a table needs at least one row")
    names = list(rows[0])
    numeric = [all(isinstance(row[n], int | float) for row in rows) for n in names]
    lines = [names, [("---:" if right else ":---") for right in numeric]]
    lines += [[_cell(row[name]) for name in names] for row in rows]
    return Page("\n".join(f"| {' | '.join(line)} |" for line in lines))


def numbers(values: Any, digits: int = 3) -> str:
    """Numbers as text whose layout no last digit can change.

    Every float has the same count of decimals and zero has no sign. torch and numpy choose both by
    the values, so that a rounding error of another processor changes how a whole tensor looks.

    Args:
        values: a number, a tensor, an array, or a list or tuple of these, nested to any depth.
        digits: decimals of every float; 0 shows floats that are whole as such.

    Raises:
        TypeError: if something among the values is no real number.

    >>> numbers(torch.tensor([[1.0, -1e-9], [0.25, 10.0]]))
    '[[1.000, 0.000], [0.250, 10.000]]'
    """
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, list | tuple):
        return f"[{', '.join(numbers(value, digits) for value in values)}]"
    if isinstance(values, int):  # True and False among them
        return str(values)
    if isinstance(values, float):
        return f"{values:z.{digits}f}"
    raise TypeError(f"numbers() shows real numbers, got {type(values).__name__}: {values!r}")


def citation(key: str, short: bool = False) -> str:
    """Authors, title, year and a link for a key of book/references.bib, as Markdown."""
    entry = reference(key, _bibliography())
    people = entry["author"].split(" and ")
    first = people[0].partition(",")[0]
    who = first if len(people) == 1 else f"{first} et al."
    arxiv = entry.get("eprint")
    link = f"https://arxiv.org/abs/{arxiv}" if arxiv else entry["url"]
    if short:
        return f"[{who} {entry['year']}]({link})"
    return f"{who}, [{entry['title']}]({link}), {entry['year']}"


def reference(key: str, entries: Mapping[str, Any]) -> Any:
    """The entry of a key, of those given.

    Raises:
        ValueError: if there is none.
    """
    if key not in entries:
        raise ValueError(f"no paper {key!r}: add it to book/references.bib")
    return entries[key]


def evidence(found: Card) -> str:
    """By what a mechanism or a network is proven, in words."""
    if found.family == NETWORKS:
        theirs = _named(f"`{name}`" for name in found.oracles)
        return f"the weights of {theirs}, under our names, give the same logits and gradients"
    loops = f"equal to a reference in loops, written from the {found.source}"
    if found.proven_by != "independent package":
        loops += " by somebody else than the class"
    others = _named(f"`{name}`" for name in found.oracles)
    weak = " (a related package, weak evidence)" if found.proven_by == "related package" else ""
    return f"{loops}, and to {others}{weak}" if others else loops


def _kept(found: Card) -> list[str]:
    return [_word(p) for p in properties.applicable(found) if p in (found.properties or ())]


def _missed(found: Card) -> list[str]:
    if found.properties is None:  # nothing is claimed
        return []
    return [_word(p) for p in properties.applicable(found) if p not in found.properties]


def _word(function: Callable) -> str:
    return function.__name__.replace("_", " ")


def _named(words: Iterable[str]) -> str:
    return ", ".join(words)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:z.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", r"\|")


def _bibliography() -> dict[str, dict[str, str]]:
    """The entries of references.bib: in the wheel beside this file, in a checkout under book/."""
    packaged = Path(str(files("attention_lib"))) / "references.bib"
    checkout = Path(__file__).parents[2] / "book" / "references.bib"
    text = (packaged if packaged.exists() else checkout).read_text(encoding="utf-8")
    entries = {}
    for key, body in re.findall(r"^@\w+\{([^,]+),\n(.*?)^\}", text, flags=re.M | re.S):
        fields = re.findall(r"^\s*(\w+)\s*=\s*\{((?:[^{}]|\{[^{}]*\})*)\}", body, flags=re.M)
        entries[key] = {name: re.sub(r"[{}]|\\L", "", " ".join(v.split())) for name, v in fields}
    return entries
