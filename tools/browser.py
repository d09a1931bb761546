"""A headless Chromium that reaches the loopback address only, and the built site served there."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, sync_playwright

from tools.chapters import ROOT

HTML = ROOT / "_build/html"
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other host can be reached
)


def chromium() -> str:
    """The path of the browser: `CHROMIUM`, or the first of the usual names that is installed.

    Raises:
        SystemExit: if there is none; it says what to type.
    """
    for name in (os.environ.get("CHROMIUM"), *NAMES):
        if name and (found := which(name)):
            return found
    raise SystemExit("there is no Chromium; type: sudo apt-get install chromium  (or set CHROMIUM)")


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser, closed at the end."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        yield opened
        opened.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


@contextmanager
def served(folder: Path = HTML) -> Iterator[str]:
    """The address of a folder, served on a free port of the loopback address."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def page_names(folder: Path = HTML) -> list[str]:
    """Every page of the site, by its path."""
    found = (path.relative_to(folder) for path in folder.rglob("*.html"))
    return sorted(path.as_posix() for path in found if path.parts[0] != "_static")
