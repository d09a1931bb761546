"""The rules of a chapter, on a text that keeps them and on texts that break one."""

from functools import partial

import pytest

from tests.support import rules
from tools.chapters import HEADINGS, OPENING, QUESTIONS

complaints = partial(rules.complaints, name="tiny")
LINE = QUESTIONS.replace("NAME", "tiny")
PARTS = "".join(f"\n## {heading}\n\nProse.\n" for heading in HEADINGS)
GOOD = OPENING + PARTS.replace("\n## Summary", f"\n{LINE}\n\n## Summary")
ASKED = """
**Exercise 1** ★ *In code.* Add them.

<details><summary>Hint 1</summary>

Use `+`.

</details>
"""


def code(source: str, tags: str = "") -> str:
    return f"\n```{{code-cell}} ipython3\n:tags: [{tags}]\n\n{source}\n```\n"


STUB = code('def added(a, b):\n    """Your code here."""\n\n\nexercises.judge("x 1", added)')
SOLVED = code("def added_solution(a, b):\n    return a + b", "solution")
EXERCISE = ASKED + STUB + SOLVED


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("seed = 0", "seed = 1"), "first two code cells"),
        (GOOD.replace("git+REPOSITORY", "REPOSITORY"), "first two code cells"),
        (GOOD.replace("[install]", "[]"), "first two code cells"),
        (GOOD.replace("[setup, nbval-ignore-output]", "[setup]"), "no set-up"),
        (GOOD.replace("display.stamp(preset, device)", "pass"), "no set-up"),
        (GOOD.replace("# Title", "Title"), "title"),
        (GOOD.replace("## Break it", "## Repair it"), "Break it"),
        (GOOD.replace("## Why", "## How").replace("## Use it", "## Why"), "in this order"),
        (GOOD.replace(LINE, ""), "the last line above its summary is not"),
        (GOOD.replace("tiny.html", "dense.html"), "is not '[Five questions on this chapter](SITE/"),
        (GOOD + "\n```{note}\nMark this.\n```\n", "directive"),
        (GOOD + "\n:::{note}\nMark this.\n:::\n", "directive"),
        (GOOD + "\nSee {cite}`hu2018squeeze`.\n", "role"),
        (GOOD + "\n(here)=\n", "label"),
        (GOOD + "\n![gate](data:image/png;base64,AAAA)\n", "picture"),
        (GOOD + "\nSee [here](../book/intro.md).\n", "'../book/intro.md' leads nowhere"),
        (GOOD + "\nSee [here](#why).\n", "'#why' leads nowhere"),
        (GOOD + '\n<img alt="a" src="gate.svg">\n', "'gate.svg' leads nowhere"),
        (GOOD + "\nSee [here].\n\n[here]: intro.md\n", "'intro.md' leads nowhere"),
        (GOOD + "\n$$ a \\\\\nb \\tag{1} $$\n", r"a formula with \tag is one line"),
        (GOOD + code("plt.plot(x);"), "nbval"),
        (GOOD + code("raise ValueError", "raises-exception"), "'raises-exception' is none of"),
        (GOOD + code("x = 1", "hide-input"), "'hide-input' is none of parameters, install"),
        (GOOD + code("x = 1", "remove-cell"), "'remove-cell' is none of"),
        (GOOD + code("x = 1", "figure, check"), "of one kind, not of figure and check"),
        (GOOD + code('display.family("channel")'), "a new mechanism changes"),
        (GOOD + code("for card in catalog():\n    print(card)"), "a new mechanism changes"),
        (GOOD + code(f"x = {'1' * 76}"), "80 letters of code, at most 79"),
        (GOOD + code("if x:\n    assert x"), "assert stands in cells tagged check or solution"),
        (GOOD + code("assert x", "figure"), "assert stands in cells tagged check or solution"),
        (GOOD + code("def f(:"), "it is no Python"),
        (GOOD + SOLVED, "above the first exercise"),
        (GOOD + EXERCISE.replace("Hint 1<", "Hint<"), "'Hint' belongs to exercise 1: <summary>"),
        (GOOD + EXERCISE.replace("Hint 1<", "Solution 2<"), "'Solution 2' belongs to exercise 1"),
        (GOOD + EXERCISE.replace("Exercise 1*", "Exercise 2*"), "exercise 2 is the 1th"),
        (GOOD + EXERCISE.replace("added_solution", "added"), "added is for the reader to define"),
        (GOOD + EXERCISE + code("added(1, 2)"), "added is the reader's"),
        (GOOD + EXERCISE + code("def f():\n    added(1, 2)", "check"), "added is the reader's"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(text, complaint):
    assert any(complaint in found for found in complaints(text))


def test_a_chapter_that_keeps_the_rules_is_left_in_peace():
    plain = (
        "\nA set $\\{1, 2\\}$, `{x}` in code, {braces}, $a[i](x)$, a [page](SITE/book/intro.html),"
        " a [paper](https://arxiv.org/abs/1), and\n\n```python\n# Title in code\n```\n"
        "\n<details><summary>Letters in this chapter</summary>\n\n</details>\n"
    )
    tried = code("assert added_solution(1, 2) == 3", "check")
    magic = code("if x:\n    %pip install y")
    assert not complaints(GOOD + plain + code("plt.show()") + magic + EXERCISE + tried)


def test_a_broken_rule_is_named_with_its_line():
    text = (
        GOOD
        + "\nSee\n[here](x.md)"
        + code("x = 1\nassert x")
        + EXERCISE.replace("Hint 1<", "Hint<")
    )
    lines = text.splitlines()
    found = [int(told.partition(":")[0].removeprefix("line ")) for told in complaints(text)]
    assert [lines[number - 1] for number in found] == [
        "[here](x.md)", "assert x", "<details><summary>Hint</summary>",
    ]  # fmt: skip
