"""A browser without a screen: cookies, redirects and forms, over http.client.

Every ``*.localhost`` name is 127.0.0.1, as browsers have it (RFC 6761, section
6.3); the system's resolver may not know that. No script runs.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

MOST_REDIRECTS = 12
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(slots=True)
class Form:
    """One form of a page, with what it would send if nothing were typed."""

    action: str  # absolute
    method: str  # "get" or "post"
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _FormReader(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = base
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self.base, found.get("action", ""))
            self._open = Form(action, found.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and tag in ("input", "button", "textarea", "select"):
            self._read_control(self._open, tag, found)

    def _read_control(self, form: Form, tag: str, found: dict[str, str]) -> None:
        kind = found.get("type", "submit" if tag == "button" else "text")
        name = found.get("name", "")
        if tag == "button" or kind == "submit":
            form.buttons.append((name, found.get("value", "")))
        elif name and (kind not in ("checkbox", "radio") or "checked" in found):
            form.fields[name] = found.get("value", "on" if kind == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


@dataclass(frozen=True, slots=True)
class Page:
    """What came back at the end of the redirects."""

    url: str
    status: int
    headers: Message
    body: bytes
    visited: tuple[str, ...]  # every URL on the way, the last one included

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def forms(self) -> list[Form]:
        reader = _FormReader(self.url)
        reader.feed(self.text)
        return reader.forms

    def form(self, action_ends: str = "", *, with_field: str | None = None) -> Form:
        """Return the first form whose action's path ends so and that has the field."""
        for form in self.forms:
            if urlsplit(form.action).path.endswith(action_ends) and (
                with_field is None or with_field in form.fields
            ):
                return form
        raise AssertionError(f"no such form on {self.url.split('?')[0]} ({self.status}): {self.text[:500]}")


class LightBrowser:
    """One person's browser: cookies per host name, kept until the object goes."""

    def __init__(self, *, user_agent: str = "lvportal-tests") -> None:
        self.user_agent = user_agent
        self.cookies: dict[str, dict[str, str]] = {}

    def get(self, url: str, *, follow: bool = True, headers: Mapping[str, str] | None = None) -> Page:
        return self.open("GET", url, follow=follow, headers=headers)

    def post(
        self,
        url: str,
        fields: Mapping[str, str] | Iterable[tuple[str, str]],
        *,
        follow: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        body = urlencode(list(pairs)).encode()
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.open("POST", url, body=body, follow=follow, headers=sent)

    def submit(self, form: Form, values: Mapping[str, str] | None = None, *, follow: bool = True) -> Page:
        """Send a form as it stands, ``values`` typed over it; a button is one of the values."""
        fields = {**form.fields, **(values or {})}
        if form.method == "post":
            return self.post(form.action, fields, follow=follow)
        return self.get(f"{form.action.split('?')[0]}?{urlencode(fields)}", follow=follow)

    def open(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        follow: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        visited = [url]
        for _ in range(MOST_REDIRECTS):
            status, found, content = self._once(method, url, body, headers or {})
            target = found.get("Location")
            if not (follow and status in REDIRECTS and target):
                return Page(url, status, found, content, tuple(visited))
            url = urljoin(url, target)
            visited.append(url)
            if status not in (307, 308):
                method, body, headers = "GET", None, {}
        raise AssertionError(f"more than {MOST_REDIRECTS} redirects: {[u.split('?')[0] for u in visited]}")

    def _once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Message, bytes]:
        parts = urlsplit(url)
        assert parts.scheme == "http", f"the light browser speaks http only: {url.split('?')[0]}"
        name = parts.hostname or ""
        address = "127.0.0.1" if name == "localhost" or name.endswith(".localhost") else name
        connection = http.client.HTTPConnection(address, parts.port or 80, timeout=30)
        jar = self.cookies.setdefault(name, {})
        sent = {"Host": parts.netloc, "User-Agent": self.user_agent, "Accept": "text/html", **headers}
        if jar and "Cookie" not in sent:
            sent["Cookie"] = "; ".join(f"{key}={value}" for key, value in jar.items())
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self._keep(jar, line)
        return answer.status, answer.headers, content

    @staticmethod
    def _keep(jar: dict[str, str], line: str) -> None:
        # SimpleCookie does not know every attribute of today; the first pair and the end are enough.
        pair, _, attributes = line.partition(";")
        name, _, value = pair.strip().partition("=")
        known = SimpleCookie()
        known.load(f"x=1;{attributes}")
        ended = "x" in known and (known["x"]["max-age"] == "0" or "1970" in known["x"]["expires"])
        if ended or not value:
            jar.pop(name, None)
        else:
            jar[name] = value
