"""`bench` prints a table of what it times, and stores it."""

import json
import re


def test_bench_prints_a_table_and_stores_it(say, tmp_path):
    path = tmp_path / "deep" / "bench.json"
    code, out, _ = say("bench", "se", "ECA", "channels=32", "--axis", "height,width", "--sizes",
                       "2,4,8,16,32", "--seconds", 0, "--backward", "--json", path)  # fmt: skip
    assert code == 0 and "forward and backward, float32" in out
    stored = json.loads(path.read_text())
    [made] = stored["sweeps"]
    assert {"processor", "threads", "torch", "date"} <= stored["provenance"].keys()
    assert (made["axis"], made["backward"]) == ("height,width", True)
    assert made["fixed"] == {"channels": 32}
    assert [row["size"] for row in made["rows"]] == [2, 2, 4, 4, 8, 8, 16, 16, 32, 32]
    for row in made["rows"]:
        assert re.search(rf"^{row['mechanism']} +{row['size']} .* {row['params']}$", out, re.M)
    assert re.search(r"^SqueezeExcitation +-?\d\.\d\d \[.*\] .* 1\.\d\d \[", out, re.MULTILINE)


def test_bench_says_why_there_is_no_exponent(say):
    out = say("bench", "se", "--axis", "channels", "--sizes", "32", "--seconds", 0)[1]
    assert "no exponents: an exponent needs at least five sizes, got [32]" in out
