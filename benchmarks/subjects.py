"""What is measured: how each relying party is started, and its addresses.

All run on the same terms: plain http on loopback, SQLite in a fresh file, the
same provider, people and secret, one core.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import provider as oidc_provider
from benchmarks.measure import CLIENT_CORE, SERVER_CORE, CannotMeasure, Server, can_pin, free_port, start

REPOSITORY = Path(__file__).resolve().parent.parent
WORK = REPOSITORY / "benchmarks" / ".work"
TENANT = "acme"
SECRET_VARIABLE = "BENCHMARK_CLIENT_SECRET"

# The documented production form (docs/decisions/0004-server.md); `benchmarks/run --server` compares others.
GRANIAN = (
    "granian",
    "--interface=wsgi",
    "--http=1",
    "--no-ws",
    "--workers=1",
    "--blocking-threads=64",
    "--backlog=4096",
    "--backpressure=8192",
)
GUNICORN = ("gunicorn", "--no-control-socket", "--worker-class=gthread", "--workers=1")
REFERENCE_THREADS = 8
PORTAL_THREADS = 64


@dataclass(frozen=True, slots=True)
class Subject:
    """A running relying party and where a person signs in and lands."""

    name: str
    server: Server
    start_url: str
    home_url: str
    people: tuple[str, ...]
    provider: Server

    def person(self, number: int) -> str:
        """Return the email of one of the people, over and over."""
        return self.people[number % len(self.people)]


@dataclass(slots=True)
class Stage:
    """The provider and the relying parties of one run; closing it ends them all."""

    folder: Path
    pinned: bool = field(default_factory=can_pin)
    servers: list[Server] = field(default_factory=list)

    def start_provider(self) -> Server:
        """Start the test provider on the client's core."""
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.provider", f"--port={port}"]
        return self._start("provider", command, port, clean_environment(), CLIENT_CORE)

    def start_reference(self, provider: Server, people: tuple[str, ...]) -> Subject:
        """Start the plain relying party under gunicorn, 1 worker of 8 threads."""
        port = free_port()
        environment = reference_environment(self.folder, provider)
        command = [
            *(program(GUNICORN[0]), *GUNICORN[1:]),
            f"--threads={REFERENCE_THREADS}",
            f"--bind=127.0.0.1:{port}",
            "benchmarks.reference.wsgi:application",
        ]
        server = self._start("reference", command, port, environment, SERVER_CORE)
        self.fill_reference(people)
        origin = f"http://reference.localhost:{port}"
        return Subject("reference", server, f"{origin}/login", f"{origin}/", people, provider)

    def fill_reference(self, people: tuple[str, ...]) -> None:
        """Put the people into the reference's table, which the app has made at its start."""
        with closing(sqlite3.connect(self.folder / "reference.sqlite3")) as connection, connection:
            rows = [(email, email.partition("@")[0]) for email in people]
            connection.executemany("INSERT INTO user (email, name) VALUES (?, ?)", rows)

    def start_portal(self, provider: Server, people: tuple[str, ...], *, server: str = "granian") -> Subject:
        """Start the portal in its production form, its data applied from a file."""
        port = free_port()
        environment = portal_environment(self.folder, port, provider)
        prepare_portal(self.folder, environment, provider, people)
        command = portal_command(server, port)
        running = self._start("portal", command, port, environment, SERVER_CORE)
        origin = environment["LVPORTAL_AGENT_ORIGIN"]
        return Subject("portal", running, f"{origin}/sso/{TENANT}", f"{origin}/", people, provider)

    def _start(
        self, name: str, command: list[str], port: int, environment: dict[str, str], core: int
    ) -> Server:
        server = start(
            name,
            command,
            port,
            environment=environment,
            log=self.folder / f"{name}.log",
            core=core if self.pinned else None,
            folder=REPOSITORY,
        )
        self.servers.append(server)
        return server

    def close(self) -> None:
        """Stop every server, the last started first."""
        while self.servers:
            self.servers.pop().stop()


def issuer(provider: Server) -> str:
    """Return the issuer of the measured tenant."""
    return f"http://127.0.0.1:{provider.port}/{TENANT}"


def people_of(tenant: str, how_many: int) -> tuple[str, ...]:
    """Return the emails of ``how_many`` agents."""
    return tuple(f"agent{number:04d}@{tenant}.example" for number in range(how_many))


def program(name: str) -> str:
    """Return a program of this interpreter's environment. Raises CannotMeasure when it is missing."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise CannotMeasure(
            f"{name} is not installed beside {Path(sys.executable).name}: install the dev extra"
        )
    return str(path)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without settings and proxies, which would favour one side."""
    dropped = ("LVPORTAL_", "REFERENCE_", "FLASK_", "GRANIAN_", "GUNICORN_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(dropped) and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONPATH": str(REPOSITORY)}


def portal_command(server: str, port: int) -> list[str]:
    """Return the command line of the portal under ``server``: granian or gunicorn."""
    if server == "granian":
        return [program(GRANIAN[0]), *GRANIAN[1:], "--host=127.0.0.1", f"--port={port}", "wsgi:application"]
    return [
        *(program(GUNICORN[0]), *GUNICORN[1:]),
        f"--threads={PORTAL_THREADS}",
        f"--bind=127.0.0.1:{port}",
        "wsgi:application",
    ]


def reference_environment(folder: Path, provider: Server) -> dict[str, str]:
    """Return the reference's settings."""
    return clean_environment() | {
        "REFERENCE_DATABASE_URL": f"sqlite:///{folder / 'reference.sqlite3'}",
        "REFERENCE_METADATA_URL": f"{issuer(provider)}/.well-known/openid-configuration",
        "REFERENCE_CLIENT_ID": oidc_provider.client_id(TENANT),
        "REFERENCE_CLIENT_SECRET": oidc_provider.client_secret(TENANT),
        "REFERENCE_SECRET_KEY": secrets.token_urlsafe(32),
    }


def portal_environment(folder: Path, port: int, provider: Server) -> dict[str, str]:
    """Return the settings of a measured portal: production, but for plain http on loopback."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return clean_environment() | {
        "LVPORTAL_ENVIRONMENT": "production",
        "LVPORTAL_PORTAL_ORIGIN": f"http://portal.localhost:{port}",
        "LVPORTAL_AGENT_ORIGIN": f"http://agent.localhost:{port}",
        "LVPORTAL_DATABASE_URL": f"sqlite:///{folder / 'portal.sqlite3'}",
        "LVPORTAL_ENCRYPTION_KEYS": f"benchmark:{key}",
        "LVPORTAL_UNSAFE_PROVIDER_ADDRESSES": f"127.0.0.1:{provider.port}",
        "LVPORTAL_UNSAFE_ALLOW_HTTP_ORIGINS_IN_PRODUCTION": "true",
        "LVPORTAL_UNSAFE_ALLOW_UNSAFE_PROVIDER_ADDRESSES_IN_PRODUCTION": "true",
        SECRET_VARIABLE: oidc_provider.client_secret(TENANT),
    }


def prepare_portal(
    folder: Path, environment: dict[str, str], provider: Server, people: tuple[str, ...]
) -> None:
    """Make the portal's database and apply the measured client. Raises CannotMeasure."""
    file = folder / "apply.json"
    file.write_text(json.dumps(configuration(provider, people), indent=2))
    for arguments in (["database", "upgrade"], ["apply", str(file)]):
        command = [sys.executable, "-c", "from lvportal.cli import main; main()", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise CannotMeasure(f"lvportal {arguments[0]} failed:\n{done.stdout}{done.stderr}")


def configuration(provider: Server, people: tuple[str, ...]) -> dict[str, object]:
    """Return the ``lvportal apply`` file: one client, its agents, a live connection."""
    agents = [
        {"logon_id": email.partition("@")[0], "email": email, "first_name": "Agent", "last_name": email[5:9]}
        for email in people
    ]
    connection = {
        "provider": "other",
        "application_type": "web",
        "issuer": issuer(provider),
        "client_id": oidc_provider.client_id(TENANT),
        "secret": {"environment": SECRET_VARIABLE},
        "client_authentication": "client_secret_basic",
        "email_claim": "email",
        "scopes": "openid email profile",
        "response_mode": "query",
        "enabled": True,
        "goes_live_without_a_test_sign_in": True,
    }
    client = {
        "code": TENANT,
        "name": "Acme",
        "features": {"single_sign_on": True},
        "agents": agents,
        "connection": connection,
    }
    return {"clients": [client]}
