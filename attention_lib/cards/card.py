"""What a mechanism says of itself: once, for tables, tests, benchmarks and pages alike."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from attention_lib.cards import notation
from attention_lib.cards.flow import Flow, parse
from attention_lib.cards.notation import letter
from attention_lib.cards.shape import Axes, Several, Wanted, axes_of, measured, tensors_of, wanted

if TYPE_CHECKING:  # slow to import, and only tables and tests need it
    import sympy

Property = Callable[[Callable[[Tensor], Tensor], Tensor], float]
COSTS = tuple(notation.COSTS)
RELATED = "fightingcv_attention"  # the collection that this one began from, copied by many


class Preset(NamedTuple):
    """A published network: what makes it, and what it is known to cost."""

    arguments: Mapping[str, object]
    params: int
    macs: int  # for one picture of `height` × `width`
    height: int = 224
    width: int = 224


@dataclass(frozen=True, eq=False)  # a card equals itself alone, and so may be a key of a cache
class Card:
    """The facts of one mechanism; costs are formulas in the words of its signature."""

    mechanism: type[nn.Module]
    _: KW_ONLY
    paper: str  # a key of book/references.bib
    source: str = "paper"  # what that key names; "repository" where there is no paper
    aliases: Sequence[str] = ()  # its short names; the first is that of no other mechanism
    elsewhere: Sequence[str] = ()  # what other collections and lists of names call it
    networks: Sequence[tuple[str, str]] = ()  # known for it, each with the key of its paper
    example: Mapping[str, object]  # constructor arguments of a small instance
    variants: Sequence[Mapping[str, object]] = ()  # what the proofs change in it, one at a time
    # what the free axes of its input measure; several names: the product of what those measure
    sizes: Mapping[str, int | tuple[str, ...]]
    params: str = ""  # numbers learned
    macs: str = ""  # multiply-adds in matrix products and convolutions, for one sample
    memory: str = ""  # numbers in the largest tensor made on the way, for one sample
    state: str = ""  # numbers that a sequence keeps while decoding, for one sample
    flow: str = ""  # its steps in the reader's words, see cards/flow.py
    properties: Set[Property] | None = frozenset()  # what always holds; None: nothing is claimed
    presets: Mapping[str, Preset] = field(default_factory=dict)  # of a network, by usual name
    rejects: Sequence[Mapping[str, object]] = ()  # constructor arguments that make no sense
    oracles: Sequence[str] = ()  # other people's implementations that it equals, by dotted name
    cannot: Mapping[str, str] = field(default_factory=dict)  # check of the contract -> the reason

    def __str__(self) -> str:
        return self.mechanism.__name__

    @property
    def family(self) -> str:
        return self.mechanism.__module__.split(".")[-2]

    @property
    def stem(self) -> str:
        """The name of its file."""
        return self.mechanism.__module__.rpartition(".")[2]

    @property
    def touched(self) -> str:
        """Numbers moved at least: input and parameters are read, the largest tensor is written."""
        axes = [axis for axis in self.shapes["x"] if axis not in self.sizes] + [*self.free]
        read = " * ".join(axes)
        return f"{read} + ({self.params}) / batch + {self.memory}" if self.memory else ""

    @property
    def names(self) -> tuple[str, ...]:
        """All that it answers to: class, file, short names, presets, and those it has elsewhere."""
        own = (str(self), self.stem, *self.aliases, *self.presets)
        return tuple(dict.fromkeys((*own, *self.elsewhere)))

    @property
    def title(self) -> str:
        """The mechanism's name in words: the first line of its file, up to the citation."""
        return (sys.modules[self.mechanism.__module__].__doc__ or str(self)).partition(" (")[0]

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.mechanism) or "").partition("\n")[0]

    @property
    def proven_by(self) -> str:
        """The evidence beside the reference: "independent package", "related package" or "none".

        A package that shares its origin with many copies proves little; then, and where there is
        no other package at all, the reference was written by somebody who had not seen the class.
        """
        if not self.oracles:
            return "none"
        related = all(name.startswith(RELATED) for name in self.oracles)
        return "related package" if related else "independent package"

    @property
    def formula(self) -> str:
        """The first `.. math::` of the docstring, as LaTeX."""
        found = re.search(r"\.\. math::\n((?: {4}.*\n)+)", inspect.getdoc(self.mechanism) or "")
        return inspect.cleandoc(found[1]) if found else ""

    @property
    def steps(self) -> Flow:
        """The flow, read: what its diagram shows.

        Raises:
            FlowError: if it cannot be read.
        """
        return parse(self.flow, self.given)

    @property
    def given(self) -> dict[str, Axes]:
        """The axes, without the batch, of each tensor that `forward` cannot do without."""
        notes = self.notes.items()
        tensors = {name: note for name, note in notes if isinstance(note, Wanted)}
        needed = {k: note for k, note in tensors.items() if not note.optional and k != "return"}
        return {name: note.axes[1:] for name, note in needed.items()}

    @property
    def notes(self) -> Mapping[str, Wanted | Several]:
        """What is asked of each tensor argument of `forward`, and of the answer under 'return'."""
        return _notes(self.mechanism.forward)

    @property
    def shapes(self) -> dict[str, Axes]:
        """The axes of each tensor argument of `forward`, and of the answer under 'return'."""
        return axes_of(self.notes)

    @property
    def kind(self) -> str:
        """What sort of module it is, by its signature; checks and inputs follow from that.

        tokens            (batch, tokens, dim) to tokens
        sequence          tokens, each read after those before it, with `prefill` and `step`
        maps              (batch, channels, height, width) to maps
        head              maps to numbers that are no map, such as one logit a class
        pictures → logits (batch, 3, height, width), the colours a fixed number, to logits
        ids → logits      whole numbers below `vocabulary`, (batch, tokens), to logits
        """
        x = tensors_of(self.notes["x"])[0]
        if x.kind == "integer":
            return "ids → logits"
        if "channels" in x.axes:
            return (
                "maps" if len(tensors_of(self.notes["return"])[0].axes) == len(x.axes) else "head"
            )
        if len(x.axes) == 4:
            return "pictures → logits"
        steps = all(hasattr(self.mechanism, name) for name in ("prefill", "step"))
        return "sequence" if steps else "tokens"

    @property
    def layout(self) -> str:
        """How its input is laid out: 'tokens', 'maps', 'pictures' or 'ids'."""
        layouts = {"sequence": "tokens", "head": "maps"}
        return layouts.get(self.kind, self.kind.partition(" ")[0])

    @property
    def comparable(self) -> bool:
        """Whether the example answers with a tensor shaped like x, which properties need."""
        [x] = tensors_of(self.notes["x"])
        return self.answers() == [self.measure(x)]

    @property
    def free(self) -> Axes:
        """What grows with the input: axes of x that are neither batch nor fixed at construction.

        In place of an axis that is a product, such as tokens of height × width, stand its factors.
        """
        grown = [a for a in self.shapes["x"] if a in self.sizes and a != "batch"]
        sizes = [(axis, self.sizes[axis]) for axis in grown]
        factors = [size if isinstance(size, tuple) else (axis,) for axis, size in sizes]
        return tuple(axis for axes in factors for axis in axes)

    @property
    def free_sizes(self) -> dict[str, int]:
        """What each free axis measures in the example."""
        sizes = {axis: self.sizes[axis] for axis in self.free}
        return {axis: size for axis, size in sizes.items() if isinstance(size, int)}

    @property
    def defaults(self) -> dict[str, Any]:
        """The constructor's own defaults, the paper's values; those that are None are left out."""
        given = inspect.signature(self.mechanism).parameters.values()
        return {p.name: p.default for p in given if p.default not in (p.empty, None)}

    @property
    def needed(self) -> dict[str, Any]:
        """Of the example's arguments, those that the constructor cannot do without."""
        known = inspect.signature(self.mechanism).parameters
        return {k: v for k, v in self.example.items() if known[k].default is known[k].empty}

    def build(self, **arguments: object) -> nn.Module:
        """The small example, with some constructor arguments changed."""
        return self.mechanism(**{**self.example, **arguments})

    def outline(self, **arguments: object) -> nn.Module:
        """Parts and shapes of the small example, without numbers: no random number is drawn."""
        with torch.device("meta"):
            return self.build(**arguments)

    def inputs(self, dtype: torch.dtype = torch.float32, /, **sizes: int) -> list[Any]:
        """A random tensor (or a size) for each argument that `forward` cannot do without.

        Integers are drawn below the size that the module calls `vocabulary`.
        """
        notes, words = self.notes, self.words(**sizes)
        arguments = list(inspect.signature(self.mechanism.forward).parameters.values())[1:]
        given: list[Any] = []
        for name in [a.name for a in arguments if a.default is a.empty]:
            note = notes.get(name)
            if not isinstance(note, Wanted):
                given.append(words[name])
            elif note.kind == "integer":
                given.append(torch.randint(words["vocabulary"], self.measure(note, **sizes)))
            else:
                given.append(torch.randn(self.measure(note, **sizes), dtype=dtype))
        return given

    def answers(self, **sizes: int) -> list[tuple[int, ...]]:
        """The shape of each tensor that comes out of the example."""
        return [self.measure(note, **sizes) for note in tensors_of(self.notes["return"])]

    def measure(self, note: Wanted, **sizes: int) -> tuple[int, ...]:
        """The shape that an annotation comes to."""
        words = self.words(**sizes)
        return tuple(measured(axis, words) for axis in note.sizes)

    def cost(self, kind: str, batch: int = 1, **sizes: int) -> int:
        """What the formula for "params", "macs", "memory" or "state" comes to, for the whole batch.

        A formula is that of one sample: what samples share is divided by the batch in it.
        """
        from sympy import Indexed, Symbol

        words = self.words(batch=batch, **sizes)
        numbers = {Symbol(word): int(n) for word, n in words.items() if isinstance(n, int)}
        formula = self.expression(kind) * (1 if kind == "params" else batch)
        formula = formula.subs(numbers).doit()
        number = formula.replace(Indexed, lambda base, i: words[str(base)][int(i)])
        if not number.is_Integer:
            raise ValueError(f"{self}: {kind} = {getattr(self, kind)} came to {number}")
        return int(number)

    def typeset(self, kind: str) -> str:
        """That formula as LaTeX, in the letters of the notation page."""
        from sympy import expand, latex

        return latex(expand(self.expression(kind, letter), deep=False))

    def expression(self, kind: str, name: Callable[[str], str] = str) -> "sympy.Expr":
        """The formula of a cost, in which each word is called what `name` makes of it.

        Raises:
            ValueError: if the card declares none.
        """
        if not getattr(self, kind):
            raise ValueError(f"{self} declares no formula for {kind}: count it with `measure`")
        words = self.words().items()
        names = ((word, name(word), isinstance(size, tuple)) for word, size in words)
        return _parsed(getattr(self, kind), tuple(names))

    def words(self, **sizes: int) -> dict[str, Any]:
        """Every name a formula or an axis may use, and its size.

        Constructor defaults, then the example, then what the built module holds (a kernel size
        that it worked out itself, say), then the sizes of the axes.
        """
        arguments = inspect.signature(self.mechanism).parameters
        asked = {name: value for name, value in sizes.items() if name in arguments}
        held = _held(self, tuple(asked.items()))
        known = {**self.defaults, **self.example, **held, **self.sizes, **sizes}
        products = {k: v for k, v in self.sizes.items() if isinstance(v, tuple)}
        return known | {k: prod(known[factor] for factor in v) for k, v in products.items()}


@lru_cache(maxsize=256)
def _notes(forward: Callable) -> dict[str, Wanted | Several]:
    return wanted(forward)


@lru_cache(maxsize=256)
def _held(card: Card, arguments: tuple[tuple[str, int], ...]) -> dict[str, object]:
    """Numbers that the built module holds; building it, if only in outline, is what takes time."""
    held = vars(card.outline(**dict(arguments)))
    return {k: v for k, v in held.items() if isinstance(v, int | tuple) and k[0] != "_"}


@lru_cache(maxsize=256)
def _parsed(formula: str, names: tuple[tuple[str, str, bool], ...]) -> "sympy.Expr":
    """A formula; of each word the symbol that stands for it, and whether it is a list."""
    import sympy  # slow to import, and only tables and tests need it

    symbols: dict[str, object] = {"i": sympy.Symbol("i", integer=True)}  # a Sum's index
    for word, symbol, is_list in names:
        symbols[word] = (sympy.IndexedBase if is_list else sympy.Symbol)(symbol)
    return sympy.sympify(formula, locals=symbols)
