"""`compare` gives every mechanism the same input."""

import re


def test_compare_gives_maps_and_tokens_the_same_pixels(say):
    line = "compare se mha eca --height 4 --width 6 --features 32 heads=2 --seconds 0"
    code, out, _ = say(*line.split())
    assert code == 0
    assert "SqueezeExcitation(channels=32) on x (batch=1, channels=32, height=4, width=6)" in out
    assert "MultiHeadAttention(dim=32, heads=2) on x (batch=1, tokens=24, dim=32)" in out
    for name, params, macs, largest in [
        ("SqueezeExcitation", 32 * 2 * 2 + 34, 32 * 2 * 2, 32 * 24),
        ("MultiHeadAttention", 4 * 32**2, 24 * 4 * 32**2 + 2 * 24**2 * 32, 2 * 32 * 32),
        ("EfficientChannelAttention", 3, 96, 32 * 24),
    ]:
        assert re.search(rf"^{name} +{params:,} +{macs:,} +{largest:,} .*s .*B$", out, re.M), name


def test_compare_needs_no_map_where_there_are_only_tokens(say):
    line = "compare mha --tokens 11 --features 16 --seconds 0 --backward --dtype bfloat16"
    out = say(*line.split())[1]
    assert out.startswith("forward and backward, bfloat16") and "tokens=11, dim=16" in out
