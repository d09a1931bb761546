"""Weights in the layout of the authors' code load, and give the answers of that code."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from attention_lib import load_official
from attention_lib.catalog import catalog, find
from attention_lib.official import published, without
from attention_lib.official.tables import Joined
from tests.support.official import drawn

FILES = [p.stem for p in sorted(Path(__file__).parent.glob("*.py")) if p.stem[:2] not in "__test_"]
ALL = [case for file in FILES for case in import_module(f"tests.official.{file}").CASES]
CASES = [pytest.param(case, id=f"{find(case.module)}-{case.source}") for case in ALL]


def source_of(case):
    """What the table says of the weights of a case."""
    [found] = [each for each in published(find(case.module)) if each.source.startswith(case.source)]
    return found


@pytest.fixture(autouse=True)
def as_before():
    """A module of a case, which all tests share, is left as it was made."""
    before = [
        {name: tensor.clone() for name, tensor in case.module.state_dict().items()} for case in ALL
    ]
    yield
    for case, state in zip(ALL, before, strict=True):
        case.module.float().load_state_dict(state)


@pytest.mark.parametrize("case", CASES)
def test_the_answer_is_that_of_the_authors_code(case):
    weights = drawn(case.shapes)
    shape, *rest = case.inputs
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    module = load_official(case.module.double().eval(), weights)
    assert_close(module(x, *rest), case.answer(weights, x, *rest))


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_or_left_over_is_named(case):
    weights, ours = drawn(case.shapes), str(find(case.module))
    for name in weights:
        rest = {each: tensor for each, tensor in weights.items() if each != name}
        if re.search(rf"num_batches_tracked|{case.dispensable or '^$'}", name):
            load_official(case.module, rest)
        else:
            with pytest.raises(ValueError, match=rf"^{ours}: .*{case.source}\S*, nothing fills \w"):
                load_official(case.module, rest)
    with pytest.raises(ValueError, match="no place for extra, "):
        load_official(case.module, weights | {"extra": torch.ones(1)})


@pytest.mark.parametrize("case", CASES)
def test_a_part_of_a_network_is_found_by_its_prefix(case):
    weights = drawn(case.shapes)
    network = {f"module.layer3.0.{name}": tensor for name, tensor in weights.items()}
    network |= {"module.layer3.1.weight": torch.ones(1), "fc.bias": torch.ones(3)}
    direct = {k: v.clone() for k, v in load_official(case.module, weights).state_dict().items()}
    case.module.apply(lambda m: [p.data.zero_() for p in m.parameters(recurse=False)])
    part = load_official(case.module, network, prefix="module.layer3.0.").state_dict()
    assert all(torch.equal(tensor, direct[name]) for name, tensor in part.items())


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_each_table_and_each_rule_in_it_is_tried(card):
    cases = [case for case in ALL if find(case.module) is card]
    for source in published(card):
        tried = [case for case in cases if source_of(case) is source]
        assert tried, source.source
        for rule in source.rules(tried[0].module):
            names = rule.theirs if isinstance(rule, Joined) else [rule.theirs]
            for name in names:
                assert any(re.search(name, each) for case in tried for each in case.shapes), (
                    f"{source.source}: no case has {name}"
                )
    assert not (published(card) and without(card))


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_a_source_is_a_file_at_a_commit(card):
    for source in published(card):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{7,8}:[\w./-]+\.(py|prototxt)", source.source)
