"""A flow is what the code does; faults in the flow or in the code are found."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attention_lib import check
from attention_lib.cards.flow import FlowError, parse
from attention_lib.cards.notation import SYMBOLS
from attention_lib.cards.shape import Maps
from attention_lib.catalog import every_card, find
from attention_lib.checks import verdict
from attention_lib.checks.flow import check_flow
from attention_lib.checks.formulas import number
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


KNOWN = dict(channels=16, heads=3, kernel_sizes=(3, 5))


@pytest.mark.parametrize(
    ("text", "size"),
    {
        "2*channels": 32,
        "ceiling(channels/heads)": 6,
        "floor(channels / heads)": 5,
        "channels//heads + channels % heads": 6,
        "kernel_sizes[1]**2 - 1": 24,
    }.items(),
)
def test_a_formula_is_measured(text, size):
    assert number(text, KNOWN) == size


@pytest.mark.parametrize(
    "text",
    [
        *("__import__('os').getcwd()", "print(3)", "open('x')", "(lambda: 3)()", "heads.real"),
        *(
            "[c for c in kernel_sizes][0]",
            "'a'",
            "9**9**9",
            "2**999",
            "1/0",
            "1 % 0",
            "",
            "True + ",
        ),
        *("E", "pi", "kernel_sizes", "kernel_sizes[2]", "channels/3", "channels + 1/2", "-" * 9999),
    ],
)
def test_a_formula_runs_nothing_and_is_whole(text, capsys):
    with pytest.raises(FlowError, match=r"cannot measure|no whole number"):
        number(text, KNOWN)
    assert not capsys.readouterr().out


class Bare(nn.Module):
    """One 1 × 1 convolution, and what a subclass makes of it."""

    def __init__(self, channels):
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 1)
        self.qkv = nn.Linear(channels, 3 * channels)


class WritesAPart(Bare):
    def forward(self, x):
        y = self.a(x)
        y[:, :8] = y[:, :8].relu()
        return y


class ForgetsAPart(Bare):
    def forward(self, x):
        y = self.a(x).clone()
        y[:, :8] = 0
        return y.sigmoid()


class Causal(Bare):
    def forward(self, x):
        query, key, value = self.qkv(x.flatten(2).mT).unflatten(-1, (3, -1)).unbind(2)
        read = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return read.mT.unflatten(2, x.shape[2:])


class ByIndex(Bare):
    def forward(self, x):
        parts = self.qkv(x.flatten(2).mT).unflatten(-1, (3, -1)).permute(2, 0, 1, 3)
        query, key, value = parts[0], parts[1], parts[2]
        return ((query @ key.mT).softmax(-1) @ value).mT.unflatten(2, x.shape[2:])


class Drops(Bare):
    def forward(self, x):
        return F.dropout(1 - self.a(x).sigmoid(), 0.5, self.training)


class Squares(Bare):
    def forward(self, x):
        u = self.a(x)
        return u * u


class Triples(Bare):
    def forward(self, x):
        return self.a(x) * 3


class Alike(Bare):
    def forward(self, x):
        return torch.cat([x.relu() for _ in range(8)], dim=1)[:, :16]


PLACES = "height*width height*width"
READ = "weights = softmax; product weights value -> height*width channels"
WHOLE = "channels height width"
SPLIT = f"query, key, value = qkv x -> height*width channels; product query key -> {PLACES}"
JOIN = ("a{} = relu x;" * 8).format(*range(8)) + "join a7 a6 a5 a4 a3 a2 a1 a0 -> 8*" + WHOLE


@pytest.mark.parametrize(
    ("module", "flow", "words"),
    [
        (WritesAPart, "a x", "relu comes before it"),
        (WritesAPart, f"u = a x; v = relu u -> 8 height width; [put back] u v -> {WHOLE}", ""),
        (ForgetsAPart, "a x; sigmoid", "fill comes before it"),
        (Causal, f"{SPLIT}; {READ}", "masked_fill comes before it"),
        (Causal, f"{SPLIT}; masked_fill; {READ}", ""),
        (ByIndex, f"{SPLIT}; {READ}", ""),
        (Drops, "a x; z = sigmoid; minus z", ""),
        (Drops, "a x; \tz =\u00a0sigmoid; minus z; y = dropout", ""),
        (Drops, "a x; z = sigmoid", "the answer = sigmoid: rsub comes before it"),
        (Drops, "a x; z = sigmoid; relu z", "the code has no relu that is left; it has rsub"),
        (
            Drops,
            f"a features -> {WHOLE}",
            "'features' is no input, no parameter, and no line above makes it; the",
        ),
        (Squares, "u = a x; times u u", ""),
        (Triples, "u = a x; times u u", "the code reads u once"),
        (Alike, JOIN, "too many operations are alike"),
        (Drops, "a x; z = sigmoid; y = minus z; a := 3; a := 4", "a word is measured once"),
        (Drops, "a x; channels := 3", "the card or the module knows channels already"),
    ],
)
def test_what_custom_modules_do_is_seen(module, flow, words):
    found = check(module, channels=16, layout="maps", sizes=dict(channels=16), flow=flow)
    [told] = [each for each in found if each.check == "check_flow"]
    assert told.verdict == ("failed" if words else "passed"), told.why
    assert words in told.why
