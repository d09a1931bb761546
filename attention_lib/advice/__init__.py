"""Which one?  Questions, the evidence that their answers rest on, and a ranking by counted cost."""

from attention_lib.advice.need import Need, parse_bytes
from attention_lib.advice.ranking import reasons, recommend

__all__ = ["Need", "parse_bytes", "reasons", "recommend"]
