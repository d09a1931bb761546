"""Every command has its help, says in one line what is wrong, and prints into a pipe as well."""

import re
import subprocess
import sys

import pytest

from attention_lib import __version__
from attention_lib.catalog import catalog
from attention_lib.cli.main import main
from attention_lib.cli.tables import console_for


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
        ("cost mha tokens=100000000000000000000", "tokens=100000000000000000000 is too large"),
        ("cost se channels=100000000000000000000", "channels=100000000000000000000 is too large"),
        ("cost mha tokens=2000000000 batch=2000000000", "tokens=2000000000, dim=512): too large"),
        ("cost mha tokens=1e9", "tokens=1000000000.0 must be a number, at least 1"),
        ("cost mha dim=x", "dim='x' must be an integer"),
        ("cost mha causal=3", "causal=3 must be True or False"),
        ("check se --sizes tokens=3", "no axis 'tokens'; it has batch, channels, height, width"),
        ("check se --sizes height=0", "height=0 must be a number, at least 1"),
        ("check STOPS:Gate", "STOPS does not run: SystemExit: bye"),
        (
            "bench se --axis height --sizes 8 --device cuda:99",
            "device='cuda:99', but torch sees no",
        ),
        ("peers se --device gpu", "device='gpu' must be cpu or cuda"),
        ("compare se eca --height 1000000000", "height=1000000000, width=1000000000"),
        ("compare se eca --threads 100000000000000000000", "Invalid value for '--threads'"),
        ("recommend --layout tokens --tokens 100000000000000000000", "tokens=1000000000000000000"),
        ("recommend --layout maps --height 8 --memory HUGETiB", "must be a number and a unit"),
        ("compare mha --features 12", "dim=12 must be a multiple of heads=8"),
    ],
)
def test_errors_are_one_line(say, gates, line, said):
    for name in ("broken.py", "broken.py.txt"):
        (gates / name).write_text("def\n")
    (gates / "stops.py").write_text("raise SystemExit('bye')\n")
    line = line.replace("HUGE", "9" * 400)
    for word, name in (("GATES", "gates.py"), ("BROKEN", "broken.py"), ("STOPS", "stops.py")):
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
