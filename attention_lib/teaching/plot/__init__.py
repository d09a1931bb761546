"""The book's figures: one style, and one look for each mechanism wherever it appears.

Every function returns a matplotlib Figure: a notebook shows it as a cell's last line, and
elsewhere `figure.savefig("name.png")` keeps it.  A notebook shows it as SVG, on white, so that it
reads on a dark page too; the site gives it the colours of its page.  What colour says, a marker
and a line style say again.
"""

from attention_lib.teaching.plot.costs import lines, ratios, scatter, shares
from attention_lib.teaching.plot.runs import bars, curves, dots
from attention_lib.teaching.plot.style import look, looks
from attention_lib.teaching.plot.tensors import maps, weights

__all__ = [
    "bars",
    "curves",
    "dots",
    "lines",
    "look",
    "looks",
    "maps",
    "ratios",
    "scatter",
    "shares",
    "weights",
]
