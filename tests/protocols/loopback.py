"""A real server on loopback whose every byte a test decides, in threads."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Request:
    """What arrived: the first line, the header fields in lower case, the body."""

    line: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Request, socket.socket], None]


@dataclass
class Loopback:
    """A server's address and what it has seen."""

    port: int
    scheme: str = "http"
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    greetings_failed: int = 0
    _open: list[socket.socket] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def drop_connections(self) -> None:
        """Close every connection from the server's side."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()


def reply(body: bytes = b"{}", status: str = "200 OK", **fields: str) -> bytes:
    """Write a plain answer with a Content-Length; ``content_type`` is the field Content-Type."""
    lines = [f"HTTP/1.1 {status}"]
    named = {"content-length": str(len(body)), **{k.replace("_", "-"): v for k, v in fields.items()}}
    lines += [f"{name}: {value}" for name, value in named.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answering(*answers: bytes) -> Script:
    """Send these answers one after the other, the last one for ever."""
    left = list(answers)

    def script(request: Request, connection: socket.socket) -> None:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return script


@contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """Serve ``script`` on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Loopback(listener.getsockname()[1], "https" if context else "http")

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        try:
            connection.settimeout(20)
            if context:
                connection = context.wrap_socket(connection, server_side=True)
        except OSError:
            server.greetings_failed += 1
            return
        server._open.append(connection)
        try:
            with connection, connection.makefile("rb") as stream:
                while request := _read(stream):
                    server.requests.append(request)
                    script(request, connection)
        except (OSError, ValueError):
            pass

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        listener.close()
        server.drop_connections()


def _read(stream) -> Request | None:
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    headers = {}
    while (text := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line, headers, stream.read(int(headers.get("content-length", "0"))))
