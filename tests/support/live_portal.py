"""The real portal in its production form: granian, a migrated database, data by ``lvportal apply``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lvportal.key_ring import new_key
from tests.support.ports import answers, end, free_port, wait_for

ROOT = Path(__file__).parents[2]
THREADS = 16


class HasAddress(Protocol):
    @property
    def address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command said and how it ended."""

    status: int
    output: str  # standard output and error together


class LivePortal:
    """One running portal. Its log, at DEBUG, stands in ``log_file``."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        providers: Sequence[HasAddress | str] = (),
        settings: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
    ) -> None:
        self.folder = folder
        self.log_file = folder / "portal.log"
        self.port = port or free_port()
        self.portal_origin = f"http://portal.localhost:{self.port}"
        self.agent_origin = f"http://agent.localhost:{self.port}"
        addresses = [one if isinstance(one, str) else one.address for one in providers]
        own = {
            "ENVIRONMENT": "development",
            "PORTAL_ORIGIN": self.portal_origin,
            "AGENT_ORIGIN": self.agent_origin,
            "DATABASE_URL": database_url,
            "ENCRYPTION_KEYS": new_key("test"),
            "UNSAFE_PROVIDER_ADDRESSES": ",".join(addresses),
            "LOG_LEVEL": "DEBUG",
            **(settings or {}),
        }
        # A developer's own settings must not reach in here.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("LVPORTAL_")}
        self.environment |= {f"LVPORTAL_{name}": value for name, value in own.items()}
        self.environment["PYTHONPATH"] = str(ROOT)
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, secrets: Mapping[str, str] | None = None) -> CommandResult:
        """Run ``lvportal ARGUMENTS`` with this portal's settings."""
        done = subprocess.run(
            [sys.executable, "-c", "from lvportal.cli import main; main()", *arguments],
            cwd=self.folder,
            env={**self.environment, **(secrets or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        return CommandResult(done.returncode, done.stdout.decode())

    def apply(
        self, clients: Sequence[Mapping[str, Any]], *, secrets: Mapping[str, str] | None = None
    ) -> None:
        """Apply entries of clients; ``secrets`` are environment variables that they name."""
        file = self.folder / "data.json"
        file.write_text(json.dumps({"clients": list(clients)}))
        done = self.run("apply", str(file), secrets=secrets)
        assert done.status == 0, done.output

    def start(self) -> None:
        """Serve, in one process as documented for production."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                    *("--workers", "1", "--blocking-threads", str(THREADS), "wsgi:application"),
                ],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        process = self._process
        wait_for(lambda: answers(self.port) or process.poll() is not None, seconds=40, what="the portal")
        assert process.poll() is None, self.log_file.read_text()[-3000:]

    def stop(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None

    def origin(self, audience: str) -> str:
        return self.portal_origin if audience == "portal" else self.agent_origin

    def single_sign_on_urls(self, code: str) -> list[str]:
        """Return the User and the Agent Single Sign On URL of a client."""
        return [f"{self.portal_origin}/sso/{code}", f"{self.agent_origin}/sso/{code}"]
