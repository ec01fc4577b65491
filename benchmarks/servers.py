"""Which WSGI server, with which options: the figures behind docs/decisions/0004-server.md.

Run by ``python -m benchmarks.servers``. A bare Flask page is served under each
variant; rounds are interleaved as in ``benchmarks/run``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask

from benchmarks.client import Browser, Wire
from benchmarks.measure import (
    CLIENT_CORE,
    SERVER_CORE,
    CannotMeasure,
    Server,
    Spread,
    can_pin,
    free_port,
    start,
)
from benchmarks.subjects import REPOSITORY, WORK, clean_environment, program

SLOW_SECONDS = 0.2
IDLE_CONNECTIONS = 1200

application = Flask(__name__)


@application.get("/")
def page() -> str:
    return "<!doctype html><title>Hello</title><p>Hello</p>"


@application.get("/slow")
def slow_page() -> str:
    time.sleep(SLOW_SECONDS)
    return "late"


GRANIAN = ("granian", "--interface=wsgi")
GUNICORN = ("gunicorn", "--no-control-socket", "--worker-class=gthread", "--workers=1")
TUNED = (*GRANIAN, "--blocking-threads=64", "--http=1", "--no-ws")
VARIANTS: dict[str, tuple[str, ...]] = {
    "gunicorn 8 threads": (*GUNICORN, "--threads=8"),
    "gunicorn 64 threads": (*GUNICORN, "--threads=64"),
    "granian, nothing set": GRANIAN,
    "granian 8 threads": (*GRANIAN, "--blocking-threads=8"),
    "granian 64 threads": (*GRANIAN, "--blocking-threads=64"),
    "granian 64, http 1, no ws": TUNED,
    "the same, backpressure 64": (*TUNED, "--backpressure=64"),
    "the same, backpressure 8192": (*TUNED, "--backlog=4096", "--backpressure=8192"),
    "the same, runtime mt": (*TUNED, "--runtime-mode=mt"),
    "the same, runtime st": (*TUNED, "--runtime-mode=st"),
    "the same, loop asyncio": (*TUNED, "--loop=asyncio"),
}


def kept(server: Server, count: int) -> float:
    """Return CPU ms per page on one kept connection."""
    url = f"http://hello.localhost:{server.port}/"
    with Browser() as browser:
        browser.get(url)
        before = server.cpu_seconds()
        for _ in range(count):
            browser.get(url)
        return 1000 * (server.cpu_seconds() - before) / count


def fresh(server: Server, count: int) -> float:
    """Return CPU ms per page, a new connection each."""
    url = f"http://hello.localhost:{server.port}/"
    before = server.cpu_seconds()
    for _ in range(count):
        with Browser() as browser:
            browser.get(url)
    return 1000 * (server.cpu_seconds() - before) / count


def crowded(server: Server, count: int) -> float:
    """Return CPU ms per page with 16 clients at once."""
    url = f"http://hello.localhost:{server.port}/"

    def one(_: int) -> None:
        with Browser() as browser:
            for _ in range(count // 16):
                browser.get(url)

    before = server.cpu_seconds()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))
    return 1000 * (server.cpu_seconds() - before) / (count // 16 * 16)


def beside_slow(server: Server, slow: int) -> float:
    """Return the worst ms of a page while ``slow`` others wait for something slow."""
    host = f"http://hello.localhost:{server.port}"

    def wait() -> None:
        with Browser() as browser:
            browser.get(f"{host}/slow")

    waiting = [threading.Thread(target=wait) for _ in range(slow)]
    for thread in waiting:
        thread.start()
    time.sleep(SLOW_SECONDS / 4)
    worst = 0.0
    for _ in range(5):
        begun = time.perf_counter()
        with Browser() as browser:
            browser.get(f"{host}/")
        worst = max(worst, 1000 * (time.perf_counter() - begun))
    for thread in waiting:
        thread.join()
    return worst


def beside_idle(server: Server) -> float:
    """Return ms of a page while others hold connections they have used; inf when not served in 3 s."""
    request = b"GET / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n"
    idle: list[Wire] = []
    try:
        for _ in range(IDLE_CONNECTIONS):
            idle.append(Wire(server.port, timeout_seconds=3))
            idle[-1].exchange("/", request)
        asking = Wire(server.port, timeout_seconds=3)
        begun = time.perf_counter()
        asking.exchange("/", request)
        return 1000 * (time.perf_counter() - begun)
    except OSError:
        return float("inf")
    finally:
        for wire in idle:
            wire.close()


def main() -> int:
    """Measure every variant and print a table."""
    parser = argparse.ArgumentParser(description="WSGI servers and options compared on a bare page.")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--count", type=int, default=600)
    given = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    pinned = can_pin()
    servers = []
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        try:
            for number, (name, command) in enumerate(VARIANTS.items()):
                port = free_port()
                where = (
                    [f"--bind=127.0.0.1:{port}"]
                    if command[0] == "gunicorn"
                    else ["--host=127.0.0.1", f"--port={port}"]
                )
                servers.append(
                    start(
                        name,
                        [program(command[0]), *command[1:], *where, "benchmarks.servers:application"],
                        port,
                        environment=clean_environment(),
                        log=Path(folder) / f"{number}.log",
                        core=SERVER_CORE if pinned else None,
                        folder=REPOSITORY,
                    )
                )
            if pinned:
                os.sched_setaffinity(0, {CLIENT_CORE})
            measure(servers, given.rounds, given.count)
        except CannotMeasure as failed:
            print(f"benchmarks: {failed}", file=sys.stderr)
            return 1
        finally:
            for server in servers:
                server.stop()
    return 0


def measure(servers: list[Server], rounds: int, count: int) -> None:
    """Print one line per server; CPU medians over interleaved rounds, then latencies."""
    figures: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for server in servers:
            for what, do in (("kept", kept), ("fresh", fresh), ("crowded", crowded)):
                value = do(server, count if number else 100)
                if number:  # round 0 warms up
                    figures.setdefault((server.name, what), []).append(value)
    print(f"{'':28}{'kept':>8}{'new':>8}{'16 at once':>12}   ms beside 16 slow / 60 slow / 1200 idle; MiB")
    for server in servers:
        cpu = [Spread.of(figures[server.name, what]).median for what in ("kept", "fresh", "crowded")]
        late = (beside_slow(server, 16), beside_slow(server, 60), beside_idle(server))
        memory = server.memory_bytes() / 2**20
        print(
            f"{server.name:28}{cpu[0]:8.3f}{cpu[1]:8.3f}{cpu[2]:12.3f}   "
            f"{late[0]:.1f} / {late[1]:.1f} / {late[2]:.1f}; {memory:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
