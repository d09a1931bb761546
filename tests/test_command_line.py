"""The command line: what it prints, in one line what is wrong, and its exit codes."""

import json
import pickle
import re
import subprocess
import sys
from copy import deepcopy

import pytest
import torch

from attention_lib import __version__
from attention_lib.catalog import catalog, find
from attention_lib.checks import CONTRACT, checks_for, ready, verdict
from attention_lib.checks.adopt import card_for_module, load
from attention_lib.cli.main import main
from attention_lib.cli.tables import console_for

GATES = '''
"""Gates of a reader."""

from __future__ import annotations

import torch
from neighbour import REDUCTION
from torch import nn


class Gate(nn.Module):
    """Scale each channel."""

    def __init__(self, planes, reduction=REDUCTION):
        super().__init__()
        self.squash = nn.Linear(planes, planes // reduction)
        self.excite = nn.Linear(planes // reduction, planes)

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        gate = self.excite(self.squash(feature.mean((2, 3))).relu()).sigmoid()
        return feature * gate[:, :, None, None]


class Meets(nn.Module):
    """Mixes the samples of a batch."""

    def __init__(self, dim):
        super().__init__()
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        return self.out(x - x.mean(0, keepdim=True))


class Two(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x, x


class Fussy(nn.Module):
    def __init__(self, dim):
        super().__init__()

    def forward(self, query, key):
        return query
'''
ANNOTATED = '''
"""Scale all (Nobody, 2020)."""

from jaxtyping import Float
from torch import Tensor, nn, zeros

from attention_lib.cards.shape import shaped


class Scale(nn.Module):
    r"""Multiply by one learned number.

    .. math::
        y = a x

    Args:
        dim: features.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim, self.factor = dim, nn.Parameter(zeros(1))

    @shaped
    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        return self.factor * x
'''


@pytest.fixture
def gates(tmp_path):
    (tmp_path / "neighbour.py").write_text("REDUCTION = 4\n")
    (tmp_path / "gates.py").write_text(GATES)
    (tmp_path / "scale.py").write_text(ANNOTATED)
    return tmp_path


@pytest.fixture
def say(capsys):
    """Run a command; (exit code, standard output, standard error)."""

    def run(*arguments):
        code = main([str(a) for a in arguments])
        out, error = capsys.readouterr()
        assert "Traceback" not in error and "\x1b" not in out + error
        return code, out, error

    return run


def verdicts(out):
    """check -> passed, failed, xfail or not applicable."""
    pattern = r"^(passed|failed|xfail|not applicable) +(\w+(?: \w+)*)  "
    return {check: status for status, check in re.findall(pattern, out, flags=re.MULTILINE)}


# ---- looking up


def test_help_is_a_page_with_every_command(say):
    code, out, _ = say("--help")
    assert code == 0 and out == say()[1]
    for command in ("list", "show", "cost", "check", "bench", "recommend"):
        assert re.search(rf"^  {command}  +\w.*\.$", out, flags=re.MULTILINE), command
        code, page, _ = say(command, "--help")
        assert code == 0 and "Usage: attention-lib" in page
    assert "attention-lib cost mha tokens=1000000\n" in out
    assert "..." not in out.partition("Commands:")[2], "a summary is cut"
    assert say("--version")[1].strip() == __version__


@pytest.mark.whole_catalog
def test_list_shows_each_mechanism_on_a_line_of_its_own(say):
    lines = say("list")[1].splitlines()[1:]
    assert [line.split()[0] for line in lines] == [str(card) for card in catalog()]
    for line, card in zip(lines, catalog(), strict=True):
        assert line.endswith(card.summary) and all(alias in line for alias in card.aliases)


def test_list_filters(say):
    def listed(*options):
        return [line.split()[0] for line in say("list", *options)[1].splitlines()[1:]]

    assert listed("--family", "channel") == [str(card) for card in catalog("channel")]
    assert listed("--layout", "tokens") == [str(c) for c in catalog() if c.layout == "tokens"]
    assert listed("--family", "channel", "--layout", "tokens") == []


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_show_says_what_the_card_says(say, card):
    code, out, _ = say("show", card.aliases[0])
    assert code == 0
    assert all(line in out for line in (card.title, card.summary, card.params, card.macs))
    assert all(line.strip() in out for line in card.formula.splitlines())
    assert all(oracle in out for oracle in card.oracles)
    assert card.mechanism.__module__.rpartition(".")[2] + ".py" in out
    assert "class " + str(card) not in out
    assert "class " + str(card) in say("show", str(card), "--source")[1]


# ---- counting


def numbers(out):
    """title -> (counted, declared)."""
    rows = re.findall(r"^(\w[\w -]*?) +([\d,]+) +([\d,]+)  ", out, flags=re.MULTILINE)
    return {title: (counted, declared) for title, counted, declared in rows}


def test_cost_counts_a_million_tokens(say):
    code, out, _ = say("cost", "mha", "tokens=1_000_000", "dim=256", "heads=4")
    n, d = 10**6, 256
    assert code == 0 and "MultiHeadAttention(dim=256, heads=4) on x (batch=1, tokens=1000000" in out
    assert numbers(out) == {
        "parameters": (f"{4 * d * d:,}",) * 2,
        "multiply-adds": (f"{4 * n * d * d + 2 * n * n * d:,}",) * 2,
        "largest tensor": (f"{3 * n * d:,}",) * 2,
    }


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_counted_is_declared_also_for_a_batch(say, card):
    counts = numbers(say("cost", str(card), "batch=3")[1])
    assert len(counts) == 3
    assert all(counted == declared for counted, declared in counts.values()), counts


# ---- checking


def test_check_goes_through_the_contract(say):
    code, out, _ = say("check", "se", "reduction=5")
    assert code == 0 and "SqueezeExcitation(channels=16, reduction=5)" in out
    named = [check.__name__.removeprefix("check_").replace("_", " ") for check in CONTRACT]
    assert list(verdicts(out)) == named
    applies = len(list(checks_for(find("se"))))
    assert out.splitlines()[-1] == f"{applies} passed, {len(CONTRACT) - applies} not applicable"
    assert {check for check, status in verdicts(out).items() if status == "not applicable"} == {
        *("causal", "key mask", "steps", "declared state")
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
    assert home.Gate is gate and card.mechanism is not gate
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


# ---- timing


def test_bench_prints_a_table_and_stores_it(say, tmp_path):
    path = tmp_path / "deep" / "bench.json"
    code, out, _ = say("bench", "se", "ECA", "channels=32", "--axis", "height,width", "--sizes",
                       "2,4,8,16,32", "--seconds", 0, "--backward", "--json", path)  # fmt: skip
    assert code == 0 and "forward and backward, float32" in out
    stored = json.loads(path.read_text())
    [made] = stored["sweeps"]
    assert {"processor", "threads", "torch", "date"} <= stored["provenance"].keys()
    assert (made["axis"], made["backward"]) == ("height,width", True)
    assert made["fixed"] == {"channels": 32}
    assert [row["size"] for row in made["rows"]] == [2, 2, 4, 4, 8, 8, 16, 16, 32, 32]
    for row in made["rows"]:
        assert re.search(rf"^{row['mechanism']} +{row['size']} .* {row['params']}$", out, re.M)
    assert re.search(r"^SqueezeExcitation +-?\d\.\d\d \[.*\] .* 1\.\d\d \[", out, re.MULTILINE)


def test_bench_says_why_there_is_no_exponent(say):
    out = say("bench", "se", "--axis", "channels", "--sizes", "32", "--seconds", 0)[1]
    assert "no exponents: an exponent needs at least five sizes, got [32]" in out


def test_compare_gives_maps_and_tokens_the_same_pixels(say):
    line = "compare se mha eca --height 4 --width 6 --features 32 heads=2 --seconds 0"
    code, out, _ = say(*line.split())
    assert code == 0
    assert "SqueezeExcitation(channels=32) on x (batch=1, channels=32, height=4, width=6)" in out
    assert "MultiHeadAttention(dim=32, heads=2) on x (batch=1, tokens=24, dim=32)" in out
    for name, params, macs, largest in [
        ("SqueezeExcitation", 32 * 2 * 2 + 34, 32 * 2 * 2, 32 * 24),
        ("MultiHeadAttention", 4 * 32**2, 24 * 4 * 32**2 + 2 * 24**2 * 32, 3 * 32 * 32),
        ("EfficientChannelAttention", 3, 96, 32 * 24),
    ]:
        assert re.search(rf"^{name} +{params:,} +{macs:,} +{largest:,} .*s .*B$", out, re.M), name


def test_compare_needs_no_map_where_there_are_only_tokens(say):
    line = "compare mha --tokens 11 --features 16 --seconds 0 --backward --dtype bfloat16"
    out = say(*line.split())[1]
    assert out.startswith("forward and backward, bfloat16") and "tokens=11, dim=16" in out


# ---- what is wrong, in one line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("show squeze", "no mechanism 'squeze'; did you mean "),
        ("display se", "No such command 'display'"),
        ("show", "Missing argument"),
        ("list --famly channel", "--famly"),
        ("list --family channels", "no family 'channels'; there are dense, linear"),
        ("list --layout rows", "no layout 'rows'; there are maps, tokens"),
        ("cost se tokens=4", "no axis 'tokens'; it has batch, height, width, channels"),
        ("cost se channels", "'channels' must be of the form name=value"),
        ("cost se channels=8", "reduction=16 must be between 1 and channels=8"),
        ("cost se height=0", "height=0 must be a number, at least 1"),
        ("check se channels=2", "reduction=3 must be between"),
        ("check nowhere.py:Gate", "there is no file nowhere.py"),
        ("check GATES:Gat", "say which class of GATES, as in GATES:Class; it has Gate, Meets"),
        ("check GATES", "it has Gate, Meets, Two, Fussy"),
        ("check GATES:Gate planes=16", "say which layout Gate has: maps or tokens"),
        ("check GATES:Gate --layout maps", "missing a required argument: 'planes'"),
        ("check GATES:Two channels=4", "Two(channels=4) does not work: TypeError: forward must"),
        ("check GATES:Fussy dim=4", "Fussy.forward must need one tensor, it needs query, key"),
        ("check BROKEN:A", "BROKEN does not run: SyntaxError"),
        ("check BROKEN.txt", "BROKEN.txt is not a Python file"),
        ("bench se --axis tokens --sizes 8", "no axis 'tokens'"),
        ("bench se --axis height --sizes 8,x", "--sizes must be numbers of at least 1"),
        ("bench se --axis height --sizes 8 --device tpu", "device='tpu' must be cpu or cuda"),
        ("bench se --axis height --sizes 8 --dtype int8", "dtype='int8' is no floating type"),
        ("bench height=8 --axis height --sizes 8", "nothing to measure: 0 mechanisms"),
        ("bench se --sizes 8", "Missing option '--axis'"),
        ("compare height=8", "nothing to compare: name two mechanisms or more"),
        ("compare se mha --tokens 9", "tokens=9 says nothing of a map: give --height and --width"),
        ("compare se eca heads=2", "none of them has an axis or argument heads"),
        ("compare se --height 0", "Invalid value for '--height'"),
        ("compare mha --features 12", "dim=12 must be a multiple of heads=8"),
    ],
)
def test_errors_are_one_line(say, gates, line, said):
    for name in ("broken.py", "broken.py.txt"):
        (gates / name).write_text("def\n")
    for word, name in (("GATES", "gates.py"), ("BROKEN", "broken.py")):
        line, said = line.replace(word, f"{gates}/{name}"), said.replace(word, f"{gates}/{name}")
    code, out, error = say(*line.split())
    assert code == 2 and out == ""
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error


def test_an_unforeseen_error_is_one_line_too(say, monkeypatch):
    def break_down(family=None):
        raise RuntimeError("one\ntwo")

    monkeypatch.setattr("attention_lib.cli.list.catalog", break_down)
    assert say("list") == (2, "", "error: RuntimeError: one two\n")


def test_without_typer_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in ("__main__", "cli.main", "cli.app"):
        monkeypatch.delitem(sys.modules, f"attention_lib.{name}", raising=False)
    with pytest.raises(SystemExit, match=r'pip install "attention-lib\[cli\]"'):
        __import__("attention_lib.__main__")


# ---- terminals and pipes


def test_a_pipe_gets_plain_text_and_a_reader_may_leave():
    whole = subprocess.run(
        [sys.executable, "-m", "attention_lib", "list"], capture_output=True, text=True, check=True
    )
    assert "\x1b" not in whole.stdout and whole.stderr == ""
    assert all(card.summary in whole.stdout for card in catalog()), "cut or wrapped"
    assert not re.search(r" $", whole.stdout, flags=re.MULTILINE)


@pytest.mark.whole_catalog
def test_a_narrow_terminal_wraps_and_loses_nothing(say, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "70")
    assert console_for().width == 70
    main(["list"])
    out = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= 70 and "…" not in out
    for word in " ".join(card.summary for card in catalog()).split():
        assert word in out
    assert all(re.search(rf"^{card} ", out, flags=re.MULTILINE) for card in catalog())


def test_the_documented_examples_run(say):
    examples = re.findall(r"^ +attention-lib (.*)$", say("--help")[1], flags=re.MULTILINE)
    assert len(examples) == 7
    for example in examples[:3]:
        assert say(*example.split())[0] == 0, example
