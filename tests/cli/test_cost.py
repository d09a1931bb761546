"""`cost` counts what is declared, at any size."""

import re

import pytest

from attention_lib.catalog import catalog


def numbers(out):
    """title -> (counted, declared)."""
    rows = re.findall(r"^(\w[\w -]*?) +([\d,]+) +([\d,]+)  ", out, flags=re.MULTILINE)
    return {title: (counted, declared) for title, counted, declared in rows}


def test_cost_counts_a_million_tokens(say):
    code, out, _ = say("cost", "mha", "tokens=1_000_000", "dim=256", "heads=4")
    n, d = 10**6, 256
    assert code == 0 and "MultiHeadAttention(dim=256, heads=4) on x (batch=1, tokens=1000000" in out
    assert numbers(out) == {
        "parameters": (f"{4 * d * d:,}",) * 2,
        "multiply-adds": (f"{4 * n * d * d + 2 * n * n * d:,}",) * 2,
        "largest tensor": (f"{2 * n * d:,}",) * 2,
    }


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_counted_is_declared_also_for_a_batch(say, card):
    counts = numbers(say("cost", str(card), "batch=3")[1])
    assert len(counts) == 3
    assert all(counted == declared for counted, declared in counts.values()), counts


def test_a_preset_is_counted_at_its_own_size(say):
    out = say("cost", "seresnet50")[1]
    assert "x (batch=1, 3, height=224, width=224)" in out
    assert "28,088,024" in out and "4,091,699,200" in out and "not declared" in out
    assert "height=32, width=224" in say("cost", "ResNet-101", "height=32")[1]
