"""Constructor arguments of a wrong type are refused by name; numpy's numbers and lists are read."""

import inspect
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from attention_lib.cards.shape import SignatureError
from attention_lib.catalog import every_card
from attention_lib.core.arguments import constructor_arguments, typed

CARDS = pytest.mark.parametrize("card", every_card(), ids=str)


class Told(nn.Module):
    @typed
    def __init__(
        self,
        channels: int,
        sizes: tuple[int, ...] = (3, 5),
        rate: float = 0.5,
        bias: bool = True,
        width: int | None = None,
        temperatures: Sequence[float] = (1.0,),
        make: Callable[[int], nn.Module] | None = None,
        mode: str = "near",
    ):
        super().__init__()
        self.channels, self.sizes, self.rate, self.bias = channels, sizes, rate, bias
        self.width, self.temperatures, self.make, self.mode = width, temperatures, make, mode
        self.table = nn.Parameter(torch.empty(channels, channels, channels))

    extra_repr = constructor_arguments


def test_numbers_of_numpy_and_lists_become_pythons_own():
    told = Told(np.int64(4), [np.int8(3), 5], np.float32(0.25), width=np.uint8(7))
    shown = "channels=4, sizes=(3, 5), rate=0.25, bias=True, width=7, temperatures=(1.0,), "
    assert told.extra_repr() == shown + "make=None, mode='near'"
    assert Told(4, rate=1, sizes=range(3), temperatures=torch.Size([2])).sizes == (0, 1, 2)
    assert Told(4, make=nn.ReLU).make is nn.ReLU


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(channels="4"), "channels='4' must be an integer"),
        (dict(channels=True), "channels=True must be an integer"),
        (dict(channels=torch.tensor(4)), "channels=tensor(4) must be an integer"),
        (dict(channels=4, sizes=3), "sizes=3 must be a tuple, each an integer"),
        (dict(channels=4, sizes="35"), "sizes='35' must be a tuple, each an integer"),
        (dict(channels=4, sizes=(3, 5.0)), "sizes=(3, 5.0) must be a tuple, each an integer"),
        (dict(channels=4, sizes={3}), "sizes={3} must be a tuple, each an integer"),
        (dict(channels=4, rate=1j), "rate=1j must be a number"),
        (dict(channels=4, bias="no"), "bias='no' must be True or False"),
        (dict(channels=4, bias=0), "bias=0 must be True or False"),
        (dict(channels=4, width=(1,)), "width=(1,) must be an integer or None"),
        (dict(channels=4, temperatures=["hot"]), "temperatures=['hot'] must be a tuple, each a nu"),
        (dict(channels=4, make="relu"), "make='relu' must be a function or None"),
        (dict(channels=4, mode=3), "mode=3 must be a string"),
    ],
)
def test_a_wrong_type_is_named_with_what_is_wanted(arguments, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        Told(**arguments)


def test_what_is_long_to_print_is_cut_short():
    with pytest.raises(TypeError) as error:
        Told(torch.randn(100, 100))
    assert len(str(error.value)) < 100


@pytest.mark.parametrize("given", [10**20, -(10**20), (3, 2**31)], ids=repr)
def test_a_number_that_no_tensor_is_as_long_as_is_too_large(given):
    name = "sizes" if isinstance(given, tuple) else "channels"
    with pytest.raises(
        ValueError, match=rf"^{name}=.* is too large: it must be at most 2147483647"
    ):
        Told(**{"channels": 4, name: given})


def test_numbers_that_are_too_large_together_are_all_named():
    with pytest.raises(
        ValueError, match=r"^Told\(channels=2000000000, rate=0.1\) cannot be made: "
    ):
        Told(2_000_000_000, rate=0.1)


def test_arguments_are_bound_as_python_binds_them():
    for given in ((), (4, 3, 0.5, True, 7, (1.0,), None, "near", 9)):
        with pytest.raises(TypeError, match=r"required argument: 'channels'|too many positional"):
            Told(*given)
    with pytest.raises(TypeError, match="multiple values for argument 'channels'"):
        Told(4, channels=4)
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        Told(4, depth=3)


@pytest.mark.parametrize("note", [dict[str, int], bytes, int | bytes, inspect.Parameter.empty])
def test_an_annotation_that_it_cannot_read_is_refused_at_once(note):
    def init(self, channels):
        """A constructor."""

    init.__annotations__["channels"] = note
    with pytest.raises(TypeError, match="cannot read the annotation"):
        typed(init)


@CARDS
@pytest.mark.parametrize("given", [object, {3: 5}, b"3", torch.tensor(3), 3j], ids=repr)
def test_every_constructor_names_what_no_argument_can_be(card, given):
    for name in set(inspect.signature(card.mechanism).parameters) - {"attention"}:
        with pytest.raises(TypeError, match=f"^{name}="):
            card.build(**{name: given})


@CARDS
@pytest.mark.parametrize("given", ["64", 64.0, None, True], ids=repr)
def test_every_constructor_names_what_is_no_integer(card, given):
    known = inspect.signature(card.mechanism).parameters
    for name in [name for name, argument in known.items() if argument.annotation is int]:
        with pytest.raises(
            TypeError, match=f"^{name}={re.escape(repr(given))} must be an integer$"
        ):
            card.build(**{name: given})


@CARDS
def test_every_constructor_takes_numpys_integers_and_holds_inputs_to_them(card):
    as_numpy = {k: np.int64(v) if type(v) is int else v for k, v in card.example.items()}
    made = card.mechanism(**as_numpy)
    assert repr(made) == repr(card.build())
    x, *rest = card.inputs()
    with pytest.raises(SignatureError, match="x must be"):
        made(x.repeat_interleave(2, 1 if x.ndim == 4 else -1), *rest)
