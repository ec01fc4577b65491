"""Processes on a core of their own, and the CPU time that a whole tree of them has used."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE = 1
"""The relying party's core, when there are two."""

CLIENT_CORE = 0
"""The core that client and provider share."""

START_SECONDS = 30.0
STOP_SECONDS = 5.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class CannotMeasure(Exception):
    """This machine cannot tell what is asked, or a server did not start."""


def require_linux() -> None:
    """Raise CannotMeasure where there is no /proc: CPU of a process tree is read from it."""
    if not Path("/proc/self/stat").exists():
        raise CannotMeasure(f"CPU is read from /proc, which {sys.platform} does not have: run on Linux")


def can_pin() -> bool:
    """Tell whether server and client can have a core each."""
    return hasattr(os, "sched_setaffinity") and {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its parent process, its port, what it says."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def cpu_seconds(self) -> float:
        """Return user + system time of the parent and all that descends from it, seconds."""
        return tree_cpu_seconds(self.process.pid)

    def memory_bytes(self) -> int:
        """Return the proportional set size of the whole tree, bytes."""
        return sum(_proportional_bytes(pid) for pid in tree(self.process.pid))

    def stop(self) -> None:
        """End the whole process group of the server, gently first."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def start(
    name: str,
    command: Sequence[str],
    port: int,
    *,
    environment: Mapping[str, str],
    log: Path,
    core: int | None,
    folder: Path,
) -> Server:
    """Start a server in ``folder`` and wait until it answers on ``port``, whatever it says.

    ``core`` is the one core it and its children may use; None leaves it free.
    Raises CannotMeasure with the end of its log when it does not come up.
    """
    before = os.sched_getaffinity(0) if core is not None else set()
    if core is not None:
        # Inherited at the fork, so that no thread of the server is ever elsewhere.
        os.sched_setaffinity(0, {core})
    try:
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    finally:
        if core is not None:
            os.sched_setaffinity(0, before)
    server = Server(name, process, port, log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port):
            return server
        time.sleep(0.05)
    server.stop()
    raise CannotMeasure(
        f"{name} did not start; its log ends with:\n{log.read_text(errors='replace')[-3000:]}"
    )


def _answers(port: int) -> bool:
    """A listening port is not enough: a parent listens before its worker has loaded the application."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as probe:
            probe.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return probe.recv(1) != b""
    except OSError:
        return False


def tree(root: int) -> list[int]:
    """Return ``root`` and every living process that descends from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def tree_cpu_seconds(root: int) -> float:
    """Return user + system time of a tree, with that of children that have ended, seconds."""
    return sum(_cpu_seconds(pid) for pid in tree(root))


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    if not fields:
        return 0.0
    ended_children = (int(fields[13]) + int(fields[14])) / TICKS_PER_SECOND
    try:
        # The process's CPU clock (MAKE_PROCESS_CPUCLOCK with CPUCLOCK_SCHED of the kernel's posix-timers.h):
        # nanoseconds, where /proc counts in ticks of 10 ms, too coarse for a round of half a second.
        return time.clock_gettime((~pid << 3) | 2) + ended_children
    except OSError:
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND + ended_children


def _stat(pid: int) -> list[str]:
    """Return /proc/PID/stat from its third field on; empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The second field is the program's name in brackets and may hold blanks and brackets.
    return text.rpartition(")")[2].split()


def _proportional_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of a row of measurements."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))
