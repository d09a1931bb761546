"""What the page *Which one?* shows, made from `attention_lib.advice`; see `tools.pages`.

book/api/selection-chart.md     the flow chart, and the same as a list
book/api/selection-costs.md     every answer's mechanisms and what they cost, and the script's data
book/api/selection-uses.md      complexity, use, and known networks

All is computed here. The page's script hides what was not asked for, and puts the sizes that a
reader types into the formulas.
"""

import json
from collections.abc import Callable
from functools import cache
from html import escape

import torch
from sympy import Integer, Symbol
from sympy.printing import jscode

from attention_lib.advice import evidence, questions, ranking
from attention_lib.advice.need import Need
from attention_lib.advice.questions import Answer, Path, Question
from attention_lib.advice.traits import (
    asks_for_rows,
    on_tokens,
    properties_in_words,
    takes_key_mask,
)
from attention_lib.cards.card import Card
from attention_lib.cards.notation import COUNTED
from attention_lib.catalog import catalog
from attention_lib.measure.sizes import sizes_named
from attention_lib.measure.trace import trace_fake
from tools.flowchart import flowchart
from tools.pages.experiments import anchor, trained

# The page's script takes no larger sizes: its formulas were tried up to these
MOST = {"side": 1024, "tokens": 2**20, "batch": 1024}
WIDTHS = (8, 16, 24, 32, 48, 64, 80, 96, 100, 112, 128, 160, 192, 200, 224, 256, 288, 300, 320,
          384, 400, 448, 480, 500, 512, 576, 640, 768, 960, 1000, 1024, 1280, 1536, 2048, 3072,
          4096)  # fmt: skip
AXES = ("batch", "tokens", "height", "width")
# What the table shows before a reader types anything
FIRST = {
    "maps": Need("maps", 256, height=56, width=56),
    "tokens": Need("tokens", 256, tokens=1024),
}


# ---- the precomputed table -------------------------------------------------------------------


@cache
def rules(card: Card, causal: bool) -> dict[str, object]:
    """Its formulas in the sizes and in words that follow from the width; these at every width."""
    sized = {width: at_width(card, width, causal) for width in WIDTHS}
    accepted = {width: found for width, found in sized.items() if isinstance(found, Card)}
    words = {width: found.words() for width, found in accepted.items()}
    first, *others = words.values()
    same = {w for w, n in first.items() if all(other.get(w) == n for other in others)} - {*AXES}
    formulas, varying = {}, set[str]()
    for kind in COUNTED:
        formula = card.expression(kind) * (1 if kind == "params" else Symbol("batch"))
        numbers = {Symbol(w): Integer(int(first[w])) for w in same if isinstance(first[w], int)}
        formula = formula.subs(numbers).doit()
        formula = formula.replace(
            lambda part: part.is_Indexed,
            lambda part: Integer(first[str(part.base)][int(part.indices[0])]),
        )
        formulas[kind] = jscode(formula)
        varying |= {str(symbol) for symbol in formula.free_symbols} - {*AXES}
    at = {
        width: {"words": [int(words[width][w]) for w in sorted(varying)]}
        | ({"changed": told} if (told := ranking.changed(found)) else {})
        if isinstance(found, Card)
        else {"refused": found}
        for width, found in sized.items()
    }
    return {**formulas, "words": sorted(varying), "at": at, "side": widest(card)}


def at_width(card: Card, width: int, causal: bool) -> Card | str:
    """The card at a width, or why it cannot have it."""
    height = None if on_tokens(card) and not asks_for_rows(card) else 8
    need = Need(card.layout, width, tokens=64, height=height, width=height, causal=causal)
    try:
        return ranking.at_size(card, need)
    except ValueError as error:
        return str(error).removeprefix(f"{card}: ")


@cache
def widest(card: Card) -> int | None:
    """The greatest side of a square map that it takes; None if it takes the largest we try."""

    def fits(side: int) -> bool:
        sized = ranking.at_size(card, Need(card.layout, 256, height=side, width=side))
        try:
            with sizes_named(sized), torch.device("meta"):
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


def asked(question: Question) -> dict[str, object]:
    """A question, its answers, and what is asked next."""
    answers = [
        {"slug": a.slug, "label": a.label}
        | ({"then": asked(a.then)} if isinstance(a.then, Question) else {})
        for a in question.answers
    ]
    return {"text": question.text, "answers": answers}


def data() -> dict[str, object]:
    """All that the script knows."""
    ways = [(card, "causal" in path.slugs) for path, cards in answered() for card in cards]
    return {
        "most": MOST,
        "first": FIRST["maps"].features,
        "widths": WIDTHS,
        "question": asked(questions.TREE),
        "mechanisms": {key(card, causal): rules(card, causal) for card, causal in ways},
    }


def answered() -> list[tuple[Path, list[Card]]]:
    return [(path, questions.members(path)) for path in questions.paths()]


def key(card: Card, causal: bool) -> str:
    return f"{card}, causal" if causal else str(card)


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


def costs_page() -> str:
    """The table, and what the script reads."""
    text = json.dumps(data(), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    heads = "".join(f'<th scope="col">{name.capitalize()}</th>' for name in COUNTED.values())
    bodies = "\n".join(body(path, cards) for path, cards in answered())
    return "\n".join(
        [
            "```{raw} html",
            '<div id="selection"></div>',
            '<div class="pst-scrollable-table-container">',
            '<table class="table ranking sortable stack" data-sort="within">',
            f'<thead><tr><th scope="col">Mechanism</th>{heads}</tr></thead>',
            bodies,
            "</table></div>",
            f'<script type="application/json" id="selection-data">{text}</script>',
            '<script src="../_static/select.js" defer></script>',
            "```",
            "",
        ]
    )


def body(path: Path, cards: list[Card]) -> str:
    """What one way through the questions leads to, with the reasons in rows of their own."""
    leaf, wide = path.leaf, len(COUNTED) + 1
    said = [line for line in (path.why, leaf.caveat, *leaf.finding()) if line]
    why = " ".join(f"<span>{escape(sentence(line))}</span>" for line in said)
    lines = [
        f'<tbody data-path="{" ".join(path.slugs)}">',
        f'<tr class="heading"><th colspan="{wide}" scope="rowgroup">{escape(sentence(leaf.use))}'
        "</th></tr>",
        f'<tr class="why"><td colspan="{wide}">{why}</td></tr>',
        *(row(path, card) for card in cards),
        "</tbody>",
    ]
    return "\n".join(lines)


def row(path: Path, card: Card) -> str:
    """A mechanism and its costs at the first size, then what else there is to say of it."""
    layout, causal = path.slugs[0], "causal" in path.slugs
    page = f"api/{card.family}/{card}.html"
    need = FIRST[layout]
    if asks_for_rows(card):
        cells = f'<td colspan="{len(COUNTED)}">{ROWS}</td>'
    else:
        sized = ranking.at_size(card, Need(**vars(need) | {"causal": causal}))
        counts = ranking.counted_at(sized, need)
        cells = "".join(f'<td data-value="{counts[k]}">{shown(counts[k])}</td>' for k in COUNTED)
    notes = [escape(sentence(note)) for note in properties_in_words(card)]
    if stored := evidence.experiments_with(str(card)):
        notes.append(f"In stored experiments: {', '.join(map(experiment, stored))}.")
    told = f'<tr class="why"><td colspan="{len(COUNTED) + 1}">{" ".join(notes)}</td></tr>'
    marks = " ".join(
        f'data-{name}="1"'
        for name, holds in (("padding", takes_key_mask(card)), ("rows", asks_for_rows(card)))
        if holds
    )
    return (
        f'<tr data-key="{key(card, causal)}" {marks}><th scope="row"><a href="{page}">'
        f'{escape(card.title)}</a><span class="changed"></span></th>{cells}</tr>'
        + (f"\n{told}" if notes else "")
    )


def experiment(name: str) -> str:
    """The name of a stored experiment; a link where the page has its table."""
    return f'<a href="#{anchor(name)}">{name}</a>' if name in trained() else name


ROWS = "its tokens are the pixels of a map: tick “pixels” and give height and width"


def shown(count: int) -> str:
    return f"{count:,}" if count else "none"


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def uses_page(table: Callable, growth: Callable) -> str:
    """Complexity, use and known networks of every mechanism."""
    rows = []
    for card in catalog():
        paths = [path for path, cards in answered() if card in cards]
        known = [f"{model}: {{cite:t}}`{key}`" for model, key in card.networks]
        macs = growth(card, "macs")
        if macs == "none":
            macs = f"none; touches {growth(card, 'touched')}"
        use = "\n\n".join(path.leaf.use for path in paths)
        rows.append(
            [link(card), macs, growth(card, "params"), use, "\n\n".join(known) or "none found"]
        )
    heads = ["Mechanism", "Multiply-adds", "Parameters", "Use", "Typical model"]
    return table(heads, rows, "uses") + "\n"


def parts(table: Callable, growth: Callable) -> dict[str, str]:
    """The generated parts of the page, by file name under book/api."""
    return {
        "selection-chart.md": chart_page(),
        "selection-costs.md": costs_page(),
        "selection-uses.md": uses_page(table, growth),
    }
