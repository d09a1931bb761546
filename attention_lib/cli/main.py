"""Run a command, and say in one line what was wrong."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from attention_lib.cli.app import app, typer

# Each enters itself in the app; the help lists them in this order.
for command in ("list", "show", "cost", "check", "compare", "bench", "peers", "recommend"):
    import_module(f"attention_lib.cli.{command}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, 1 if a promise is broken, or 2 if it made no sense."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        return app(arguments, prog_name="attention-lib", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `attention-lib list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ValueError as error:
        return _failed(str(error))
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own
            return _failed(error.format_message())
        return _failed(f"{type(error).__name__}: {error}")


def _failed(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return 2
