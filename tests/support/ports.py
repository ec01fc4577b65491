"""Free ports and servers that are ready."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(is_ready: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Return when ``is_ready`` says so. Raises AssertionError after ``seconds``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_ready():
            return
        time.sleep(0.03)
    raise AssertionError(f"{what} did not get ready within {seconds:g} s")


def answers(port: int) -> bool:
    """Tell whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started, kindly first."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
