"""`recommend` counts as the library does, and says why."""

import re

import pytest

from attention_lib.advice.need import Need
from attention_lib.advice.ranking import recommend
from attention_lib.cli.main import main


def said(capsys, line):
    code = main(["recommend", *line.split()])
    out, error = capsys.readouterr()
    return code, out, error


def test_the_command_ranks_and_says_why(capsys):
    line = "--layout maps --height 14 --features 256 --task gate --memory 1GiB --batch 2"
    code, out, _ = said(capsys, line)
    assert code == 0 and out.startswith("14 × 14 pixels, 256 features, batch of 2, float32;")
    need = Need("maps", 256, height=14, width=14, task="gate", batch=2)
    choices = recommend(need).choices
    table = out.partition("why\n")[0].splitlines()[3:-1]
    for row, choice in zip(table, choices, strict=True):
        counts = rf"{choice.macs:,} +{choice.touched:,} +{choice.params:,} +392 KiB"
        assert re.match(rf"{choice.name} +{counts} *{choice.changed}$", row)
    for choice in choices:
        assert choice.path.why in out and choice.path.leaf.use in out
    assert "SqueezeExcitation 7 of 7" in out and "HaloAttention" in out.partition("left out")[2]
    assert re.search(r"^  \d+ mechanisms: works on tokens$", out, flags=re.MULTILINE)


def test_the_command_says_that_nothing_fits(capsys):
    code, out, _ = said(capsys, "--layout tokens --tokens 9 --memory 1KiB --by touched")
    assert code == 0 and "nothing fits" in out and "of 1,024 allowed" in out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--layout maps", "a map has a height and a width: give both"),
        ("--tokens 5", "Missing option '--layout'"),
        ("--layout maps --height 4 --task pair", "no task 'pair' on maps; there are scores, gate"),
        ("--layout tokens --tokens 4 --memory much", "memory='much' must be a number and a unit"),
        ("--layout tokens --tokens 4 --by speed", "by='speed' must be one of macs"),
        ("--layout tokens --tokens 0", "Invalid value for '--tokens'"),
    ],
)
def test_the_command_is_refused_in_one_line(capsys, line, told):
    code, out, error = said(capsys, line)
    assert (code, out) == (2, "") and told in error and error.count("\n") == 1
