"""Every mechanism agrees with its paper, read one subscript at a time: outputs and gradients.

The reference is written from the paper and takes the module only for its weights.
"""

import re
from copy import deepcopy
from importlib import import_module

import pytest
import torch
from torch.testing import assert_close

from attention_lib.catalog import catalog
from attention_lib.checks import ready
from tests.proof import CASES, answer_and_gradients, case_id


def reference(card):
    shelf = import_module(f"tests.references.{card.family}")
    return getattr(shelf, re.sub(r"(?<!^)(?=[A-Z])", "_", str(card)).lower())


@pytest.mark.parametrize(("card", "arguments"), CASES, ids=case_id)
def test_reference(card, arguments):
    mechanism, inputs = ready(card, **arguments)
    ours = answer_and_gradients(mechanism, mechanism, inputs)
    papers = answer_and_gradients(lambda *x: reference(card)(mechanism, *x), mechanism, inputs)
    assert_close(ours, papers)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("card", catalog(), ids=str)
def test_low_precision(card, dtype):
    """In low precision the error is at most twice that of the plain formula in that precision."""
    exact, inputs = ready(card, torch.float64)
    low, low_inputs = (
        deepcopy(exact).to(dtype),
        [x.to(dtype) if torch.is_tensor(x) else x for x in inputs],
    )
    with torch.no_grad():
        truth = exact(*inputs)
        ours = (low(*low_inputs).double() - truth).norm()
        plain = (reference(card)(low, *low_inputs).double() - truth).norm()
    assert ours <= 2 * plain, f"{card}: error {ours:.2e}, the plain formula's {plain:.2e}"
