"""How long the pages of Monitor take in a large client: ``python -m benchmarks.monitor [FOLDER]``.

10,000 users, 50,000 agents, 30,000 live sessions and 1,000,000 records of
sign-ins in one client, on SQLite. Each page is opened in this process, without
a network, as often as ROUNDS says; what is printed is server time.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text

from lvportal.extensions import db
from lvportal.models import Account, PersonSession, SignInRecord, Tenant
from lvportal.models.base import table
from lvportal.services import references
from lvportal.services.transactions import writing
from tests.support import cheap
from tests.support.house import House, Visitor

USERS, AGENTS, SESSIONS, RECORDS = 10_000, 50_000, 30_000, 1_000_000
DAYS = 180
ROUNDS = 15
CAUSES = ("sign_in.no_account", "sign_in.not_assigned", "sign_in.no_email", "sign_in.clock", "sign_in.policy")
PAGES = (
    ("SYSADMIN", "/monitor/sign-ins"),
    ("SYSADMIN", "/monitor/sign-ins?time=week"),
    ("SYSADMIN", "/monitor/sign-ins?time=all"),
    ("SYSADMIN", "/monitor/sign-ins?time=all&page=200"),
    ("SYSADMIN", "/monitor/sign-ins?time=all&outcome=refused"),
    ("SYSADMIN", "/monitor/sign-ins?time=all&cause=sign_in.no_email"),
    ("SYSADMIN", "/monitor/sign-ins?time=all&host=portal"),
    ("SYSADMIN", "/monitor/sign-ins?q=agent_4711"),
    ("SYSADMIN", "/monitor/sign-ins?q=agent"),
    ("SYSADMIN", "/monitor/sign-ins?q=nobody@acme.example"),
    ("SUPERUSER", "/monitor/sign-ins"),
    ("SUPERUSER", "/monitor/sign-ins?time=all"),
    ("SYSADMIN", "/monitor/sign-ins/{reference}"),
    ("CARE", "/care/sign-ins?reference={reference}"),
    ("SYSADMIN", "/monitor/sessions"),
    ("SUPERUSER", "/monitor/sessions"),
    ("MANAGER", "/monitor/sessions"),
    ("SYSADMIN", "/monitor/sessions?sort=person"),
    ("SYSADMIN", "/monitor/sessions?sort=-seen"),
    ("SYSADMIN", "/monitor/sessions?q=agent_4711"),
    ("SYSADMIN", "/monitor/sessions?page=500"),
    ("SYSADMIN", "/monitor/sessions/end"),
    ("SYSADMIN", "/profile"),
)


def fill(house: House) -> str:
    """Fill Acme; return the reference of one refusal."""
    rng = random.Random(4711)
    with house.app.app_context():
        with db.engine.connect() as connection:  # the only one of the pool: all that follows uses it
            connection.execute(text("PRAGMA cache_size=-400000"))
        with writing(db.session()) as session:
            tenant_id = session.scalars(select(Tenant.id).where(Tenant.code == "acme")).one()
            for rows in _parts(_people(tenant_id, house.now)):
                session.execute(insert(table(Account)), rows)
        people: list[tuple[int, str, str]] = [
            (row[0], row[1], row[2])
            for row in db.session.execute(
                select(Account.id, Account.audience, func.coalesce(Account.folded_email, "")).where(
                    Account.tenant_id == tenant_id, Account.made_by_provider.is_(True)
                )
            )
        ]
        with writing(db.session()) as session:
            for rows in _parts(_sessions(tenant_id, people[:SESSIONS], house.now, rng)):
                session.execute(insert(table(PersonSession)), rows)
        with writing(db.session()) as session:
            for rows in _parts(_records(tenant_id, people, house.now, rng)):
                session.execute(insert(table(SignInRecord)), rows)
        reference = db.session.scalar(
            select(SignInRecord.reference).where(SignInRecord.code.is_not(None)).limit(1)
        )
        assert reference is not None
        return str(reference)


def measure(visitors: dict[str, Visitor], reference: str) -> bool:
    """Print the figures of every page; return whether each median is under 100 ms."""
    is_fast = True
    print(f"{'median':>9} {'slowest':>9}  page")
    for role, template in PAGES:
        path = template.format(reference=reference)
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            page = visitors[role].get(path)
            times.append((time.perf_counter() - start) * 1000)
            assert page.status == 200, (path, page.status)
        median = statistics.median(times)
        is_fast = is_fast and median < 100
        print(f"{median:6.1f} ms {max(times):6.1f} ms  {role} {template}")
    return is_fast


def main() -> int:
    """Fill, sign in, measure."""
    cheap.use_cheap_passwords()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="lvportal-monitor-"))
    house = House(folder)
    start = time.perf_counter()
    reference = fill(house)
    print(f"Filled in {time.perf_counter() - start:.0f} s.")
    visitors = {role: house.user(role) for role in ("SYSADMIN", "SUPERUSER", "MANAGER")}
    return 0 if measure(visitors | {"CARE": house.care()}, reference) else 1


def _people(tenant_id: int, now: datetime) -> Iterator[dict[str, Any]]:
    for kind, audience, count in (("user", "portal", USERS), ("agent", "agent", AGENTS)):
        for number in range(count):
            login = f"{kind}_{number}"
            yield {
                "tenant_id": tenant_id,
                "audience": audience,
                "login_name": login,
                "folded_login_name": login,
                "email": f"{login}@acme.example",
                "folded_email": f"{login}@acme.example",
                "first_name": kind.title(),
                "last_name": str(number),
                "role": "MANAGER" if audience == "portal" else None,
                "made_by_provider": True,
                "created_at": now,
            }


def _sessions(
    tenant_id: int, people: list[tuple[int, str, str]], now: datetime, rng: random.Random
) -> Iterator[dict[str, Any]]:
    for number, (account_id, audience, email) in enumerate(people):
        at = now - timedelta(seconds=rng.randrange(3000))
        yield {
            "handle_hash": f"{number:064x}",
            "tenant_id": tenant_id,
            "audience": audience,
            "account_id": account_id,
            "email": email,
            "method": "password",
            "created_at": at,
            "last_seen_at": now - timedelta(seconds=rng.randrange(600)),
            "expires_at": at + timedelta(hours=12),
            "address": "192.0.2.1",
            "device": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
        }


def _records(
    tenant_id: int, people: list[tuple[int, str, str]], now: datetime, rng: random.Random
) -> Iterator[dict[str, Any]]:
    for number in range(RECORDS):
        account_id, audience, email = people[rng.randrange(len(people))]
        code = rng.choice(CAUSES) if rng.random() < 0.03 else None
        yield {
            "reference": _reference(number),
            "tenant_id": tenant_id,
            "audience": audience,
            "at": now - timedelta(days=DAYS) * (1 - number / RECORDS),
            "outcome": "refused" if code else "signed_in",
            "method": "sso",
            "code": code,
            "step": 5 if code else 6,
            "account_id": None if code else account_id,
            "email": email,
            "folded_email": email,
            "revision_id": 1,
            "claim_names": ["sub", "email"],
            "address": "192.0.2.1",
            "device": "a browser",
        }


def _reference(number: int) -> str:
    # Counted, not drawn: a million drawn ones hold two that are equal every second time.
    letters = (references.ALPHABET[(number >> shift) & 31] for shift in range(0, 40, 5))
    return "".join(letters)


def _parts(rows: Iterator[dict[str, Any]], size: int = 5000) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


if __name__ == "__main__":
    sys.exit(main())
