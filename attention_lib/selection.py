"""Which one?  The questions, what each answer rests on, and a ranking by counted cost.

    advice = recommend(Need("maps", features=256, height=56, width=56))
    print(advice.choices[0].name, advice.choices[0].macs)

A mechanism finds its own way through the questions: each answer is a test of its signature, of its
cost formula, or of what it does to a map, so a new mechanism needs no entry here.  Costs are
counted and times were measured; which of two mechanisms learns better is said only where a stored
experiment shows it.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import torch

from attention_lib import bench, properties
from attention_lib.card import COSTS, Card
from attention_lib.catalog import FAMILIES, catalog, find
from attention_lib.checks import randomize
from attention_lib.cost import run_without_numbers

SIDE = 33  # pixels of the square map on which it is measured how far content travels
SOLVED = 0.95  # accuracy from which the channel chapter calls a task solved
BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
UNCOUNTED = "nothing that it does is counted: means, softmax, Fourier transforms are not"
ORDERS = ("macs", "params", "memory", "time")
SIZE = ("layout", "features", "tokens", "height", "width", "batch", "causal")  # of a need


# ---- the questions -----------------------------------------------------------------------------


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


def on_tokens(card: Card) -> bool:
    return card.layout == "tokens"


def on_maps(card: Card) -> bool:
    return card.layout == "maps"


def can_be_causal(card: Card) -> bool:
    return "causal" in inspect.signature(card.mechanism).parameters


def takes_key_mask(card: Card) -> bool:
    return "key_mask" in inspect.signature(card.mechanism.forward).parameters


def gives_a_map(card: Card) -> bool:
    return len(card.shapes["return"]) == 4


def is_a_gate(card: Card) -> bool:
    return footprint(str(card)).places == 1


def is_flat(card: Card) -> bool:
    return footprint(str(card)).flat


def reads_far(card: Card) -> bool:
    return footprint(str(card)).distance >= SIDE // 2


def is_square(card: Card) -> bool:
    return growth(card) > 1.75


def is_between(card: Card) -> bool:
    return 1.25 < growth(card) <= 1.75


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


# ---- what the answers rest on --------------------------------------------------------------------


@dataclass(frozen=True)
class Footprint:
    """Where the content of one pixel of an otherwise empty map goes."""

    places: int  # that it reaches from the middle
    distance: int  # of the farthest of them, in rows or columns
    flat: bool  # output / input is the same at all places of a channel


@cache
def footprint(name: str) -> Footprint:
    """Measured on the card's small example with random weights.

    Biases and running means are zero: an empty place then stays empty unless it receives content,
    however large the factor is that it is multiplied by.
    """
    card = find(name)
    square = {side: SIDE for side in ("height", "width") if side in card.example}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        mechanism = randomize(card.build(**square)).double().eval()
        for part, tensor in [*mechanism.named_parameters(), *mechanism.named_buffers()]:
            if part.endswith(("bias", "running_mean")):
                tensor.zero_()
        x = torch.randn(1, card.words()["channels"], SIDE, SIDE, dtype=torch.float64)
        ratio = mechanism(x) / x
        middle, empty = SIDE // 2, torch.zeros_like(x)
        empty[..., middle, middle] = x[..., middle, middle]
        rows, columns = mechanism(empty).abs().amax((0, 1)).gt(1e-12).nonzero(as_tuple=True)
    distance = torch.maximum((rows - middle).abs(), (columns - middle).abs()).max()
    flat = (ratio - ratio[..., :1, :1]).abs().max() < 1e-9
    return Footprint(len(rows), int(distance), bool(flat))


@cache
def unchanged_at_start(name: str) -> bool:
    """Whether a new instance returns its input, so that it can join a network already trained."""
    card = find(name)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        mechanism, [x, *rest] = card.build().double().eval(), card.inputs(torch.float64)
        y = mechanism(x, *rest)
    return y.shape == x.shape and bool((y - x).abs().max() < 1e-12)


def growth(card: Card) -> float:
    """The power of the number of places with which the counted multiply-adds grow at last."""
    return _growth(str(card))


@cache
def _growth(name: str) -> float:
    card = bench.sized(find(name), 256, 8, 8, 64)
    axes = ("height", "width") if on_maps(card) or asks_for_rows(card) else ("tokens",)
    few, many = (card.cost("macs", **dict.fromkeys(axes, side)) for side in (2**13, 2**14))
    return math.log(many / few, 2 ** len(axes)) if few else 0.0


def properties_in_words(card: Card) -> list[str]:
    """What measured properties mean for whoever chooses."""
    kept = card.properties or ()
    notes = []
    if properties.token_permutation_equivariant in kept:
        notes.append("measured: does not know the order of tokens, so add positions")
    if properties.pixel_permutation_equivariant in kept:
        notes.append("measured: does not know where a pixel lies")
    if unchanged_at_start(str(card)):
        notes.append("measured: a new one returns its input unchanged")
    return notes


def experiment(task: str, plugs: Sequence[str]) -> list[str]:
    """What the channel chapter's stored experiment says of some plug-ins, in a sentence.

    Runs of the channel cue end either solved or at chance, so those that solved it are counted; of
    the other tasks stand the mean accuracy and its 95 % interval.
    """
    sentences = []
    for payload in bench.stored("channel-experiment"):
        told = []
        for plug in plugs:
            runs = payload["runs"]
            found = [r["accuracy"] for r in runs if (r["task"], r["plug"]) == (task, plug)]
            name = "no gate" if plug == "none" else plug
            if found and task == "channel cue":
                told.append(f"{name} {sum(a > SOLVED for a in found)} of {len(found)}")
            elif found:
                told.append("{} {:.3f} [{:.3f}, {:.3f}]".format(name, *bench.interval(found)))
        what = "runs that solved it" if task == "channel cue" else "mean accuracy, 95 % interval"
        if told:
            sentences.append(
                f"Task “{task}”, made for gates (channel-experiment), {what}: {'; '.join(told)}."
            )
    return sentences


@cache
def _stored() -> dict[str, list[dict]]:
    """Every stored measurement, by name."""
    shelf = bench.CHECKOUT if bench.CHECKOUT.is_dir() else bench.PACKED
    names = sorted({path.stem for path in shelf.glob("*/*.json")})
    return {name: bench.stored(name) for name in names}


def experiments_with(name: str) -> list[str]:
    """The stored experiments, not timings, that hold runs of a mechanism."""
    quoted = json.dumps(name)
    return [
        stored
        for stored, payloads in _stored().items()
        if not any(payload.keys() & {"sweeps", "proof"} for payload in payloads)
        and quoted in json.dumps(payloads)
    ]


# ---- stored measurements -----------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A stored time of one mechanism, at the measured size that is nearest to the one asked for."""

    mechanism: str
    group: str  # those of one group ran in the same rounds, at one size
    machine: str
    backward: bool
    batch: int
    features: int
    height: int  # 0 for tokens
    width: int  # or their number
    seconds: float
    low: float
    high: float
    peak_bytes: int

    @property
    def places(self) -> int:
        return max(self.height, 1) * self.width

    @property
    def where(self) -> str:
        size = f"{self.height} × {self.width} × {self.features:,}"
        if not self.height:
            size = f"{self.width:,} tokens × {self.features:,}"
        return size if self.batch == 1 else f"{self.batch} × ({size})"

    def far(self, places: int, features: int, batch: int) -> float:
        """How many times as large or small, in logarithms."""
        mine = (self.places, self.features, self.batch)
        pairs = zip(mine, (places, features, batch), strict=True)
        return sum(abs(math.log(a / b)) for a, b in pairs)


@cache
def measurements() -> tuple[Measured, ...]:
    """The stored times of each family; the default allocator's only where there are no others."""
    found = []
    for name in (f"{family}-bench" for family in FAMILIES):
        for payload in _stored().get(name, ()):
            sweeps = payload["sweeps"]
            tuned = [s for s in sweeps if s.get("allocator") != "default"]
            for number, sweep in enumerate(tuned or sweeps):
                made = payload["provenance"]
                threads = f"{made['threads']} thread" + "s" * (made["threads"] != 1)
                machine = made.get("gpu") or f"{made['processor']}, {threads}"
                if sweep["dtype"] != "float32":
                    machine = f"{machine}, {sweep['dtype']}"
                for row in sweep["rows"]:
                    size = sweep["fixed"] | dict.fromkeys(sweep["axis"].split(","), row["size"])
                    found.append(
                        Measured(
                            row["mechanism"],
                            f"{name}, sweep {number + 1}, {row['size']}",
                            machine,
                            sweep["backward"],
                            size.get("batch", 1),
                            size.get("channels", size.get("dim")),
                            0 if "tokens" in size else size["height"],
                            size["tokens"] if "tokens" in size else size["width"],
                            row["seconds"],
                            row["seconds_low"],
                            row["seconds_high"],
                            row["peak_bytes"],
                        )
                    )
    return tuple(m for m in found if m.features)


def nearest(name: str, need: "Need") -> Measured | None:
    """The stored time at the measured size nearest to what is needed, if there is one."""
    mine = [m for m in measurements() if (m.mechanism, m.backward) == (name, need.backward)]
    return min(mine, key=lambda m: m.far(need.places, need.features, need.batch), default=None)


# ---- what is asked, and the answer ---------------------------------------------------------------


@dataclass(frozen=True)
class Need:
    """What somebody looks for.

    Args:
        layout: "tokens" or "maps".
        features: channels of a map, or features of a token.
        tokens: their number; or height times width.
        height, width: of the map; of the tokens, where they are pixels in rows.
        batch: samples in one call.
        memory: bytes that the largest tensor may take; None: any.
        causal: no token may look at a later one.
        padding: sequences of several lengths share a batch.
        task: an answer of the questions, see `tasks`; "" for any.
        backward: show times of forward and backward passes.
        dtype: of the numbers, which sets their bytes.

    Raises:
        ValueError: if that makes no sense together.
    """

    layout: str
    features: int = 256
    tokens: int | None = None
    height: int | None = None
    width: int | None = None
    batch: int = 1
    memory: int | None = None
    causal: bool = False
    padding: bool = False
    task: str = ""
    backward: bool = False
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.layout not in ("tokens", "maps"):
            raise ValueError(f"no layout {self.layout!r}; there are tokens, maps")
        if self.dtype not in BYTES:
            raise ValueError(f"dtype={self.dtype!r} must be one of {', '.join(BYTES)}")
        for name in ("features", "batch", "tokens", "height", "width", "memory"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name}={number} must be at least 1")
        if (self.height is None) != (self.width is None):
            raise ValueError(f"height={self.height} and width={self.width}: give both or none")
        if self.height is None and self.layout == "maps":
            raise ValueError("a map has a height and a width: give both")
        if self.height is None and self.tokens is None:
            raise ValueError("give the number of tokens, or their height and width as pixels")
        if self.tokens and self.height and self.width:
            pixels = self.height * self.width
            if self.tokens != pixels:
                raise ValueError(
                    f"tokens={self.tokens} are not the pixels of {self.height} × {self.width},"
                    f" which are {pixels}"
                )
        for name in ("causal", "padding"):
            if getattr(self, name) and self.layout == "maps":
                raise ValueError(f"{name} is a matter of tokens; a map has no order and no ends")
        known = tasks(self.layout)
        if self.task and self.task not in known:
            raise ValueError(
                f"no task {self.task!r} on {self.layout}; there are {', '.join(known)}"
            )
        if self.causal and self.task:
            raise ValueError(f"task={self.task!r} is asked only where tokens may look ahead")

    @property
    def places(self) -> int:
        if self.tokens is not None:
            return self.tokens
        assert self.height is not None and self.width is not None, "refused when made"
        return self.height * self.width

    def __str__(self) -> str:
        rows = f" ({self.height} × {self.width})" if self.layout == "tokens" and self.height else ""
        size = f"{self.height} × {self.width} pixels"
        if self.layout == "tokens":
            size = f"{self.places:,} tokens{rows}"
        return f"{size}, {self.features:,} features, batch of {self.batch}, {self.dtype}"

    def admits(self, path: Path) -> bool:
        """Whether a path answers the questions as this need does."""
        if path.slugs[0] != self.layout:
            return False
        if self.layout == "tokens" and (path.slugs[1] == "causal") != self.causal:
            return False
        return not self.task or self.task in path.slugs


@dataclass(frozen=True)
class Choice:
    """One mechanism that does what is needed, what it costs, and why it is here."""

    card: Card  # at the size asked for
    path: Path
    params: int
    macs: int  # for the whole batch
    memory: int  # numbers in its largest tensor, for the whole batch
    bytes: int  # of that tensor
    measured: Measured | None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.card)


@dataclass(frozen=True)
class Advice:
    need: Need
    choices: tuple[Choice, ...]
    left_out: tuple[tuple[Card, str], ...] = field(default=())


def recommend(need: Need, by: str = "macs") -> Advice:
    """The mechanisms that do what is needed, those that cost least first; and why not the others.

    Args:
        need: what is looked for.
        by: "macs", "params" or "memory", which are counted; or "time", which was measured.  Only
            mechanisms that were measured side by side at one size are ranked by time, so these
            come in groups; those never measured come last.

    Raises:
        ValueError: if there is no such order.
    """
    if by not in ORDERS:
        raise ValueError(f"by={by!r} must be one of {', '.join(ORDERS)}")
    choices, left_out = [], []
    for card in catalog():
        ways = [path for path in paths() if all(a.holds(card) for a in path.answers)]
        way = next((path for path in ways if need.admits(path)), None)
        reason = _wrong_kind(card, way, need)
        if reason or way is None:
            left_out.append((card, reason))
            continue
        try:
            choice = _counted(card, way, need)
        except ValueError as error:
            left_out.append((card, str(error).removeprefix(f"{card}: ")))
            continue
        if need.memory and choice.bytes > need.memory:
            size = f"{choice.bytes:,} bytes, of {need.memory:,} allowed"
            left_out.append((card, f"its largest tensor alone takes {size}"))
        else:
            choices.append(choice)
    return Advice(need, tuple(sorted(choices, key=lambda c: _rank(c, by))), tuple(left_out))


def _wrong_kind(card: Card, way: Path | None, need: Need) -> str:
    """Why a mechanism does not do what is needed at any size; "" if it does."""
    if card.layout != need.layout:
        return f"works on {card.layout}"
    if need.causal and not can_be_causal(card):
        return "has no causal form"
    if way is None:
        return f"is no answer to the task {need.task!r}"
    if need.padding and not takes_key_mask(card):
        return "takes no key_mask"
    if asks_for_rows(card) and need.height is None:
        return "needs to know the height and width that its tokens have as pixels"
    return ""


def asks_for_rows(card: Card) -> bool:
    """Whether its tokens must be the pixels of a map."""
    return on_tokens(card) and {"height", "width"} <= card.sizes.keys()


def at_size(card: Card, need: Need) -> Card:
    """The card with the paper's defaults, at the size that is needed."""
    size = dict(channels=need.features, dim=need.features, height=need.height, width=need.width)
    if not asks_for_rows(card):  # there the tokens follow from height and width
        size["tokens"] = need.places
    known = {*card.sizes, *inspect.signature(card.mechanism).parameters}
    given = {name: n for name, n in size.items() if name in known and n is not None}
    return bench.realistic(card, **given, **dict(causal=True) if need.causal else {})


def _counted(card: Card, path: Path, need: Need) -> Choice:
    """Its cost; a size that it cannot work at raises the ValueError that a user would get."""
    card, counts = _costs(card, Need(**{name: getattr(need, name) for name in SIZE}))
    notes = properties_in_words(find(str(card)))
    if not counts["macs"]:
        notes.insert(
            0, "nothing that it does is counted: means, softmax, Fourier transforms are not"
        )
    return Choice(
        card,
        path,
        **counts,
        bytes=counts["memory"] * BYTES[need.dtype],
        measured=nearest(str(card), need),
        notes=tuple(notes),
    )


@lru_cache(maxsize=256)
def _costs(card: Card, size: Need) -> tuple[Card, dict[str, int]]:
    """The card at a size, tried there, and its counts: they depend on nothing else of a need."""
    card = at_size(card, size)
    with torch.device("meta"):
        mechanism, inputs = card.build(), card.inputs()
    run_without_numbers(mechanism, *inputs)
    counts = {kind: card.cost(kind, 1 if kind == "params" else size.batch) for kind in COSTS}
    counts["memory"] = max(counts["memory"], size.batch * size.places * size.features)
    return card, counts


def _rank(choice: Choice, by: str) -> tuple:
    """What choices are ordered by; what is equal there, by the other counts and the name."""
    counts = (choice.macs, choice.memory, choice.params, choice.name)
    if by == "time":
        time = choice.measured
        return (time is None, time.group if time else "", time.seconds if time else 0, *counts)
    return (getattr(choice, by), *counts)


def parse_bytes(text: str) -> int:
    """`2GiB` as 2,147,483,648.

    Raises:
        ValueError: if that is no size of a memory.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    size = float(found[1]) * UNITS.get((found[2] or "B").upper(), 0) if found else 0
    if size < 1:
        raise ValueError(f"memory={text!r} must be a number and a unit, as 512MiB or 2GiB")
    return int(size)


# ---- the answer in words -------------------------------------------------------------------------


def reasons(advice: Advice) -> list[str]:
    """Why each choice is one, what experiments say of them, and why the others are none."""
    lines = ["why"]
    groups: dict[tuple, list[Choice]] = {}
    for choice in advice.choices:
        groups.setdefault(choice.path.slugs, []).append(choice)
    for group in groups.values():
        leaf, names = group[0].path.leaf, [choice.name for choice in group]
        lines.append(f"  {', '.join(names)}: {leaf.use}")
        lines += [f"    {why}" for why in (group[0].path.why, leaf.caveat) if why]
        lines += [f"    {sentence}" for sentence in leaf.finding()]
        lines += [f"    {line}" for line in experiments_of(names)]
        for choice in group:
            lines += [f"    {choice.name}: {note}" for note in choice.notes]
    if advice.left_out:
        lines.append("left out")
    why: dict[str, list[str]] = {}
    for card, reason in advice.left_out:
        why.setdefault(reason, []).append(str(card))
    for reason, names in why.items():
        many = reason.startswith("works on ")  # the other layout: all of them, and not asked for
        lines.append(f"  {f'{len(names)} mechanisms' if many else ', '.join(names)}: {reason}")
    return lines


def experiments_of(names: Sequence[str]) -> list[str]:
    """Which stored experiments name some of them, and which of them are named in none."""
    named: dict[str, list[str]] = {}
    for name in names:
        for stored in experiments_with(name):
            named.setdefault(stored, []).append(name)
    told = [f"Stored experiment {stored} has {', '.join(who)}." for stored, who in named.items()]
    missing = [name for name in names if not experiments_with(name)]
    if not missing:
        return told
    return [
        *told,
        f"In no stored experiment with others, so not ranked by merit: {', '.join(missing)}.",
    ]
