"""What modules of a network give in one pass, and how often; the network stays as it was."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from attention_lib.measure.trace import trace_copy, trace_fake


class Misfit(ValueError):
    """A mechanism that cannot stand where it was put."""


class Inputs(NamedTuple):
    """What a network is called with; `given` if somebody gave it as an example."""

    args: tuple
    kwargs: Mapping[str, Any]
    given: bool


class Look:
    """What the watched modules give in one pass, and how often.

    Args:
        watched: names of modules.
        must_give: what they must give, if that is known.
    """

    def __init__(
        self, watched: Iterable[str], must_give: Mapping[str, tuple[int, ...]] | None = None
    ):
        self.must_give = must_give
        self.gave: dict[str, list] = {name: [] for name in watched}
        self.dtypes: dict[str, torch.dtype | None] = {}

    def at(self, network: nn.Module, inputs: Inputs) -> "Look":
        """Look at one pass of the network, without numbers where that works.

        Raises:
            ValueError: if the network does not run.
            Misfit: if a watched module gives something other than what it must give.
        """
        on_meta = any(parameter.is_meta for parameter in network.parameters())
        try:
            self._run(trace_fake, network, inputs)
        except Misfit:
            raise
        except Exception as error:  # whatever somebody's network raises
            if not inputs.given or on_meta:
                raise ValueError(_said("without numbers; give an example", error)) from error
            try:
                self._run(trace_copy, network, inputs)
            except Misfit:
                raise
            except Exception as error:
                raise ValueError(_said("on the example", error)) from error
        return self

    def _run(self, trace: Any, network: nn.Module, inputs: Inputs) -> None:
        for given in self.gave.values():
            given.clear()
        with _no_logging():
            answer = trace(network, *inputs.args, named=inputs.kwargs, prepare=self._watch)
        # with numbers, how many boxes a detector finds says nothing
        sized = trace is trace_fake
        self.answer = tree_map(lambda x: _shape(x) if sized else type(x), answer)

    def _watch(self, network: nn.Module) -> None:
        for name in self.gave:
            network.get_submodule(name).register_forward_hook(partial(self._note, name))

    def _note(self, name: str, module: nn.Module, given: tuple, answer: Any) -> None:
        shape = _shape(answer)
        self.gave[name].append(shape)
        self.dtypes[name] = getattr(answer, "dtype", None)
        if self.must_give and shape != self.must_give[name]:
            raise Misfit(f"{name} gives {shape} for {self.must_give[name]}; it must keep the size")

    def check_once(self, name: str) -> None:
        """Refuse a module that does not run exactly once."""
        gave = self.gave[name]
        if not gave and not self.must_give:
            raise Misfit(f"the example does not reach {name}")
        if len(gave) != 1:
            on = "".join(f", on {shape}" for shape in dict.fromkeys(gave))
            raise Misfit(f"{name} runs {len(gave)} times in one pass, not once{on}")

    def map_of(self, name: str) -> tuple[int, ...]:
        """The shape of the map that a module gives."""
        self.check_once(name)
        [shape] = self.gave[name]
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise Misfit(f"{name} gives {shape}, not a map")
        return shape


def _shape(answer: Any) -> Any:
    return tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__


def _said(how: str, error: Exception) -> str:
    line = (str(error).strip().splitlines() or [""])[0]
    return f"the network does not run {how}: {type(error).__name__}: {line[:120]}"


@contextmanager
def _no_logging() -> Iterator[None]:
    """Torch logs what fails on tensors without numbers; here it is said in the error."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
