"""What does it cost, counted or timed here and now?  The only room that reads or writes results."""

from attention_lib.measure.cost import measure

__all__ = ["measure"]
