"""A card at sizes that one meets in practice is no longer its small example."""

import pytest
import torch

from attention_lib.catalog import catalog
from attention_lib.measure.sizes import realistic


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_mechanism_has_realistic_sizes(card):
    at = realistic(card)
    with torch.device("meta"):
        at.build().eval()(*at.inputs())
    assert at.cost("memory") > 100 * card.cost("memory"), "still the small example"
