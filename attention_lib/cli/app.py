"""Look up, count, check and time attention mechanisms.

Mechanisms go by any of their names, in any case.  Sizes and constructor arguments are given as
name=value; those that are not have sizes one meets in practice.
"""

import sys
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit('the command line needs typer: pip install "attention-lib[cli]"')

from attention_lib import __version__

EXAMPLES = """\b
Examples:
  attention-lib list --family channel
  attention-lib show se
  attention-lib cost mha tokens=1000000
  attention-lib compare se eca --features 256 --height 56
  attention-lib check my_gate.py:MyGate channels=16
  attention-lib bench se eca --axis height,width --sizes 8,16,32,64,128
  attention-lib recommend --layout tokens --tokens 16384 --features 512 --memory 2GiB
"""


# Plain help, and our own one-line errors, on a terminal and in a pipe alike
app = typer.Typer(rich_markup_mode=None, add_completion=False, help=__doc__, epilog=EXAMPLES)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Say the version and stop.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
