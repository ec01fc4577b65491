"""A light browser: raw sockets, cookies, redirects, and nothing else.

Every name leads to 127.0.0.1 with the name in the Host header, because
``*.localhost`` resolves in browsers but not in every Python. As in a browser,
``Secure`` and ``__Host-`` cookies are kept on plain http for such names, and one
browser keeps its connections as long as the server does.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urljoin, urlsplit

TIMEOUT_SECONDS = 60.0
MOST_REDIRECTS = 10

# What a browser sends with every navigation, so that parsing headers weighs as in life.
BROWSER_HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
    "Accept-Encoding: identity\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Dest: document\r\n"
)


class WrongPage(Exception):
    """A journey that did not end where it should; the text says where it ended."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: where it came from, status, headers by small name, the body's bytes.

    ``cookies`` are the raw values of Set-Cookie, which may come more than once.
    """

    url: str
    status: int
    headers: dict[str, str]
    cookies: tuple[str, ...]
    body: bytes


@dataclass(slots=True)
class Cookie:
    """A host-only cookie. Measured servers set no Domain attribute."""

    value: str
    path: str


@dataclass(slots=True)
class Browser:
    """One person's browser: new, without cookies and connections, until it is closed."""

    cookies: dict[str, dict[str, Cookie]] = field(default_factory=dict)  # by host, by name
    _connections: dict[str, Wire] = field(default_factory=dict)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; cookies stay."""
        for wire in self._connections.values():
            wire.close()
        self._connections.clear()

    def set_cookie(self, host: str, name: str, value: str) -> None:
        """Put a cookie for all paths of ``host`` (a name without port)."""
        self.cookies.setdefault(host, {})[name] = Cookie(value, "/")

    def get(self, url: str) -> Page:
        """Fetch ``url`` and keep the cookies that come with it. Follows no redirect."""
        parts = urlsplit(url)
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        host = parts.hostname or ""
        jar = self.cookies.get(host, {})
        sent = "; ".join(f"{name}={c.value}" for name, c in jar.items() if _matches(path, c.path))
        head = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{BROWSER_HEADERS}"
            + (f"Cookie: {sent}\r\n" if sent else "")
            + "\r\n"
        )
        page = self._exchange(parts.netloc, parts.port or 80, url, head.encode("latin-1"))
        for line in page.cookies:
            self._keep(host, line)
        return page

    def follow(self, url: str) -> Page:
        """Fetch ``url`` and follow redirects to the page where they end. Raises WrongPage."""
        for _ in range(MOST_REDIRECTS):
            page = self.get(url)
            if page.status not in (301, 302, 303, 307, 308):
                return page
            url = urljoin(url, page.headers["location"])
        raise WrongPage(f"more than {MOST_REDIRECTS} redirects, the last to {without_query(url)}")

    def _exchange(self, netloc: str, port: int, url: str, request: bytes) -> Page:
        wire = self._connections.get(netloc)
        if wire is not None:
            try:
                return self._used(netloc, wire, url, request)
            except (ConnectionError, EOFError):
                # The server may close a kept connection at any time; a browser asks again on a new one.
                wire.close()
        wire = self._connections[netloc] = Wire(port)
        return self._used(netloc, wire, url, request)

    def _used(self, netloc: str, wire: Wire, url: str, request: bytes) -> Page:
        page = wire.exchange(url, request)
        if page.headers.get("connection", "").lower() == "close":
            wire.close()
            del self._connections[netloc]
        return page

    def _keep(self, host: str, line: str) -> None:
        pair, *attributes = line.split(";")
        name, _, value = pair.strip().partition("=")
        path, ends = "/", False
        for attribute in attributes:
            key, _, text = attribute.strip().partition("=")
            if key.lower() == "path":
                path = text
            elif key.lower() == "max-age":
                ends = int(text) <= 0
        jar = self.cookies.setdefault(host, {})
        if ends or not value:
            jar.pop(name, None)
        else:
            jar[name] = Cookie(value, path)


class Wire:
    """One HTTP/1.1 connection to 127.0.0.1."""

    def __init__(self, port: int, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def close(self) -> None:
        self._socket.close()

    def exchange(self, url: str, request: bytes) -> Page:
        """Send ``request`` and read one answer. Raises EOFError when the server hangs up."""
        self._socket.sendall(request)
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers: dict[str, str] = {}
        cookies = []
        for line in lines:
            name, _, value = line.partition(":")
            if name.lower() == "set-cookie":
                cookies.append(value.strip())
            else:
                headers[name.lower()] = value.strip()
        return Page(url, status, headers, tuple(cookies), self._body(status, headers))

    def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self._until(b"\r\n"), 16):
                chunks.append(self._exactly(size))
                self._until(b"\r\n")
            self._until(b"\r\n")
            return b"".join(chunks)
        return self._exactly(int(headers.get("content-length", "0")))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise EOFError
        self._rest += data


def sign_in(start_url: str, home_url: str, email: str) -> Browser:
    """Sign ``email`` in by a new browser and return it on the signed-in page.

    ``start_url`` begins the sign-in, ``home_url`` is where it must end. Raises
    WrongPage when it ends elsewhere or on a page that does not show the email.
    """
    browser = Browser()
    browser.set_cookie("127.0.0.1", "person", email)
    try:
        require_home(browser.follow(start_url), home_url, email)
    except BaseException:
        browser.close()
        raise
    return browser


def require_home(page: Page, home_url: str, email: str) -> None:
    """Raise WrongPage unless ``page`` is the signed-in page of exactly this person."""
    if page.status != 200 or without_query(page.url) != home_url:
        raise WrongPage(f"ended on {page.status} at {without_query(page.url)}, not on 200 at {home_url}")
    if email.encode() not in page.body:
        raise WrongPage(f"{home_url} does not show {email}")


def ask_json(url: str) -> dict[str, int]:
    """Fetch a JSON object of numbers, for instance the provider's counts."""
    with Browser() as browser:
        found: dict[str, int] = json.loads(browser.get(url).body)
        return found


def without_query(url: str) -> str:
    """Cut the query off: codes and states belong in no message."""
    return url.partition("?")[0]


def _matches(path: str, cookie_path: str) -> bool:
    """RFC 6265, section 5.1.4."""
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")
