"""The multiple-choice questions of a chapter, `book/questions/<chapter>.yml`, read and checked."""

from dataclasses import dataclass
from pathlib import Path

import yaml

NUMBER = 5  # questions a chapter
CHOICES = (3, 4)


@dataclass(frozen=True)
class Choice:
    """One answer that can be chosen, and why it is right or wrong."""

    text: str
    because: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked, in Markdown with `$…$`, and the choices, one of which is right."""

    question: str
    choices: tuple[Choice, ...]

    @property
    def answer(self) -> str:
        """The letter of the right choice."""
        [place] = [place for place, choice in enumerate(self.choices) if choice.right]
        return letter(place)


def letter(place: int) -> str:
    """How a choice is called: a, b, c, d."""
    return "abcd"[place]


def questions(file: Path) -> list[Question]:
    """The questions of a chapter.

    Raises:
        ValueError: if they break a rule; it names the file, the question and the rule.
    """
    chapter = file.parents[1] / "chapters" / f"{file.stem}.md"
    if not chapter.exists():
        raise ValueError(f"{file.name}: there is no chapter {file.stem!r}")
    try:
        told = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{file.name} is not YAML: {error}") from None
    if not isinstance(told, list) or len(told) != NUMBER:
        count = len(told) if isinstance(told, list) else "no list of"
        raise ValueError(f"{file.name}: {NUMBER} questions are wanted, it has {count}")
    found = []
    for number, entry in enumerate(told, 1):
        try:
            found.append(_question(entry))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file.name}, question {number}: {error}") from None
    if len({question.answer for question in found}) == 1:
        raise ValueError(f"{file.name}: the place of the right choice is the same in all questions")
    return found


def _question(entry: dict) -> Question:
    if not isinstance(entry, dict) or set(entry) != {"question", "choices"}:
        raise ValueError("it must have `question` and `choices`, and nothing else")
    choices = []
    for place, told in enumerate(entry["choices"]):
        told = told if isinstance(told, dict) else {"text": told}
        for word in ("text", "because"):
            if not str(told.get(word) or "").strip():
                raise ValueError(f"choice {letter(place)} has no `{word}`")
        if unknown := set(told) - {"text", "because", "right"}:
            raise ValueError(
                f"choice {letter(place)} has `{', '.join(unknown)}`, which means nothing"
            )
        choices.append(Choice(str(told["text"]), str(told["because"]), told.get("right") is True))
    if len(choices) not in CHOICES:
        raise ValueError(f"three or four choices are wanted, it has {len(choices)}")
    if (right := sum(choice.right for choice in choices)) != 1:
        raise ValueError(f"exactly one choice must be right, here {right or 'none'}")
    return Question(str(entry["question"]), tuple(choices))
