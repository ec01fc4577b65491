"""What the demo provider keeps between starts: its key and the registered applications."""

from __future__ import annotations

import json
import os
import secrets
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from joserfc.jwk import RSAKey

WEB = "web"
NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Application:
    """A relying party as the demo provider knows it."""

    client_id: str
    name: str
    kind: str  # "web" or "native"
    client_secret: str | None = field(repr=False)
    redirect_uris: tuple[str, ...]


class Store:
    """One JSON file that its owner alone may read. Safe to use from several threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._applications: dict[str, Application] = {}
        if file.exists():
            data = json.loads(file.read_text("utf-8"))
            self.key = RSAKey.import_key(data["key"])
            for entry in data["applications"]:
                entry["redirect_uris"] = tuple(entry["redirect_uris"])
                self._applications[entry["client_id"]] = Application(**entry)
        else:
            self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})
            with self._lock:
                self._write()

    def applications(self) -> list[Application]:
        with self._lock:
            return list(self._applications.values())

    def find(self, client_id: str | None) -> Application | None:
        with self._lock:
            return self._applications.get(client_id or "")

    def create(self, name: str, kind: str, redirect_uris: tuple[str, ...]) -> Application:
        """Register an application. A Web one gets a secret, a Native one has none."""
        secret = secrets.token_urlsafe(32) if kind == WEB else None
        return self.put(Application(f"demo-{secrets.token_hex(6)}", name, kind, secret, redirect_uris))

    def change_redirect_uris(self, application: Application, redirect_uris: tuple[str, ...]) -> None:
        self.put(replace(application, redirect_uris=redirect_uris))

    def change_secret(self, application: Application) -> None:
        """Give a new secret; the old one ends at once, as at a provider with one secret at a time."""
        self.put(replace(application, client_secret=secrets.token_urlsafe(32)))

    def put(self, application: Application) -> Application:
        with self._lock:
            self._applications[application.client_id] = application
            self._write()
        return application

    def remove(self, application: Application) -> None:
        with self._lock:
            self._applications.pop(application.client_id, None)
            self._write()

    def _write(self) -> None:
        data: dict[str, Any] = {
            "key": self.key.as_dict(private=True),
            "applications": [asdict(one) for one in self._applications.values()],
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(data, out, indent=1)
        beside.replace(self._file)
