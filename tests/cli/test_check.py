"""`check` holds a mechanism, or a module of a reader, to the contract."""

import pickle
import re
import sys
from copy import deepcopy

import torch

from attention_lib.catalog import find
from attention_lib.checks import CONTRACT, checks_for, ready, verdict
from attention_lib.checks.adopt import card_for_module
from attention_lib.checks.files import load


def verdicts(out):
    """check -> passed, failed, xfail or not applicable."""
    pattern = r"^(passed|failed|xfail|not applicable) +(\w+(?: \w+)*)  "
    return {check: status for status, check in re.findall(pattern, out, flags=re.MULTILINE)}


def test_check_goes_through_the_contract(say):
    code, out, _ = say("check", "se", "reduction=5")
    assert code == 0 and "SqueezeExcitation(channels=16, reduction=5)" in out
    named = [check.__name__.removeprefix("check_").replace("_", " ") for check in CONTRACT]
    assert list(verdicts(out)) == named
    applies = len(list(checks_for(find("se")))) - 1  # the flow is that of the card's example
    assert out.splitlines()[-1] == f"{applies} passed, {len(CONTRACT) - applies} not applicable"
    assert {check for check, status in verdicts(out).items() if status == "not applicable"} == {
        *("causal", "key mask", "steps", "declared state", "flow")
    }


def test_check_holds_a_readers_module_to_the_contract(say, gates):
    code, out, _ = say("check", f"{gates}/gates.py:Gate", "planes=16", "--layout", "maps")
    found = verdicts(out)
    assert code == 1, "it takes integers, and has no formula"
    assert "Gate(planes=16) on x (batch=2, channels=16, height=7, width=5)" in out
    beside = {check for check, status in found.items() if status == "not applicable"}
    assert {"nonsense is refused", "declared cost", "properties", "causal", "key mask"} <= beside
    failed = {check for check, status in found.items() if status == "failed"}
    assert failed == {"wrong shape is named", "wrong type is named", "docstring"}
    assert "Found: AssertionError: no formula" in out


def test_check_finds_what_is_wrong(say, gates):
    code, out, _ = say("check", f"{gates}/gates.py:Meets", "dim=16", "--sizes", "tokens=3")
    assert code == 1 and "x (batch=2, tokens=3, dim=16)" in out
    assert verdicts(out)["samples do not meet"] == "failed"
    assert verdicts(out)["gradients"] == "passed"


def test_check_reads_annotations_and_can_be_passed(say, gates):
    code, out, _ = say("check", f"{gates}/scale.py:Scale", "dim=6")
    assert "x (batch=2, tokens=7, dim=6)" in out
    assert set(verdicts(out).values()) == {"passed", "not applicable"} and code == 0


def test_a_card_leaves_the_class_and_the_random_numbers_alone(gates):
    """The module that defines a class goes on with it, and so does pickle."""
    gate = load(f"{gates}/gates.py:Gate")
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    card = card_for_module(gate, dict(planes=16), "maps")
    mechanism, [x] = ready(card)
    assert torch.equal(torch.rand(4), expected)
    home = sys.modules[gate.__module__]
    assert home.Gate is gate is card.mechanism
    assert isinstance(mechanism, gate) and str(card) == "Gate"
    for copy in (pickle.loads(pickle.dumps(mechanism)), deepcopy(mechanism)):
        assert isinstance(copy, gate) and torch.equal(copy(x), mechanism(x))
    assert type(pickle.loads(pickle.dumps(gate(16)))) is gate


def test_no_check_moves_the_random_numbers():
    card = find("AttentionFree")
    torch.manual_seed(3)
    expected = torch.rand(4)
    for check in checks_for(card):
        if check.__name__ not in ("check_compile", "check_export"):  # seconds each
            torch.manual_seed(3)
            assert verdict(check, card)[0] == "passed"
            assert torch.equal(torch.rand(4), expected), check.__name__


def test_a_network_is_held_to_what_applies_to_it(say):
    code, out, _ = say("check", "resnet50")
    assert code == 0 and "on x (batch=2, 3, height=37, width=29)" in out
    assert verdicts(out)["properties"] == "not applicable"


def test_check_proves_a_readers_diagram(say, gates, tmp_path):
    flow = tmp_path / "gate.flow"
    command = ("check", f"{gates}/gates.py:Gate", "planes=16", "--layout", "maps", "--flow")
    right = "mean feature -> channels; squash -> channels/reduction; relu; excite -> channels"
    right += "\ns = sigmoid; y = times feature s -> channels height width"
    for text, status in ((right, "passed"), (right.replace("relu; ", ""), "failed")):
        flow.write_text(text)
        _, out, _ = say(*command, f"{flow}")
        assert verdicts(out)["flow"] == status
    assert "excite: relu comes before it, and no line names it" in out
    code, _, wrong = say(*command, f"{tmp_path}/none.flow")
    assert code == 2 and "cannot read the flow in" in wrong
