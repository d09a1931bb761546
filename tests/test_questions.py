"""The questions of chapters are read, and a broken file says what is wrong with it."""

import pytest
import yaml

from tools.chapters import ROOT, chapters
from tools.questions import questions

FILES = sorted((ROOT / "book/questions").glob("*.yml"))


def asked(right: int = 0, choices: int = 3) -> dict:
    """A sound question."""
    made = [{"text": f"choice {i}", "because": f"reason {i}"} for i in range(choices)]
    made[right]["right"] = True
    return {"question": "What is $x^2$?", "choices": made}


@pytest.fixture
def written(tmp_path):
    """Writes a file of questions beside a chapter of that name."""
    for folder in ("questions", "chapters"):
        (tmp_path / folder).mkdir()
    (tmp_path / "chapters/dense.md").touch()

    def write(content, name="dense"):
        file = tmp_path / f"questions/{name}.yml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return file

    return write


def test_sound_questions_are_read(written):
    found = questions(written([asked(0), asked(1), asked(2), asked(3, choices=4), asked(1)]))
    assert [question.answer for question in found] == list("abcdb")
    assert found[3].choices[3].because == "reason 3"


def broken(change):
    entry = asked(1)
    change(entry)
    return [asked(0), asked(1), entry, asked(2), asked(0)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([asked(i % 3) for i in range(4)], "dense.yml: 5 questions are wanted, it has 4"),
        ({"question": 1}, "dense.yml: 5 questions are wanted, it has no list of"),
        ("- question: [", "dense.yml is not YAML"),
        (broken(lambda q: q["choices"][1].pop("right")), "question 3: exactly one .* here none"),
        (broken(lambda q: q["choices"][0].update(right=True)), "question 3: exactly one .* here 2"),
        (broken(lambda q: q["choices"][2].pop("because")), "question 3: choice c has no `because`"),
        (broken(lambda q: q["choices"][2].update(text=" ")), "question 3: choice c has no `text`"),
        (broken(lambda q: q["choices"][0].update(true=1)), "question 3: choice a has `true`"),
        (broken(lambda q: q["choices"].pop()), "question 3: three or four choices .* it has 2"),
        (broken(lambda q: q.pop("question")), "question 3: it must have `question` and `choices`"),
        ([asked(1) for _ in range(5)], "dense.yml: the place of the right choice is the same"),
    ],
)
def test_a_broken_file_names_file_question_and_rule(written, content, words):
    with pytest.raises(ValueError, match=words):
        questions(written(content))


def test_a_file_of_no_chapter_is_refused(written):
    with pytest.raises(ValueError, match=r"sparse\.yml: there is no chapter 'sparse'"):
        questions(written([asked(i % 3) for i in range(5)], name="sparse"))


def test_the_questions_of_every_chapter_keep_the_rules():
    assert [file.stem for file in FILES] == [chapter.stem for chapter in chapters()]
    for file in FILES:
        assert questions(file)
