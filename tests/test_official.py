"""`load_official`: every number finds its place, or nothing is loaded."""

from copy import deepcopy

import pytest
import torch

from attention_lib import create, load_official
from attention_lib.catalog import every_card
from attention_lib.official.tables import Rule, renamed, squeezed

SMALL = dict(classes=3, depths=(1,), channels=4)


def test_own_names_load():
    ours, other = create("resnet50", **SMALL), create("resnet50", **SMALL)
    assert load_official(ours, other.state_dict()) is ours
    assert all(
        torch.equal(a, b)
        for a, b in zip(ours.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_a_module_without_a_table_takes_its_own_names_alone():
    ours, other = create("se", 8, 2), create("se", 8, 2)
    load_official(ours, other.state_dict())
    assert torch.equal(ours.squash.weight, other.squash.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc.bias"), "nothing fills fc.bias"),
        (lambda state: state.update(head=torch.ones(3)), "no place for head"),
        (lambda state: state.update({"fc.bias": torch.ones(4)}), "other shapes for fc.bias"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_lost(change, message):
    ours = create("resnet50", **SMALL)
    before, state = deepcopy(ours.state_dict()), create("resnet50", **SMALL).state_dict()
    change(state)
    with pytest.raises(ValueError, match=f"^ResNet: .*{message}"):
        load_official(ours, state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.state_dict().items())


def test_what_counts_batches_may_be_missing():
    state = create("resnet50", **SMALL).state_dict()
    old = {name: tensor for name, tensor in state.items() if "num_batches" not in name}
    assert len(old) < len(state)
    load_official(create("resnet50", **SMALL), old)


def test_the_first_rule_that_fits_is_applied():
    table = (Rule(r"^a\.", "b.", squeezed), Rule(r"^b\.", "c."))
    given = {"a.weight": torch.ones(2, 3, 1, 1), "b.weight": torch.ones(2), "d": torch.ones(1)}
    shapes = {name: tuple(tensor.shape) for name, tensor in renamed(given, table).items()}
    assert shapes == {"b.weight": (2, 3), "c.weight": (2,), "d": (1,)}


def test_every_table_is_of_a_module_that_there_is():
    from importlib import import_module
    from pathlib import Path

    import attention_lib.official as room

    known = {str(card): card.family for card in every_card()}
    files = [p.stem for p in Path(room.__file__).parent.glob("*.py")]
    for family in set(files) - {"__init__", "tables"}:
        for name in import_module(f"attention_lib.official.{family}").TABLES:
            assert known[name] == family


@pytest.mark.parametrize(
    ("module", "state", "message"),
    [
        (create("se", 8, 2), None, "a state, name to tensor, is wanted, got NoneType"),
        (create("se", 8, 2), {"model": {}}, "name to tensor, is wanted, got 'model' with dict"),
        (create("se", 8, 2), {3: torch.ones(1)}, "name to tensor, is wanted, got 3 with Tensor"),
        ("se", {}, "a module to load the weights into is wanted, got 'se'"),
    ],
)
def test_what_is_no_module_and_no_state_is_named(module, state, message):
    with pytest.raises(TypeError, match=message):
        load_official(module, state)
