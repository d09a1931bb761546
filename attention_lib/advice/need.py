"""What somebody looks for: layout, sizes, memory, task."""

import re
from dataclasses import dataclass
from math import inf

from attention_lib.advice.questions import Path, tasks
from attention_lib.measure.sizes import check_size

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


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
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.layout not in ("tokens", "maps"):
            raise ValueError(f"no layout {self.layout!r}; there are tokens, maps")
        if self.dtype not in [*BYTES]:
            raise ValueError(f"dtype={self.dtype!r} must be one of {', '.join(BYTES)}")
        for name in ("features", "batch", "tokens", "height", "width"):
            if (number := getattr(self, name)) is not None or name in ("features", "batch"):
                check_size(name, number)
        if self.memory is not None and not (isinstance(self.memory, int) and self.memory >= 1):
            raise ValueError(f"memory={self.memory!r} must be at least 1 byte")
        for name in ("causal", "padding"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} must be True or False")
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


def parse_bytes(text: str) -> int:
    """`2GiB` as 2,147,483,648.

    Raises:
        ValueError: if that is no size of a memory.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(text))
    size = float(found[1]) * UNITS.get((found[2] or "B").upper(), 0) if found else 0
    if not 1 <= size < inf:
        raise ValueError(f"memory={text!r} must be a number and a unit, as 512MiB or 2GiB")
    return int(size)
