"""`attention-lib peers`: time mechanisms beside other packages."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from attention_lib.catalog import find
from attention_lib.cli.app import app
from attention_lib.cli.arguments import Device
from attention_lib.measure.store import check_device


@app.command()
def peers(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Mechanisms; all if none.")
    ] = None,
    device: Device = "cpu",
    compiled: Annotated[bool, typer.Option("--compiled", help="Compile both sides.")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="To measure a ratio, in each process.")] = 1,
) -> None:
    """Time mechanisms beside other packages.

    The same weights and inputs, equal answers demanded first; then time and peak memory, as ratios
    above 1 where ours is ahead.  Needs a clone of the repository, and the packages of its tests.
    """
    clone = Path(__file__).parents[2]
    if not (clone / "tools/peers.py").is_file():
        raise ValueError("the peers are known to a clone of the repository only: type make peers")
    check_device(device)
    for name in names or ():
        find(name)  # a slip is told before anything is started
    command = [sys.executable, "-m", "tools.peers", *(names or ()), "--device", device]
    command += ["--seconds", str(seconds)] + ["--compiled"] * compiled
    if code := subprocess.run(command, cwd=clone).returncode:
        raise typer.Exit(code)
