"""When to use a mechanism: where the questions of "Which one?" lead to it, and by what."""

from pathlib import Path

from attention_lib.advice.questions import Path as Way
from attention_lib.advice.questions import members, paths
from attention_lib.advice.traits import properties_in_words
from attention_lib.cards.card import Card
from attention_lib.catalog import NETWORKS
from tools.chapters import ROOT
from tools.pages.markdown import sentence


def use_blocks(card: Card, root: Path = ROOT) -> list[str]:
    """What it is for, what that was read off, what lies beside it, and where it is known from."""
    known = [f"{name} ({{cite:t}}`{paper}`)" for name, paper in card.networks]
    end = [f"Networks that are known for it: {', '.join(known)}."] if known else []
    if card.family == NETWORKS:
        return end
    found = [path for path in paths() if card in members(path)]
    blocks = [block for path in found for block in _way(card, path)]
    link = "[Which one?](../../selection.md) asks the same questions, and counts at your size."
    return ["## When to use it", *blocks, *end, link]


def _way(card: Card, path: Way) -> list[str]:
    leaf = path.leaf
    reasons = [answer.why for answer in path.answers if answer.why]
    reasons += properties_in_words(card)
    beside = [
        f"[{other.title}](../{other.family}/{other}.md)" for other in members(path) if other != card
    ]
    reasons += [finding for finding in leaf.finding() if str(card) in finding]
    return [
        f"{sentence(leaf.use)} {leaf.caveat}".strip(),
        "\n".join(f"- {sentence(reason)}" for reason in reasons),
        f"For the same purpose: {', '.join(beside)}." if beside else "",
    ]
