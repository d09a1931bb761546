"""What the page *Which one?* shows, made from `attention_lib.advice`; see `tools.pages`.

book/api/selection-chart.md     the flow chart, and the same as a list
book/api/selection-form.md      the data of the page's script
book/api/selection-sizes.md     rankings at a few sizes, complete without the script
book/api/selection-table.md     complexity, use, and known networks
"""

import json
from collections.abc import Callable
from functools import cache
from html import escape
from itertools import pairwise
from math import gcd
from typing import Any

import sympy
import torch
from sympy import Integer, Max, Piecewise, Symbol, floor
from sympy.printing import jscode

from attention_lib.advice import evidence, questions, ranking
from attention_lib.advice.need import BYTES, Need
from attention_lib.advice.questions import Answer, Path, Question
from attention_lib.advice.ranking import Advice
from attention_lib.advice.traits import (
    asks_for_rows,
    can_be_causal,
    on_tokens,
    properties_in_words,
    takes_key_mask,
)
from attention_lib.cards.card import COSTS, Card
from attention_lib.catalog import catalog, find
from attention_lib.cli.tables import with_unit
from attention_lib.measure.trace import trace_fake
from tools.flowchart import flowchart
from tools.stale import outdated

# The page's script takes no larger sizes: its rules were tried up to these
MOST = {"features": 4096, "side": 1024, "tokens": 2**20, "batch": 1024}
WIDTHS = (*range(1, 10), 12, 16, 20, 24, 28, 30, 32, 33, 36, 40, 48, 63, 64, 80, 96, 100, 112,
          120, 127, 128, 129, 160, 192, 200, 240, 256, 384, 512, 640, 768, 1000, 1024, 2048,
          4096)  # fmt: skip
AXES = ("batch", "tokens", "height", "width")
STATIC = (
    Need("tokens", 512, tokens=196),
    Need("tokens", 512, tokens=1024),
    Need("tokens", 512, tokens=16384),
    Need("tokens", 512, tokens=1024, causal=True),
    Need("maps", 256, height=56, width=56),
    Need("maps", 1024, height=14, width=14),
)


# ---- rules for the script --------------------------------------------------------------------


def need_of(card: Card, features: int, side: int = 8) -> Need:
    return Need(card.layout, features, height=side, width=side)


def words_at(card: Card, features: int) -> dict[str, Any] | None:
    """The words of its formulas at a width; None if it cannot have that width."""
    try:
        return ranking.at_size(card, need_of(card, features)).words()
    except ValueError:
        return None


def divisor(card: Card, accepted: set[int]) -> tuple[int, int]:
    """(m, n): it accepts the multiples of m from n on.

    Raises:
        ValueError: if that is not the rule.
    """
    rule = gcd(*accepted), min(accepted)
    told = {width for width in WIDTHS if width % rule[0] == 0 and width >= rule[1]}
    if told != accepted:
        raise ValueError(
            f"{card} accepts {sorted(accepted)}, which are not the multiples of {rule}"
        )
    return rule


def as_formula(points: dict[int, int], at: Callable[[int], int]) -> sympy.Expr:
    """A word that depends on the width c: a constant, max(floor(c / a), b), or steps."""
    if len(set(points.values())) == 1:
        return Integer(next(iter(points.values())))
    width, least = Symbol("features"), min(points.values())
    for part in range(1, 257):
        if all(value == c // part for c, value in points.items()):
            return floor(width / part)
        if all(value == max(c // part, least) for c, value in points.items()):
            return Max(floor(width / part), least)
    steps, widths = [], sorted(points)
    for low, high in pairwise(widths):
        start = low
        while at(start) != points[high]:  # between two widths it may step more than once
            value, below, above = at(start), start, high
            while above - below > 1:
                middle = (below + above) // 2
                below, above = (middle, above) if at(middle) == value else (below, middle)
            steps.append((Integer(value), width < above))
            start = above
    if len(steps) > 16:
        raise ValueError(f"no rule for a word that takes {len(set(points.values()))} values")
    return Piecewise(*steps, (Integer(points[widths[-1]]), True))


@cache
def rules(name: str) -> dict[str, object]:
    """What the script must know of a mechanism: its formulas in the sizes alone, and its limits."""
    card = find(name)
    found = {width: words_at(card, width) for width in WIDTHS}
    accepted = {width: words for width, words in found.items() if words}
    multiple, least = divisor(card, set(accepted))
    typical = next(w for w in (256, *sorted(accepted, reverse=True)) if w in accepted)

    def at(word: str) -> Callable[[int], int]:
        @cache
        def number(width: int) -> int:
            words = words_at(card, -(-width // multiple) * multiple)
            if words is None:
                raise ValueError(f"{card} refuses a width between {width} and the next it accepts")
            return words[word]

        return number

    held, formulas = accepted[typical], {}
    for kind in COSTS:
        formula = card.expression(kind)
        numbers = {Symbol("channels"): Symbol("features"), Symbol("dim"): Symbol("features")}
        for symbol in formula.free_symbols - numbers.keys() - set(map(Symbol, AXES)):
            if isinstance(held.get(str(symbol)), int):  # a product with zero may lack its word
                points = {width: words[str(symbol)] for width, words in accepted.items()}
                numbers[symbol] = as_formula(points, at(str(symbol)))
        formula = formula.subs(numbers).doit()
        formula = formula.replace(sympy.Indexed, lambda base, i: Integer(held[str(base)][int(i)]))
        if unknown := formula.free_symbols - set(map(Symbol, (*AXES, "features"))):
            raise ValueError(f"{card}: {kind} still holds {unknown}")
        formulas[kind] = jscode(formula)
    side = widest(card, typical)
    return {**formulas, "multiple": multiple, "least": least, "side": side}


def widest(card: Card, features: int) -> int | None:
    """The greatest side of a square map that it takes; None if it takes the largest we try."""

    def fits(side: int) -> bool:
        try:
            sized = ranking.at_size(card, need_of(card, features, side))
            with torch.device("meta"):
                trace_fake(sized.build(), *sized.inputs())
        except ValueError:
            return False
        return True

    if on_tokens(card) or fits(MOST["side"]):
        return None
    low, high = 1, MOST["side"]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def data() -> dict[str, object]:
    """All that the script knows."""
    ways = list(questions.paths())
    inside = [{str(card) for card in questions.members(path)} for path in ways]
    measured: dict[str, list] = {}
    for m in evidence.measurements():
        measured.setdefault(m.mechanism, []).append(
            [m.group, m.machine, int(m.backward), m.batch, m.features, m.height, m.width, m.seconds]
        )
    mechanisms = []
    for card in catalog():
        name = str(card)
        notes = properties_in_words(card)
        mechanisms.append(
            {
                "name": name,
                "title": card.title,
                "page": f"api/{card.family}/{name}.html",
                "layout": card.layout,
                "paths": [number for number, names in enumerate(inside) if name in names],
                "padding": takes_key_mask(card),
                "rows": asks_for_rows(card),
                "notes": notes,
                "trained": evidence.experiments_with(name),
                "measured": measured.get(name, []),
                **rules(name),
                "causal": can_be_causal(card),
            }
        )
    told = [
        {
            "slugs": path.slugs,
            "use": path.leaf.use,
            "why": path.why,
            "caveat": path.leaf.caveat,
            "findings": path.leaf.finding(),
        }
        for path in ways
    ]
    return {
        "most": MOST,
        "bytes": BYTES,
        "uncounted": ranking.UNCOUNTED,
        "tasks": {layout: questions.tasks(layout) for layout in ("tokens", "maps")},
        "paths": told,
        "mechanisms": mechanisms,
    }


# ---- the parts of the page -----------------------------------------------------------------------


def link(card: Card) -> str:
    return f"[{card.title}](api/{card.family}/{card}.md)"


def numbered(question: Question) -> list[tuple[Question, tuple[Answer, ...]]]:
    """The questions in the order of the drawing, each with the answers that lead to it."""
    found = list[tuple[Question, tuple[Answer, ...]]]()
    waiting: list[tuple[Question, tuple[Answer, ...]]] = [(question, ())]
    while waiting:
        asked, way = waiting.pop(0)
        found.append((asked, way))
        after = [(a.then, (*way, a)) for a in asked.answers if isinstance(a.then, Question)]
        waiting = after + waiting
    return found


def as_list() -> str:
    """The same questions in words, numbered, since a list in lists would be too deep to read."""
    found = numbered(questions.TREE)
    numbers = {id(question): number for number, (question, _) in enumerate(found, 1)}
    lines = []
    for question, way in found:
        lines.append(f"{numbers[id(question)]}. **{question.text}**")
        for answer in question.answers:
            why = f" ({answer.why})" if answer.why else ""
            if isinstance(answer.then, Question):
                lines.append(
                    f"   - {answer.label}{why}: go to question {numbers[id(answer.then)]}."
                )
                continue
            leaf, cards = answer.then, questions.members(Path((*way, answer)))
            lines.append(f"   - {answer.label}{why}: {leaf.use}: {', '.join(map(link, cards))}.")
            told = (
                leaf.caveat,
                *leaf.finding(),
                *ranking.experiments_of([str(c) for c in cards]),
            )
            lines += [f"     - {line}" for line in told if line]
    return "\n".join(lines)


def chart_page() -> str:
    ends = list(questions.paths())
    described = (
        f"A tree of questions in one column, from “{questions.TREE.text}” to {len(ends)} groups of"
        " mechanisms. The list below the drawing says the same in words."
    )
    drawn = flowchart(questions.TREE, "Which attention mechanism?", described)
    return (
        "\n\n".join(
            [
                f"```{{raw}} html\n{drawn}\n```",
                "<details>\n<summary>The same as a list, with what each answer rests on</summary>",
                as_list(),
                "</details>",
            ]
        )
        + "\n"
    )


def form_page() -> str:
    """Where the script builds its form, and what it reads."""
    text = json.dumps(data(), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return "\n".join(
        [
            "```{raw} html",
            '<div id="selection"><noscript><p>The form needs JavaScript. The tables below need'
            " none.</p></noscript></div>",
            f'<script type="application/json" id="selection-data">{text}</script>',
            '<script src="../_static/select.js" defer></script>',
            "```",
            "",
        ]
    )


def sizes_page(table: Callable) -> str:
    """Rankings at a few sizes."""
    blocks = []
    for need in STATIC:
        advice = ranking.recommend(need)
        kind = "causal, " if need.causal else ""
        rows = [
            [
                link(choice.card),
                f"{choice.macs:,}" if choice.macs else "0: none counted",
                f"{choice.params:,}",
                with_unit(choice.bytes, "B"),
                clock(choice),
                choice.path.leaf.use,
            ]
            for choice in advice.choices
        ]
        heads = ["Mechanism", "Multiply-adds", "Parameters", "Largest tensor", "Measured", "Why"]
        title = (
            f"{need.places:,} tokens"
            if need.layout == "tokens"
            else f"{need.height} × {need.width}"
        )
        unit = "features" if need.layout == "tokens" else "channels"
        blocks += [
            f"### {title}, {kind}{need.features:,} {unit}",
            f"<details>\n<summary>{len(rows)} mechanisms</summary>",
            table(heads, rows, "ranking"),
            left_out(advice),
            "</details>",
        ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def left_out(advice: Advice) -> str:
    told: dict[str, list[str]] = {}
    for card, reason in advice.left_out:
        if card.layout == advice.need.layout:
            told.setdefault(reason, []).append(card.title)
    sentences = [f"{', '.join(names)} ({reason})" for reason, names in told.items()]
    return f"Left out: {'; '.join(sentences)}." if sentences else ""


def clock(choice: ranking.Choice) -> str:
    if not choice.measured:
        return "not measured"
    return f"{with_unit(choice.measured.seconds, 's')} at {choice.measured.where}"


def machines() -> str:
    """The machines that the stored times come from, in a sentence."""
    found = sorted({m.machine for m in evidence.measurements()})
    older = {name for path, names in outdated().items() if "-bench." in path for name in names}
    since = f" Measured on older code: {', '.join(sorted(older))}." if older else ""
    return f"The stored times come from: {escape('; '.join(found))}.{since}"


def table_page(table: Callable, growth: Callable) -> str:
    """Complexity, use and known networks of every mechanism."""
    rows = []
    for card in catalog():
        paths = [path for path in questions.paths() if card in questions.members(path)]
        known = [f"{model}: {{cite:t}}`{key}`" for model, key in card.networks]
        rows.append(
            [
                f"{link(card)}\n\n{card.summary}",
                growth(card, "macs"),
                growth(card, "params"),
                "\n\n".join(path.leaf.use for path in paths),
                "\n\n".join(known) or "none found",
            ]
        )
    heads = ["Mechanism", "Multiply-adds", "Parameters", "Use", "Typical model"]
    return table(heads, rows, "uses") + "\n"


def parts(table: Callable, growth: Callable) -> dict[str, str]:
    """The generated parts of the page, by file name under book/api."""
    return {
        "selection-chart.md": chart_page(),
        "selection-form.md": form_page(),
        "selection-sizes.md": sizes_page(table) + "\n" + machines() + "\n",
        "selection-table.md": table_page(table, growth),
    }
