"""Every mechanism agrees with its paper, read one subscript at a time: outputs and gradients.

The reference is written from the paper and takes the module only for its weights.
"""

import pytest

from attention_lib.catalog import catalog
from tests.support.proof import CASES, LOW, case_id, equals_reference, holds_in_low_precision


@pytest.mark.parametrize(("card", "arguments"), CASES, ids=case_id)
def test_reference(card, arguments):
    equals_reference(card, arguments)


@pytest.mark.parametrize("dtype", LOW, ids=str)
@pytest.mark.parametrize("card", catalog(), ids=str)
def test_low_precision(card, dtype):
    holds_in_low_precision(card, dtype)
