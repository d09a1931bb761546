"""Every mechanism finds its way through the questions, and every answer has its reasons."""

import pytest

from attention_lib.advice.questions import members, paths
from attention_lib.advice.traits import can_be_causal
from attention_lib.catalog import catalog


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_mechanism_finds_one_way(card):
    """One for each answer about order, where it can have either."""
    ways = [path for path in paths() if card in members(path)]
    assert len(ways) == 1 + can_be_causal(card)
    assert len({path.slugs[1] for path in ways}) == len(ways)


@pytest.mark.whole_catalog
@pytest.mark.parametrize("path", list(paths()), ids=lambda path: "-".join(path.slugs))
def test_every_leaf_has_mechanisms_and_reasons(path):
    assert members(path)
    assert path.leaf.use and path.why
    for answer in path.answers:
        kinds = [part.partition(":")[0] for part in answer.why.split("; ")] if answer.why else []
        assert set(kinds) <= {"signature", "measured", "counted"}, answer.why


@pytest.mark.whole_catalog
def test_slugs_name_one_answer_of_a_layout():
    for layout in ("tokens", "maps"):
        answers = [a for p in paths() if p.slugs[0] == layout for a in p.answers]
        assert len({a.slug for a in answers}) == len({(a.slug, a.label) for a in answers})


OTHERS = {  # near them, and elsewhere
    "tokens causal": {"ExternalAttention", "SeparableAttention"},
    "channels": {"SpatialGroupEnhance", "SelectiveKernel"},
    "scores": {"SpatialGroupEnhance"},
    "side": {"GlobalFilter", "HaloAttention"},
    "area": {"AxialAttention", "DualAttention"},
}


@pytest.mark.whole_catalog
@pytest.mark.parametrize(
    ("slugs", "names"),
    [
        ("tokens causal", {"MultiHeadAttention", "SimplifiedSelfAttention", "AttentionFree"}),
        ("channels", {"SqueezeExcitation", "EfficientChannelAttention"}),
        ("scores", {"ClassSpecificResidualAttention"}),
        ("side", {"AxialAttention", "CrissCrossAttention", "VisionPermutator"}),
        ("area", {"DoubleAttention", "AttentionFreeConvolution", "GlobalFilter"}),
    ],
)
def test_leaves_hold_what_their_papers_describe(slugs, names):
    [found] = [members(path) for path in paths() if set(slugs.split()) <= set(path.slugs)]
    assert {str(card) for card in found} >= names
    assert not OTHERS[slugs] & {str(card) for card in found}
