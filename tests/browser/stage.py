"""Clients as the journeys need them, and the demo provider as ``./run`` starts it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lvportal.services.passwords import hash_password
from tests.browser.someone import PASSWORD
from tests.providers.common import RegisteredClient
from tests.support.live_portal import ROOT, LivePortal
from tests.support.ports import answers, end, free_port, wait_for

DEMO_DATA = ROOT / "lvportal" / "demo" / "demo.json"
DEMO_SECRET = secrets.token_urlsafe(32)


@cache
def by_password() -> dict[str, str]:
    """PASSWORD as the configuration takes it. Hashed once: each hash costs a tenth of a second."""
    return {"argon2": hash_password(PASSWORD)}


def operator() -> dict[str, Any]:
    """The operator's own client with one member of Customer Care."""
    care = {"user_name": "care", "role": "CARE", "email": "care@operator.example"}
    names = {"first_name": "Customer", "last_name": "Care"}
    return {
        "code": "operator",
        "name": "LV Platform",
        "kind": "operator",
        "users": [{**care, **names, "password": by_password()}],
    }


def globex(suffix: str, *, connection: dict[str, Any] | None = None) -> dict[str, Any]:
    """A client with an administrator by password, a user and an agent without one.

    ``suffix`` is in everybody's email: a provider shared by tests keeps people.
    """
    domain = f"{suffix}.globex.example"
    entry: dict[str, Any] = {
        "code": "globex",
        "name": "Globex",
        "time_zone": "Europe/Berlin",
        "features": {"single_sign_on": {"enabled": connection is not None, "ticket": "T-0"}},
        "email_domains": [domain],
        "users": [
            {
                "user_name": "admin",
                "role": "SYSADMIN",
                "email": f"admin@{domain}",
                "first_name": "Globex",
                "last_name": "Admin",
                "password": by_password(),
            },
            {
                "user_name": "manager",
                "role": "MANAGER",
                "email": f"manager@{domain}",
                "first_name": "Globex",
                "last_name": "Manager",
            },
        ],
        "agents": [
            {
                "logon_id": "agent.one",
                "email": f"agent.one@{domain}",
                "first_name": "Agent",
                "last_name": "One",
                "agent_team": "Service",
                "extension": "3001",
            }
        ],
    }
    return entry | ({"connection": connection} if connection else {})


def live_connection(
    issuer: str, client: RegisteredClient, *, application_type: str, response_mode: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a connection that signs people in at once, and the variable that holds its secret."""
    entry: dict[str, Any] = {
        "provider": "other",
        "application_type": application_type,
        "issuer": issuer,
        "client_id": client.client_id,
        "client_authentication": client.authentication,
        "response_mode": response_mode,
        "email_claim": "email",
        "enabled": True,
        "goes_live_without_a_test_sign_in": True,
    }
    if client.client_secret is None:
        return entry, {}
    return entry | {"secret": {"environment": "JOURNEY_SECRET"}}, {"JOURNEY_SECRET": client.client_secret}


@dataclass(frozen=True, slots=True)
class Demo:
    """The portal with the demo data, and the demo provider."""

    portal: LivePortal
    issuer: str
    cookies: dict[str, Any] = field(default_factory=dict, repr=False)  # of people once signed in


@contextmanager
def demo_provider(folder: Path, portal_port: int, port: int) -> Iterator[str]:
    """Serve it as ``./run`` does; the value is its issuer."""
    secret_file = folder / "acme-secret"
    secret_file.write_text(DEMO_SECRET)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "lvportal.demo", "--store", str(folder / "demo-provider.json")),
            *("--port", str(port), "--secret-file", str(secret_file)),
            *("--redirect-uri", f"http://portal.localhost:{portal_port}/sso/acme"),
            *("--redirect-uri", f"http://agent.localhost:{portal_port}/sso/acme"),
        ],
        cwd=ROOT,
    )
    try:
        wait_for(lambda: answers(port) or process.poll() is not None, seconds=20, what="the demo provider")
        assert process.poll() is None, f"the demo provider ended: is port {port} taken?"
        yield f"http://provider.localhost:{port}"
    finally:
        end(process)


@contextmanager
def demo(
    folder: Path, migrated: Path | None = None, *, ports: tuple[int, int] | None = None
) -> Iterator[Demo]:
    """The whole of ``./run``. ``migrated`` is a database to copy, made here if none.

    ``ports`` are the portal's and the provider's; free ones unless they are given.
    """
    file = folder / "lvportal.sqlite3"
    if migrated is not None:
        file.write_bytes(migrated.read_bytes())
    portal_port, provider_port = ports or (free_port(), free_port())
    portal = LivePortal(folder, f"sqlite:///{file}", port=portal_port)
    if migrated is None:
        done = portal.run("database", "upgrade")
        assert done.status == 0, done.output
    with demo_provider(folder, portal.port, provider_port) as issuer:
        name = "LVPORTAL_UNSAFE_PROVIDER_ADDRESSES"
        portal.environment[name] = issuer.removeprefix("http://")
        # A test signs many people in from one address.
        portal.environment["LVPORTAL_LOCAL_SIGN_INS_PER_MINUTE"] = "1000"
        text = DEMO_DATA.read_text().replace("http://provider.localhost:9000", issuer)
        text = text.replace('{ "environment": "DEMO_PASSWORD" }', json.dumps(by_password()))
        portal.apply(json.loads(text)["clients"], secrets={"DEMO_ACME_SECRET": DEMO_SECRET})
        portal.start()
        try:
            yield Demo(portal, issuer)
        finally:
            portal.stop()
