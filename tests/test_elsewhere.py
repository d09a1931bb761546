"""What is said of other collections agrees with their code, the cards, and the pages."""

import ast
import inspect
import warnings
from importlib import import_module
from math import inf

import pytest
import torch

from attention_lib.catalog import find
from tests.oracles import torchvision_ops  # noqa: F401  (before timm)
from tools.pages.elsewhere import Class, collections, elsewhere_pages
from tools.pages.mechanism import mechanism_page

ENTRIES = [
    pytest.param(collection, entry, id=f"{collection.slug}-{entry.name}")
    for collection in collections()
    for entry in collection.classes
]
EVERY = pytest.mark.parametrize(("collection", "entry"), ENTRIES)
[COLLECTION] = [c for c in collections() if c.slug == "external_attention_pytorch"]


def test_all_37_classes_of_the_readme_are_there():
    listed = [entry.name for entry in COLLECTION.classes if entry.listed]
    assert len(listed) == len(set(listed)) == 37


@EVERY
def test_their_class_takes_this_call(collection, entry):
    """It is bound, not run: some of theirs take minutes, some fail as their README calls them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # timm's, of where theirs imports it from
        module = import_module(f"{collection.package}.{entry.file}")
    call = ast.parse(entry.theirs, mode="eval").body
    values = [ast.literal_eval(value) for value in call.args]
    named = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    inspect.signature(getattr(module, entry.name)).bind(*values, **named)
    for name in entry.also:
        assert inspect.isclass(getattr(module, name))


@EVERY
def test_our_call_runs_on_their_input(collection, entry):
    names = {"inf": inf, "torch": torch, str(entry.card): entry.card.mechanism}
    with torch.device("meta"):
        names["x"] = torch.randn(entry.ours_x or entry.x)
        if not entry.ours_x:
            names["x"] = eval(entry.before, names)
        names["mechanism"] = eval(entry.ours, names)
        assert eval(entry.call, names).numel()


@pytest.mark.parametrize("entry", COLLECTION.classes, ids=lambda entry: entry.name)
def test_the_card_knows_their_name(entry):
    """So that `find` takes it; a name that several share is refused, naming them."""
    try:
        assert find(entry.name) is entry.card
    except ValueError as error:
        assert f"{entry.card} ({entry.card.family})" in str(error)


@EVERY
def test_both_pages_lead_to_one_another(collection, entry):
    there = elsewhere_pages()[collection.page]
    assert f"\n## {entry.name}\n" in there
    assert f"api/{entry.card.family}/{entry.card}.md" in there
    link = f"[`{entry.name}`](../../{collection.page}#{entry.name.lower()})"
    assert link in mechanism_page(entry.card)
    assert entry.changes, "what changes is said of each"


def test_what_went_wrong_is_counted_and_told():
    text = elsewhere_pages()[COLLECTION.page]
    faulty = [entry for entry in COLLECTION.classes if entry.wrong]
    assert f"in {len(faulty)} of these {len(COLLECTION.classes)}" in text
    assert text.count("What went wrong there:") == len(faulty)


def test_an_entry_with_a_word_that_means_nothing_is_refused(tmp_path):
    folder = tmp_path / "book/elsewhere"
    folder.mkdir(parents=True)
    text = "{name: N, repository: R, package: P, path: '', classes: [{theirs: A(), wrongs: []}]}"
    (folder / "other.yml").write_text(text)
    with pytest.raises(TypeError, match=r"other\.yml: .*wrongs"):
        collections(tmp_path)


def test_a_class_is_called_what_its_call_makes():
    entry = Class(theirs="A(b=C(1))", file="f", x=[1], ours="SimAM(channels=4)")
    assert entry.name == "A" and str(entry.card) == "SimAM"
