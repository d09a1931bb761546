"""`Then`: a module of a network, and after it what was inserted there.

It takes the module's place in its parent.  A hook would be lost where the module is replaced, and a
compiler does not see it; a child added to the module would run twice where a loop runs all of them.
In a plain `nn.Sequential` what is inserted goes last, and nothing is wrapped.
"""

from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from typing import Any, NamedTuple

from torch import nn


class Then(nn.Module):
    """A module, and after it others.  Whatever else is asked of it, the module itself answers.

    The module is a child, `host`, so that what converts, folds or wraps modules one by one finds it
    there and leaves the rest alone.  State dicts do not know the name `host`: the module keeps the
    name that it had.  Of attributes, only those that the module had when it was wrapped are its:
    what a tool marks afterwards must not be found in two places.
    """

    def __init__(self, host: nn.Module):
        super().__init__()
        self._modules["host"] = host
        self.training = host.training
        self.__dict__["of_host"] = frozenset(dir(host))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        host, *inserted = self.children()
        answer = host(*args, **kwargs)
        for mechanism in inserted:
            answer = mechanism(answer)
        return answer

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        for name, part in self._modules.items():
            assert part is not None
            inner = prefix if name == "host" else f"{prefix}{name}."
            destination = part.state_dict(
                destination=destination, prefix=inner, keep_vars=keep_vars
            )
        return destination

    def _load_from_state_dict(
        self,
        state_dict: MutableMapping,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for key in [key for key in state_dict if key.startswith(prefix)]:
            name = key.removeprefix(prefix)
            if name.partition(".")[0] not in self._modules:
                state_dict[f"{prefix}host.{name}"] = state_dict.pop(key)

        def say_the_old_names(_: nn.Module, incompatible: Any) -> None:
            hook.remove()  # it is the last one, so that no other is skipped
            for lines in (*incompatible, error_msgs):
                lines[:] = [line.replace(f"{prefix}host.", prefix) for line in lines]

        hook = self.register_load_state_dict_post_hook(say_the_old_names)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("of_host", ()) and name not in self._modules:
            return getattr(self._modules["host"], name)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_of_host(name):
            setattr(self._modules["host"], name, value)
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if self._is_of_host(name):
            delattr(self._modules["host"], name)
        else:
            super().__delattr__(name)

    def _is_of_host(self, name: str) -> bool:
        if name in self.__dict__ or name in self.__dict__.get("_modules", ()):
            return False
        replaced = name == "forward" and "host" in self.__dict__.get("_modules", ())
        return replaced or name in self.__dict__.get("of_host", ())

    def _refuse(self, name: str, *_: Any, **__: Any) -> None:
        raise ValueError(f"{name!r} belongs to the module that others follow here: use its .host")

    register_parameter = register_buffer = _refuse


def _asked(method: str) -> Callable:
    return lambda self, *given: getattr(self._modules["host"], method)(*given)


class ThenOfMany(Then):
    """The same after a module that has a length and items."""

    __len__, __iter__, __contains__ = _asked("__len__"), _asked("__iter__"), _asked("__contains__")
    __getitem__, __setitem__ = _asked("__getitem__"), _asked("__setitem__")


class Slot(NamedTuple):
    """A module of a network, the name it has if nothing is inserted, and where it hangs."""

    name: str
    module: nn.Module
    parent: nn.Module
    key: str

    @property
    def occupant(self) -> nn.Module:
        """The module, or what wraps it."""
        there = self.parent._modules[self.key]
        assert there is not None
        return there


def slots(parent: nn.Module, prefix: str = "") -> Iterator[Slot]:
    """All modules below; what was inserted is not among them."""
    for key, child in parent._modules.items():
        if child is not None and "inserted_as" not in child.__dict__:
            module = child._modules["host"] if isinstance(child, Then) else child
            assert module is not None
            yield Slot(prefix + key, module, parent, key)
            yield from slots(module, f"{prefix}{key}.")


def place(slot: Slot, child: str, mechanism: nn.Module) -> Callable[[], object]:
    """Put it after the module, under this name; what is returned takes it back.

    Raises:
        ValueError: if the module has something of this name.
    """
    there = slot.occupant
    if hasattr(there, child):
        raise ValueError(f"{slot.name} has a {child} already")
    mechanism.inserted_as = child  # type: ignore[assignment]
    if isinstance(there, Then) or type(there).forward is nn.Sequential.forward:
        there.add_module(child, mechanism)
        return partial(there._modules.pop, child)
    if hasattr(there, "host"):
        raise ValueError(f"{slot.name} has a part named host, the name that insert needs")
    then = (ThenOfMany if hasattr(type(there), "__len__") else Then)(there)
    then.add_module(child, mechanism)
    slot.parent._modules[slot.key] = then
    return partial(slot.parent._modules.__setitem__, slot.key, there)


def remove(network: nn.Module) -> list[str]:
    """Take out everything that was inserted, in place, and say what it was called."""
    gone = []
    for slot in list(slots(network)):
        for holder in dict.fromkeys((slot.occupant, slot.module)):
            inserted = [k for k, m in holder._modules.items() if "inserted_as" in vars(m)]
            for key in inserted:
                gone.append(f"{slot.name}.{key}")
                del holder._modules[key]
        slot.parent._modules[slot.key] = slot.module
    return gone
