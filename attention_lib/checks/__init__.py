"""The contract: what every module of a kind must pass, one check a promise.

    for check in checks_for(card):
        check(card)

A check fails by AssertionError.  Your own mechanism is held to the same: give it a card, or
let `python -m attention_lib check path/to/file.py:Class channels=16` make one.
"""

from attention_lib.checks.common import FLOATS, Check, randomize, ready
from attention_lib.checks.contract import CONTRACT, SLOW, checks_for, verdict

__all__ = ["CONTRACT", "FLOATS", "SLOW", "Check", "checks_for", "randomize", "ready", "verdict"]
