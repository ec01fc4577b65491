"""Where the browser for tests is: ``python -m tests.support.browser`` prints it, or nothing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ON_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
MISSING = (
    "chromium is missing: install it (Debian: apt-get install chromium; macOS: brew install --cask chromium) "
    "or name it in CHROMIUM"
)


def find_chromium() -> str | None:
    """Return the path of a Chromium, the one that CHROMIUM names first."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or next((path for path in ON_MACOS if Path(path).exists()), None)


def arguments() -> list[str]:
    """Return Chromium's arguments for tests on loopback."""
    quiet = ["--disable-quic", "--disable-background-networking"]
    # Chromium's sandbox does not start for root, which is what a build container is.
    return [*quiet, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else quiet


if __name__ == "__main__":
    sys.stdout.write(find_chromium() or "")
