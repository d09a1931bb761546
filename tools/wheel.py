"""The wheel, built once a run from this checkout."""

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tools.chapters import ROOT


@cache
def built_wheel() -> Path:
    """The wheel file; without the network, by the build tools that are installed here.

    Raises:
        RuntimeError: if it cannot be built, with all that the build said.
    """
    folder = tempfile.mkdtemp(prefix="wheel-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    done = subprocess.run([*command, ROOT], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the wheel cannot be built:\n{done.stdout}{done.stderr}")
    (wheel,) = Path(folder).glob("*.whl")
    return wheel
