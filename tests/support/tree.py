"""The tree of questions, as a drawing or a list has to show it."""

from attention_lib.advice import questions
from attention_lib.advice.questions import Leaf, Question


def nodes(question: Question = questions.TREE, name: str = "which"):
    """(name, text) of each question and answer, and (from, to) of each edge."""
    yield name, question.text
    for answer in question.answers:
        inside = f"{name}-{answer.slug}"
        yield f"{inside}-label", answer.label
        yield (name, inside), ""
        if isinstance(answer.then, Leaf):
            yield inside, answer.then.use
        else:
            yield from nodes(answer.then, inside)
