"""``python -m benchmarks.lists``: how long each page of users and agents takes the server.

10,000 users and 50,000 agents of one client on SQLite; each page five times
through the whole app, the median of its processor time counts: what else
runs on the machine does not. Fails when one takes 100 ms or more.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from lvportal.extensions import db
from lvportal.models import Account, IdentityLink
from lvportal.models.base import table
from lvportal.services.transactions import writing
from tests.support.house import House, Visitor

USERS, AGENTS = 10_000, 50_000
ROUNDS = 5
MOST_MILLISECONDS = 100.0
SORTS = ("login", "name", "email", "seen")
PATHS = (
    *(f"/configure/users{query}" for query in ("", "?sort=role", "?role=MANAGER", "?factor=set")),
    *("/configure/agents", "/configure/agents?sort=team"),
    *(
        f"/configure/{kind}?{query}"
        for kind in ("users", "agents")
        for query in (
            *(f"sort=-{key}" for key in SORTS),
            *(f"readiness={key}" for key in ("ready", "no_email", "invalid", "shared", "unusual", "never")),
            *("status=active", "status=locked", "q=4321", "q=nobody-has-this", "page=150"),
        )
    ),
)


def main() -> int:
    """Fill the database, measure each page and print its figure."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        with house.app.app_context():
            _fill(house)
        admin = house.user("SYSADMIN")
        slow = 0
        for path in PATHS:
            took = _median_milliseconds(admin, path)
            slow += took >= MOST_MILLISECONDS
            print(f"{took:7.1f} ms  {path}{'  TOO SLOW' if took >= MOST_MILLISECONDS else ''}")
        with house.app.app_context():
            db.engine.dispose()
    return 1 if slow else 0


def _median_milliseconds(admin: Visitor, path: str) -> float:
    admin.get(path)
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        page = admin.get(path)
        times.append((time.process_time() - began) * 1000)
        assert page.status == 200, path
    return statistics.median(times)


def _fill(house: House) -> None:
    with writing(db.session()) as session:
        tenant_id = session.query(Account.tenant_id).filter_by(login_name="desk_114").scalar()
        for audience, count in (("portal", USERS), ("agent", AGENTS)):
            session.execute(
                table(Account).insert(), [_row(tenant_id, audience, n, house) for n in range(count)]
            )
        linked = (
            session.query(Account.id, Account.audience)
            .filter(Account.tenant_id == tenant_id, Account.id % 10 != 0)
            .all()
        )
        session.execute(
            table(IdentityLink).insert(),
            [
                {
                    "tenant_id": tenant_id, "audience": audience, "account_id": id_,
                    "issuer": "https://login.acme.example", "subject": f"00u{id_}", "linked_at": house.now,
                }
                for id_, audience in linked
            ],
        )  # fmt: skip


def _row(tenant_id: int, audience: str, n: int, house: House) -> dict[str, object]:
    domain = "other.example" if n % 97 == 0 else "acme.example"
    email = None if n % 101 == 0 else f"{audience}.{n // 2 if n % 499 < 2 else n}@{domain}"
    return {
        "tenant_id": tenant_id,
        "audience": audience,
        "login_name": f"p{n * 7919 % 100_003:06}",
        "folded_login_name": f"p{n * 7919 % 100_003:06}",
        "email": email,
        "folded_email": email,
        "first_name": f"First{n % 311}",
        "last_name": f"Last{n * 31 % 1009}",
        "active": n % 20 != 0,
        "role": ("MANAGER", "IT_USER", "CLIENT_AUDITOR")[n % 3] if audience == "portal" else None,
        "agent_team": f"Team {n % 40}" if audience == "agent" else "",
        "locked_until": house.now + timedelta(hours=1) if n % 1000 == 0 else None,
        "last_sign_in_at": house.now - timedelta(minutes=n) if n % 5 else None,
        "created_at": house.now,
    }


if __name__ == "__main__":
    sys.exit(main())
