"""One front door: what it offers, what `find` takes, what `create` refuses, what `print` shows."""

import subprocess
import sys

import numpy as np
import pytest
from torch import nn

import attention_lib
from attention_lib import catalog, check, create, find, insert
from attention_lib.channel import SqueezeExcitation
from attention_lib.checks import CONTRACT
from attention_lib.measure.sizes import realistic
from attention_lib.teaching import display

# Each class of the folder model/attention of the repository External-Attention-pytorch that is
# a mechanism of ours, at commit d75848e
CLASSES = """
DoubleAttention ACmix AFT_FULL AxialAttention BAMBlock CBAMBlock CoTAttention CoordAtt
CrissCrossAttention DAModule DAttentionBaseline ECAAttention EMSA ExternalAttention HaloAttention
MOATransformer MUSEAttention MobileViTAttention MobileViTv2Attention OutlookAttention
ParNetAttention ParallelPolarizedSelfAttention ResidualAttention S2Attention SEAttention
SpatialGroupEnhance SKAttention ScaledDotProductAttention ShuffleAttention SimAM
SimplifiedScaledDotProductAttention TripletAttention UFOAttention WeightedPermuteMLP
GlobalFilter CoAtNet GFNet CrossFormer DAT
"""


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_a_mechanism_is_found_by_all_that_it_is(card):
    mechanism = card.mechanism
    assert find(card) is find(mechanism) is find(card.build()) is card
    own = (str(card), card.stem, card.aliases[0])
    assert all(find(name) is card for name in own)
    for name in card.names:
        spellings = (name.upper(), name.replace("_", "-"), f" {name} ")
        sharing = [c for c in catalog() if name in c.names]
        if len(sharing) == 1:
            assert all(find(spelling) is card for spelling in spellings)
        else:
            with pytest.raises(ValueError, match=f"several mechanisms: .*{card} .{card.family}"):
                find(name)


def test_classes_and_files_are_unique():
    for card in catalog():
        others = [c for c in catalog() if c is not card]
        assert not {str(card), card.stem} & {name for c in others for name in c.names}


@pytest.mark.parametrize("name", CLASSES.split())
def test_a_class_of_the_repository_it_began_with_is_known(name):
    assert find(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("outlook", "OutlookAttention"),
        ("unit_force", "UnitForceAttention"),
        ("SE Attention", "SqueezeExcitation"),
        ("AFT_FULL", "AttentionFree"),
        ("DAModule", "DualAttention"),
        ("WeightedPermuteMLP", "VisionPermutator"),
        ("EcaModule", "EfficientChannelAttention"),
        ("coord", "CoordinateAttention"),
        ("halo", "HaloAttention"),
        ("SKAttention", "SelectiveKernel"),
    ],
)
def test_what_other_collections_call_it(name, meant):
    assert str(find(name)) == meant


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("psa", "PyramidSplitAttention (channel), PolarizedSelfAttention (joint)"),
        ("SA", "MultiHeadAttention (dense), ShuffleAttention (joint)"),
    ],
)
@pytest.mark.parametrize("ask", [find, create])
def test_a_shared_name_raises_with_the_candidates(ask, name, candidates):
    with pytest.raises(ValueError) as error:
        ask(name)
    assert candidates in str(error.value) and repr(name) in str(error.value)


class SqueezeExcitaton(nn.Module):
    """Somebody's own, without a card."""


def test_what_is_not_found_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"class SqueezeExcitaton .* SqueezeExcitation"):
        find(SqueezeExcitaton())
    with pytest.raises(TypeError, match=r"class, instance or card is wanted, got 64$"):
        find(64)


def test_arguments_go_to_the_constructor_in_order():
    made = create("se", 64, 8)
    assert type(made) is SqueezeExcitation and made.squash.out_features == 8
    assert create(SqueezeExcitation, np.int64(64)).channels == 64
    assert create("eca", 8, None).kernel_size and create("simam", 8, 1).regularization == 1


CASES = [(card, change) for card in catalog() for change in ({}, *card.variants)]


@pytest.mark.parametrize(("card", "change"), CASES, ids=str)
def test_printing_shows_what_the_constructor_was_told(card, change):
    shown = repr(card.build(**change)).replace("\n", " ")
    for name, given in {**card.defaults, **card.example, **change}.items():
        unused = (str(card), name) == ("AttentionFree", "rank") and "max_tokens=None" in shown
        value = 0 if unused else given  # None stands for what it works out itself
        assert f"{name}=" in shown if value is None else f"{name}={value!r}" in shown


def test_the_front_door_is_whole_and_cheap():
    """A name is loaded when it is asked for, and no import puts a module in its place."""
    code = (
        "import sys, attention_lib\n"
        "rooms = ('adapt', 'checks', 'advice', 'teaching')\n"
        "print([r for r in rooms if f'attention_lib.{r}' in sys.modules])\n"
        "import attention_lib.adapt, attention_lib.checks\n"
        "import attention_lib.catalog, attention_lib.measure.cost\n"
        "from attention_lib import *\n"
        "print(all(map(callable, (catalog, find, create, measure, insert, on_maps, check))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "True"], done.stderr
    assert set(attention_lib.__all__) <= set(dir(attention_lib))
    with pytest.raises(AttributeError, match="'attention_lib' has no attribute 'nobody'"):
        attention_lib.nobody  # noqa: B018 - it is looked up, which raises


def test_everybody_asks_find():
    network = nn.Sequential(nn.Conv2d(3, 8, 3))
    [placed] = insert(network, SqueezeExcitation, where="0", reduction=2)
    assert type(placed.mechanism) is SqueezeExcitation
    assert str(realistic(SqueezeExcitation)) == "SqueezeExcitation"
    assert display.card(SqueezeExcitation) == display.card("senet") == display.card(find("se"))


def test_anything_can_be_checked():
    assert [c.check for c in check("se")] == [c.__name__ for c in CONTRACT]
    for thing in (SqueezeExcitation, create("se", 64), find("se")):
        assert {found.verdict for found in check(thing)} == {"passed", "not applicable"}
