"""Profile sign-ins or pages of one relying party, called in this thread without a server.

What a WSGI server adds is left out on purpose: it is the same for every
request and stands in docs/decisions/0004-server.md.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import io
import os
import pstats
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from benchmarks.client import Browser, Page, WrongPage, require_home
from benchmarks.measure import CannotMeasure, require_linux
from benchmarks.subjects import (
    WORK,
    Stage,
    people_of,
    portal_environment,
    prepare_portal,
    reference_environment,
)

PEOPLE = 50
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(slots=True)
class InThreadBrowser(Browser):
    """A browser whose requests to ``netloc`` are calls of ``application``; others go out by the wire."""

    application: WSGIApplication | None = None
    netloc: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # spent in the application, by path

    def _exchange(self, netloc: str, port: int, url: str, request: bytes) -> Page:
        # A new dataclass with slots is not the class that super() without arguments remembers.
        if netloc != self.netloc or self.application is None:
            return Browser._exchange(self, netloc, port, url, request)
        head, _, _ = request.partition(b"\r\n\r\n")
        environ = _environ(head.decode("latin-1"), netloc)
        answer: dict[str, Any] = {}

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Callable[[bytes], object]:
            answer.update(status=int(status[:3]), headers=headers)
            return lambda data: None

        begun = time.perf_counter()
        chunks = self.application(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        path = f"{environ['PATH_INFO']}{'?code' if 'code=' in environ['QUERY_STRING'] else ''}"
        self.seconds[path] = self.seconds.get(path, 0.0) + time.perf_counter() - begun
        headers = {name.lower(): value for name, value in answer["headers"]}
        cookies = tuple(value for name, value in answer["headers"] if name.lower() == "set-cookie")
        return Page(url, answer["status"], headers, cookies, body)


def _environ(head: str, netloc: str) -> dict[str, Any]:
    first, *lines = head.split("\r\n")
    target = first.split(" ")[1]
    path, _, query = target.partition("?")
    host, _, port = netloc.partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for line in lines:
        name, _, value = line.partition(":")
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value.strip()
    return environ


class Profiler:
    """cProfile by calls, or pyinstrument by samples where it is installed."""

    def __init__(self, kind: str, lines: int) -> None:
        self._lines = lines
        self._calls = cProfile.Profile() if kind == "calls" else None
        self._samples: Any = None
        if kind == "samples":
            try:
                self._samples = importlib.import_module("pyinstrument").Profiler(interval=0.0002)
            except ImportError as missing:
                raise CannotMeasure("pyinstrument is not installed: pip install pyinstrument") from missing

    def __enter__(self) -> Profiler:
        if self._calls is not None:
            self._calls.enable()
        elif self._samples is not None:
            self._samples.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._calls is not None:
            self._calls.disable()
        elif self._samples is not None:
            self._samples.stop()

    def text(self) -> str:
        """Return the report."""
        if self._calls is not None:
            out = io.StringIO()
            statistics = pstats.Stats(self._calls, stream=out).sort_stats("cumulative")
            statistics.print_stats(self._lines)
            statistics.sort_stats("tottime").print_stats(self._lines)
            return out.getvalue()
        if self._samples is not None:
            return str(self._samples.output_text(unicode=True, show_all=True))
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Profile, print the report and the milliseconds per request."""
    parser = argparse.ArgumentParser(prog="benchmarks/profile", description="Where the time goes.")
    parser.add_argument("what", choices=["sign-in", "page"], nargs="?", default="sign-in")
    parser.add_argument("--subject", choices=["reference", "portal"], default="portal")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--by", choices=["calls", "samples", "nothing"], default="calls")
    parser.add_argument("--lines", type=int, default=45, help="of each table")
    given = parser.parse_args(arguments)
    WORK.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=WORK))
    stage = Stage(folder)
    try:
        require_linux()
        profiler = Profiler(given.by, given.lines)
        report(stage, given.subject, given.what, given.count, profiler)
    except (CannotMeasure, WrongPage) as failed:
        print(f"benchmarks: {failed}", file=sys.stderr)
        return 1
    finally:
        stage.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def report(stage: Stage, subject: str, what: str, count: int, profiler: Profiler) -> None:
    """Warm up, profile ``count`` pieces, print. Raises CannotMeasure, WrongPage."""
    provider = stage.start_provider()
    people = people_of("acme", PEOPLE)
    # Nobody listens there: the number only has to agree in settings and addresses.
    port = 8001
    if subject == "portal":
        environment = portal_environment(stage.folder, port, provider)
        prepare_portal(stage.folder, environment, provider, people)
        origin, start_path, module = environment["LVPORTAL_AGENT_ORIGIN"], "/sso/acme", "wsgi"
    else:
        environment = reference_environment(stage.folder, provider)
        origin, start_path, module = (
            f"http://reference.localhost:{port}",
            "/login",
            "benchmarks.reference.wsgi",
        )
    start_url, home_url = origin + start_path, origin + "/"
    os.environ.clear()
    os.environ.update(environment)
    application = importlib.import_module(module).application
    if subject == "reference":
        stage.fill_reference(people)
    netloc = urlsplit(home_url).netloc

    def sign_in(number: int) -> InThreadBrowser:
        browser = InThreadBrowser(application=application, netloc=netloc)
        browser.set_cookie("127.0.0.1", "person", people[number % PEOPLE])
        require_home(browser.follow(start_url), home_url, people[number % PEOPLE])
        browser.close()
        return browser

    for number in range(20):
        last = sign_in(number)
    seconds: dict[str, float] = {}
    cpu = time.process_time()
    with profiler:
        for number in range(count):
            if what == "sign-in":
                last = sign_in(number)
                for path, spent in last.seconds.items():
                    seconds[path] = seconds.get(path, 0.0) + spent
            else:
                require_home(last.get(home_url), home_url, people[19])
    cpu = time.process_time() - cpu
    print(profiler.text())
    if what == "page":
        print(f"/: {1000 * last.seconds['/'] / (count + 1):.3f} ms wall clock in the application")
    for path, spent in seconds.items():
        print(f"{path}: {1000 * spent / count:.3f} ms wall clock in the application")
    print(f"{1000 * cpu / count:.3f} ms CPU of this process per {what}, client and profiler included")
