"""A need that makes sense is read, any other is refused."""

import re

import pytest

from attention_lib.advice.need import Need, parse_bytes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(layout="rows"), "no layout 'rows'"),
        (dict(layout="maps"), "a map has a height and a width"),
        (dict(layout="tokens"), "give the number of tokens"),
        (dict(layout="maps", height=4), "height=4 and width=None"),
        (dict(layout="maps", height=4, width=0), "width=0 must be a number, at least 1"),
        (dict(layout="tokens", tokens=0), "tokens=0 must be a number, at least 1"),
        (dict(layout="tokens", tokens=5, memory=0), "memory=0 must be at least 1"),
        (dict(layout="tokens", tokens=5, memory="2GiB"), "memory='2GiB' must be at least 1 byte"),
        (dict(layout="tokens", tokens="5"), "tokens='5' must be a number"),
        (dict(layout="tokens", tokens=10**20), "tokens=100000000000000000000 is too large"),
        (dict(layout="tokens", tokens=5, features=None), "features=None must be a number"),
        (dict(layout="tokens", tokens=5, batch=True), "batch=True must be a number"),
        (dict(layout="tokens", tokens=5, causal="no"), "causal='no' must be True or False"),
        (dict(layout="tokens", tokens=5, dtype=[]), "dtype=[] must be one of float64"),
        (dict(layout="tokens", tokens=5, height=2, width=2), "tokens=5 are not the pixels of 2"),
        (dict(layout="maps", height=4, width=4, causal=True), "causal is a matter of tokens"),
        (dict(layout="maps", height=4, width=4, padding=True), "padding is a matter of tokens"),
        (dict(layout="tokens", tokens=5, task="gate"), "no task 'gate' on tokens; there are pairs"),
        (dict(layout="tokens", tokens=5, task="pairs", causal=True), "task='pairs' is asked only"),
        (dict(layout="tokens", tokens=5, dtype="int8"), "dtype='int8' must be one of float64"),
    ],
)
def test_a_need_that_makes_no_sense_is_refused(given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Need(**given)


def test_memory_is_read_with_its_unit():
    for text, number in [("2GiB", 2**31), ("1.5 kb", 1500), ("7", 7), (" 512 mib ", 2**29)]:
        assert parse_bytes(text) == number
    for text in ("GiB", "2 GiB more", "-1GiB", "2XB", "0", "0.1B", "9" * 400, None, 2j):
        with pytest.raises(ValueError, match="must be a number and a unit"):
            parse_bytes(text)
