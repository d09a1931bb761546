"""Where the steps of a flow stand: each below all that it reads, with few lines that cross.

Layers by longest path; the order within a layer by the fewest crossings of all permutations; chains
in one straight column.  What is read further down goes there in a lane of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations

from attention_lib.cards.flow import Flow
from attention_lib.teaching.diagrams.words import MARKED, SIGNS, called, is_learned, letters, title

SIZE, SMALL = 13, 11  # of letters
LAYER, GAP, LANE = 24, 12, 14  # between layers, boxes, lanes
# Of an em, as wide as a common font makes them at most
NARROW, LARGE = "il.,'·jt( )|⌈⌉⌊⌋′:f", "mwMW×"
FAR = 1e9


def wide(text: str, size: float, bold: bool = False) -> float:
    """How wide a text is at most, in pixels, in a common font."""
    marked = sum(len(found[2]) for found in MARKED.finditer(text)) * size * 0.55
    ems = (
        0.38 if c in NARROW else 0.95 if c in LARGE else 0.72 if c.isupper() else 0.61
        for c in MARKED.sub("", text)
    )
    return size * (1.1 if bold else 1) * sum(ems) + marked


@dataclass(eq=False)
class Place:
    """A step, an input or a bend of a lane."""

    kind: str  # step, sign, source, answer, lane
    title: str = ""
    shape: str = ""
    learned: bool = False
    several: bool = False
    cells: tuple[str, ...] = ()  # the parts of its result
    reads: list[tuple["Place", int]] = field(default_factory=list)  # what, and which cell of it
    number: int = 0  # of the step, for a page that shows one after the other
    rank: int = 0
    x: float = 0
    top: float = 0
    bottom: float = 0

    @property
    def width(self) -> float:
        if self.kind in ("lane", "sign"):
            return 2 if self.kind == "lane" else 24
        bold = self.learned or self.kind in ("source", "answer")
        inside = max(wide(self.title, SIZE, bold), wide(self.shape, SMALL), sum(self.cell))
        return inside + (14 if self.learned else 22)

    @property
    def cell(self) -> list[float]:
        """How wide each cell must be."""
        return [wide(name, SMALL) + 8 for name in self.cells]

    @property
    def height(self) -> float:
        if self.kind in ("lane", "sign"):
            return 0 if self.kind == "lane" else 24
        return (40 if self.shape else 22) + (18 if self.cells else 0)

    @property
    def right(self) -> float:
        """How far it reaches to the right of x, with the shape beside a sign."""
        beside = wide(self.shape, SMALL) + 4 if self.kind == "sign" and self.shape else 0
        return self.width / 2 + beside

    def outlet(self, cell: int) -> float:
        """Where a line leaves it."""
        if not self.cells:
            return self.x
        stretch = self.width / sum(self.cell)
        return self.x - self.width / 2 + stretch * (sum(self.cell[:cell]) + self.cell[cell] / 2)


Layers = list[list[Place]]


def places(flow: Flow, parts: Iterable[str], shapes: bool = True) -> list[Place]:
    """Everything that is drawn, inputs first, the answer last."""
    made: dict[str, tuple[Place, int]] = {}
    for name, axes in flow.given.items():
        made[name] = Place("source", name, letters(axes) if shapes else ""), 0
    found = [place for place, _ in made.values()]
    last = flow.steps[-1]
    for number, step in enumerate(flow.steps, 1):
        own = [called(name) for name in step.inputs if name in flow.parameters]
        sign = SIGNS.get(step.verb)
        cells = tuple(map(called, step.names)) if len(step.names) > 1 else ()
        shape = letters(step.axes) if shapes else ""
        if shapes and step.named and len(step.key) < 3 and step is not last:
            shape = f"{called(step.key)}: {shape}"  # a letter of the formula
        place = Place(
            "sign" if sign and not own else "step",
            " ".join([sign, *own]) if sign else title(step),
            shape,
            is_learned(step, flow, parts),
            step.several,
            cells,
            [made[name] for name in step.inputs if name in made],
            number,
        )
        made |= {name: (place, cell) for cell, name in enumerate(step.names)}
        made.setdefault(step.key, (place, 0))
        found.append(place)
    answer = last.key if last.named and len(last.names) == 1 else "y"
    found.append(Place("answer", answer, reads=[made[last.key]], number=len(flow.steps)))
    return found


def layered(found: list[Place]) -> Layers:
    """Each step below all it reads, and a bend of a lane in each layer that a result passes."""
    for place in found:
        place.rank = max((read.rank + 1 for read, _ in place.reads), default=0)
    for place in reversed(found):  # a side way starts late
        readers = [p.rank for p in found if any(read is place for read, _ in p.reads)]
        if readers and len(place.reads) == 1 == len(readers):
            place.rank = readers[0] - 1
    layers: Layers = [[] for _ in range(found[-1].rank + 1)]
    lanes: dict[tuple[int, int, int], Place] = {}
    for place in found:
        layers[place.rank].append(place)
        for n, (read, cell) in enumerate(place.reads):
            above = read, cell
            for rank in range(read.rank + 1, place.rank):
                key = id(read), cell, rank
                if key not in lanes:
                    lanes[key] = Place("lane", reads=[above], rank=rank, number=place.number)
                    layers[rank].append(lanes[key])
                above = lanes[key], 0
            place.reads[n] = above
    return layers


def crossings(upper: Sequence[Place], lower: Sequence[Place]) -> int:
    """How many pairs of lines cross between two layers."""
    ends = [(upper.index(r) + c / 10, i) for i, p in enumerate(lower) for r, c in p.reads]
    return sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(ends) for c, d in ends[:n])


def untangle(layers: Layers) -> None:
    """Turn each layer so that as few lines cross as can be, lanes outside; layers are small."""

    def cost(i: int, way: Sequence[Place]) -> float:
        cross = crossings(layers[i - 1], way) if i else 0
        cross += crossings(way, layers[i + 1]) if i + 1 < len(layers) else 0
        return 100 * cross - sum(j for j, place in enumerate(way) if place.kind == "lane")

    for _ in range(4):
        for i in [*range(len(layers)), *reversed(range(len(layers)))]:
            if len(layers[i]) < 7:
                ways = permutations(layers[i])
                layers[i] = list(min(ways, key=lambda way, i=i: cost(i, way)))  # type: ignore[misc]


def columns(layers: Layers) -> Layers:
    """What stands exactly one below the other: lanes, and a step below the first that it reads."""
    column = {id(p): [p] for layer in layers for p in layer}

    def join(a: Place, b: Place) -> None:
        one, two = column[id(a)], column[id(b)]
        if {p.rank for p in one} & {p.rank for p in two}:
            return
        for p in two:
            column[id(p)] = one
        one += two
        if not _from_left(layers, column):  # they would stand left and right of another column
            for p in two:
                one.remove(p)
                column[id(p)] = two

    links = [(read, p) for layer in layers for p in layer for read, _ in p.reads]
    for a, b in sorted(links, key=lambda link: -sum(p.kind == "lane" for p in link)):
        if (a.kind == "lane") == (b.kind == "lane") and not a.cells:
            join(a, b)
    return _from_left(layers, column)


def _from_left(layers: Layers, column: dict[int, list[Place]]) -> Layers:
    """The columns from left to right; none if some are both left and right of another."""
    before: dict[int, set[int]] = {id(each): set() for each in column.values()}
    for layer in layers:
        for a, b in pairwise(layer):
            before[id(column[id(b)])].add(id(column[id(a)]))
    known, done = {id(each): each for each in column.values()}, []
    while before:
        free = [each for each, left in before.items() if not left & before.keys()]
        if not free:
            return []
        done += [known[each] for each in free]
        for each in free:
            del before[each]
    return done


def settle(layers: Layers) -> float:
    """Give each place its x, as near as can be to what it is joined to; how wide it becomes."""
    row = columns(layers)
    links = [(read, p, cell) for layer in layers for p in layer for read, cell in p.reads]
    apart = [(a, b, _apart(a, b)) for layer in layers for a, b in pairwise(layer)]
    for column in row:  # as far left as can be
        inside = {id(p) for p in column}
        widest = max(p.width for p in column) / 2
        x = max((a.x + d for a, b, d in apart if id(b) in inside), default=widest)
        for p in column:
            p.x = x
    for n in range(80):
        for column in row if n % 2 else reversed(row):
            inside = {id(p) for p in column}
            low = max((a.x + d for a, b, d in apart if id(b) in inside), default=-FAR)
            high = min((b.x - d for a, b, d in apart if id(a) in inside), default=FAR)
            pulls = [
                (a.outlet(c) if id(b) in inside else b.x, 1 if "lane" in (a.kind, b.kind) else 3)
                for a, b, c in links
                if (id(a) in inside) != (id(b) in inside)
            ]
            if pulls:
                middle = sum(x * weight for x, weight in pulls) / sum(w for _, w in pulls)
                for p in column:
                    p.x = min(max(middle, low), high)
    every = [p for layer in layers for p in layer]
    left = min(p.x - p.width / 2 for p in every) - 2
    for p in every:
        p.x -= left
    return max(p.x + p.right for p in every) + 2


def _apart(a: Place, b: Place) -> float:
    """How far the middle of b must be to the right of that of a."""
    gap = LANE if "lane" in (a.kind, b.kind) else GAP
    return b.width / 2 + a.right + gap


def stack(layers: Layers) -> float:
    """Give each place its top and bottom; how tall it becomes."""
    y = 2.0
    for layer in layers:
        height = max(p.height for p in layer)
        for place in layer:  # a lane goes past the whole layer
            lane = place.kind == "lane"
            place.top = y if lane else y + (height - place.height) / 2
            place.bottom = y + height if lane else place.top + place.height
        y += height + LAYER
    return y - LAYER + 2
