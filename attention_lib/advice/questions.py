"""The questions, and the mechanisms that each answer lets through.

A mechanism finds its own way: each answer is a test of its signature, of its cost formula, or of
what it does to a map.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from attention_lib.advice.evidence import experiment
from attention_lib.advice.traits import (
    SIDE,
    can_be_causal,
    gives_a_map,
    is_a_gate,
    is_between,
    is_flat,
    is_square,
    on_maps,
    on_tokens,
    reads_far,
)
from attention_lib.cards.card import Card
from attention_lib.catalog import catalog


@dataclass(frozen=True)
class Leaf:
    """Where the questions end."""

    use: str  # what its mechanisms are for, in one line
    finding: Callable[[], list[str]] = list  # what stored experiments say, in sentences
    caveat: str = ""  # what the counted costs do not say here


@dataclass(frozen=True)
class Answer:
    """One way on from a question, and the test by which a mechanism takes it."""

    slug: str
    label: str
    holds: Callable[[Card], bool]
    why: str  # what the test found, beginning with "signature", "measured" or "counted"
    then: "Question | Leaf"


@dataclass(frozen=True)
class Question:
    text: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Path:
    """The answers that lead to a leaf."""

    answers: tuple[Answer, ...]

    @property
    def slugs(self) -> tuple[str, ...]:
        return tuple(answer.slug for answer in self.answers)

    @property
    def leaf(self) -> Leaf:
        end = self.answers[-1].then
        assert isinstance(end, Leaf), f"{self.slugs} ends in a question"
        return end

    @property
    def why(self) -> str:
        """What puts a mechanism here, without the layout, which was asked for."""
        return "; ".join(answer.why for answer in self.answers[1:] if answer.why)


def _not(test: Callable[[Card], bool]) -> Callable[[Card], bool]:
    return lambda card: not test(card)


def _findings(*plugs: str, tasks: Sequence[str]) -> Callable[[], list[str]]:
    return lambda: [sentence for task in tasks for sentence in experiment(task, plugs)]


GATES = ("SqueezeExcitation", "EfficientChannelAttention")
BRANCHES = tuple(
    name
    for plug in ("SelectiveKernel", "PyramidSplitAttention")
    for name in (plug, f"{plug}, equal weights")
)
PAIRS = Question(
    "Is every pair of tokens to be compared?",
    (
        Answer(
            "pairs",
            "Yes: the cost grows as the square of the tokens",
            is_square,
            "counted: multiply-adds grow as the square of the tokens",
            Leaf(
                "each token gathers from all others by comparing itself with them",
                caveat="Twice the tokens, four times the multiply-adds: count before choosing.",
            ),
        ),
        Answer(
            "linear",
            "No: the cost grows as the tokens",
            _not(is_square),
            "counted: multiply-adds grow as the tokens",
            Leaf("tokens meet in a summary of fixed size, not in pairs"),
        ),
    ),
)
FAR = Question(
    "How may the cost grow with the map?",
    (
        Answer(
            "area",
            "As its pixels",
            lambda card: not is_square(card) and not is_between(card),
            "counted: multiply-adds grow no faster than the pixels",
            Leaf("each place reads the whole map through a summary, or through frequencies"),
        ),
        Answer(
            "side",
            "As its pixels times its side",
            is_between,
            "counted: multiply-adds grow as the pixels times the side",
            Leaf("each place reads its row and its column, and through them the map"),
        ),
        Answer(
            "square",
            "As the square of its pixels",
            is_square,
            "counted: multiply-adds grow as the square of the pixels",
            Leaf(
                "each place compares itself with the whole map, or with a share of it",
                caveat="Twice the side, sixteen times the multiply-adds, once these terms lead.",
            ),
        ),
    ),
)
REACH = Question(
    "From how far?",
    (
        Answer(
            "near",
            "From around it",
            _not(reads_far),
            f"measured: content travels less than half of a map of {SIDE} × {SIDE}",
            Leaf(
                "takes the place of a convolution: each place mixes what lies around it",
                _findings("none", *BRANCHES, tasks=("channel cue",)),
                "With its default window; a larger one reaches further.",
            ),
        ),
        Answer(
            "far",
            "From all over the map",
            reads_far,
            f"measured: content crosses a map of {SIDE} × {SIDE} in one pass",
            FAR,
        ),
    ),
)
FACTOR = Question(
    "Is the factor to differ from place to place?",
    (
        Answer(
            "channels",
            "No: one factor a channel",
            is_flat,
            "measured: one factor a channel, the same at every place",
            Leaf(
                "a gate after a convolution: turns whole channels up or down",
                _findings("none", *GATES, tasks=("channel cue", "row and column", "local marker")),
            ),
        ),
        Answer(
            "places",
            "Yes",
            _not(is_flat),
            "measured: its factor differs from place to place",
            Leaf("a gate after a convolution: turns places up or down, most of them channels too"),
        ),
    ),
)
CONTENT = Question(
    "What is to be done with each number?",
    (
        Answer(
            "gate",
            "Turn it up or down: a gate",
            is_a_gate,
            "measured: a gate, no place receives content from another",
            FACTOR,
        ),
        Answer(
            "mix",
            "Mix in what other places hold",
            _not(is_a_gate),
            "measured: a place receives content from others",
            REACH,
        ),
    ),
)
OUTPUT = Question(
    "What is to come out?",
    (
        Answer(
            "scores",
            "A score for each class",
            _not(gives_a_map),
            "signature: gives scores, not a map",
            Leaf("the head of a classifier with several labels to a picture"),
        ),
        Answer("map", "A map again", gives_a_map, "", CONTENT),
    ),
)
ORDER = Question(
    "May a token look at those after it?",
    (
        Answer(
            "causal",
            "No: an order is kept",
            can_be_causal,
            "signature: has causal=True; measured: a later token then changes no earlier answer",
            Leaf(
                "sequences that are written one token at a time",
                caveat="With causal=True, which these costs are counted with.",
            ),
        ),
        Answer("both", "Yes", lambda card: True, "", PAIRS),
    ),
)
TREE = Question(
    "What comes in?",
    (
        Answer("tokens", "Tokens: a sequence", on_tokens, "signature: works on tokens", ORDER),
        Answer("maps", "A map: an image", on_maps, "signature: works on maps", OUTPUT),
    ),
)


def paths(node: Question = TREE, before: tuple[Answer, ...] = ()) -> Iterator[Path]:
    """Every way from the first question to a leaf, in reading order."""
    for answer in node.answers:
        way = (*before, answer)
        if isinstance(answer.then, Leaf):
            yield Path(way)
        else:
            yield from paths(answer.then, way)


def members(path: Path) -> list[Card]:
    """The mechanisms that all answers of a path let through."""
    return [card for card in catalog() if all(answer.holds(card) for answer in path.answers)]


def tasks(layout: str) -> dict[str, str]:
    """What `Need.task` may be on this layout, and what it means."""
    found = {a.slug: a.label for p in paths() if p.slugs[0] == layout for a in p.answers[1:]}
    return {slug: label for slug, label in found.items() if slug not in ("map", "both", "causal")}
