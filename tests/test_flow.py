"""A flow is what the code does; faults in the flow or in the code are found."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from attention_lib import check
from attention_lib.cards.flow import FlowError, parse
from attention_lib.cards.notation import SYMBOLS
from attention_lib.cards.shape import Maps
from attention_lib.catalog import every_card, find
from attention_lib.checks import verdict
from attention_lib.checks.flow import check_flow
from tests.support.flows import survivors

MAPS = {"x": ("channels", "height", "width")}
SE = find("SqueezeExcitation")


def plain(card):
    """A flow without labels and alignment."""
    lines = (line.partition("#")[0].strip() for line in re.split("[\n;]", card.flow.strip()))
    return "\n".join(re.sub(r" +", " ", line) for line in lines)


# fault: mechanism, what stands in its flow, what is put there, words of the complaint
PLANTED = {
    "two steps exchanged": (
        *("SqueezeExcitation", "relu\nexcite -> channels\ng = sigmoid"),
        *("sigmoid\nexcite -> channels\ng = relu", "sigmoid: (hidden) = (5,) is not made there"),
    ),
    "no skip": ("SqueezeExcitation", "times g x", "times g", "y = times: the code reads x too"),
    "a wrong shape": (
        *("SqueezeExcitation", "squash -> hidden", "squash -> channels"),
        "(channels) = (16,) is not made there, but (11, 5)",
    ),
    "no activation": (
        *("SqueezeExcitation", "\nrelu", ""),
        "excite: relu comes before it, and no line names it",
    ),
    "no gate": ("SqueezeExcitation", "\ng = sigmoid", "\ng = tanh", "the code has no tanh"),
    "several operations hide a part": (
        *("SqueezeExcitation", "squash -> hidden\nrelu\nexcite -> channels", "[gate] -> channels"),
        "the code also uses the parameter squash.weight",
    ),
    "a gate reads the map before its gate": (
        *("ConvolutionalBlockAttention", "times g gated", "times g x", "times"),
    ),
    "query and key exchanged": (
        *("MultiHeadAttention", "product query key", "product key query", "in this order"),
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_in_a_flow_is_found(fault):
    name, right, wrong, words = PLANTED[fault]
    card = find(name)
    assert right in plain(card)
    changed = replace(card, flow=plain(card).replace(right, wrong, 1))
    with pytest.raises(FlowError, match=re.escape(words)):
        check_flow(changed)


class NoActivation(SE.mechanism):
    def gate(self, x):
        return self.excite(self.squash(x.mean(dim=(-2, -1)))).sigmoid()


class OverChannels(SE.mechanism):
    def forward(self, x: Maps) -> Maps:
        return self.gate(x)[..., None, None] * x.mean(dim=1, keepdim=True).expand_as(x)


class Residual(SE.mechanism):
    def forward(self, x: Maps) -> Maps:
        return super().forward(x) + x


class Twice(SE.mechanism):
    def gate(self, x):
        return self.excite(self.squash(self.excite(self.squash(x.mean((-2, -1)))).relu())).sigmoid()


@pytest.mark.parametrize("changed", [NoActivation, OverChannels, Residual, Twice])
def test_a_fault_in_the_code_is_found(changed):
    assert verdict(check_flow, replace(SE, mechanism=changed))[0] == "failed"


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_every_mechanism_has_a_flow_that_is_read_at_a_glance(card):
    steps = card.steps.steps
    assert 1 <= len(steps) <= 19
    assert sum(step.several for step in steps) <= 3, "name the operations"
    long = [step.label for step in steps if len(step.label) > 24]
    assert not long, "a label that a phone cannot show"


@pytest.mark.parametrize("card", every_card(), ids=str)
def test_every_axis_of_a_flow_has_a_letter(card):
    axes = " ".join(axis for step in card.steps.steps for axis in step.axes)
    words = set(re.findall(r"[A-Za-z]\w*", axes)) - {"ceiling", "floor"}
    assert words <= SYMBOLS.keys(), f"no letter in cards/notation.py: {words - SYMBOLS.keys()}"


def test_every_small_change_of_a_flow_is_found():
    """The tool does this for all mechanisms: `make flows`."""
    found, tried = survivors(SE)
    assert not found and tried > 30


@pytest.mark.parametrize(
    ("text", "words"),
    {
        "": "at least one step",
        "z mean x -> -> C": "cannot read 'z mean x -> -> C'",
        "x = mean": "makes x, which is there already",
        "z, z = mean": "makes z, which is there already",
        "a, b = split x\nrelu": "'relu': say what it reads",
        "y = times scale": "needs axes",
    }.items(),
)
def test_what_cannot_be_read_is_refused_with_its_line(text, words):
    with pytest.raises(FlowError, match=re.escape(words)):
        parse(text, MAPS)


@pytest.mark.parametrize(
    ("line", "words"),
    {
        "z = mean w -> channels": "'w' is no input, no parameter, and no line above makes it",
        "z = mean x -> channel": "cannot measure 'channel': a word is not known",
        "z = mean x -> channels*": "cannot measure 'channels*'",
        "z = mean x -> channels; n := channels +": "cannot measure 'channels +'",
    }.items(),
)
def test_a_word_that_is_not_known_is_named(line, words):
    with pytest.raises(FlowError, match=re.escape(words)):
        check_flow(replace(SE, flow=line))


def test_a_flow_is_read_as_it_is_written():
    flow = parse("a, b = split x -> heads n # halves; c = product a b -> n n; n := height*2", MAPS)
    split, product = flow.steps
    assert (split.key, split.names, split.label) == ("a, b", ("a", "b"), "halves")
    assert (product.inputs, product.axes) == (("a", "b"), ("n", "n"))
    assert flow.formulas == {"n": "height*2"} and not flow.parameters


class Gate(nn.Module):
    """A reader's own module, whose forward says no shapes."""

    def __init__(self, channels):
        super().__init__()
        self.score = nn.Linear(channels, channels)

    def forward(self, features):
        return features * self.score(features.mean((2, 3))).sigmoid()[..., None, None]


RIGHT = "mean features -> channels; score; s = sigmoid; times features s -> channels height width"


def verdicts(**options):
    return {each.check: each for each in check(Gate, channels=6, layout="maps", **options)}


def test_the_flow_of_a_custom_module_is_proven():
    assert verdicts(flow=RIGHT)["check_flow"].verdict == "passed"
    wrong = verdicts(flow=RIGHT.replace("s = sigmoid", "s = softmax"))["check_flow"]
    assert wrong.verdict == "failed" and "the code has no softmax" in wrong.why
    assert verdicts()["check_flow"].verdict == "not applicable"


class Decides(Gate):
    def forward(self, features):
        return features if features.sum() > 0 else -features


def test_what_cannot_be_traced_is_named():
    found = check(Decides(3), layout="maps", sizes=dict(channels=3), flow="y = neg features")
    [told] = [each for each in found if each.check == "check_flow"]
    assert told.verdict == "failed" and "torch.export cannot trace Decides" in told.why


def test_a_flow_tells_the_steps_of_the_example_alone():
    card = find("mha")
    told = {each.check: each.verdict for each in check(card, causal=True)}
    assert told["check_flow"] == "not applicable"


def test_the_graph_leaves_the_module_as_it_was():
    module = SE.build().train()
    state = torch.get_rng_state()
    check_flow(SE)
    assert module.training and torch.equal(state, torch.get_rng_state())
