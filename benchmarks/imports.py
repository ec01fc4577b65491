"""``python -m benchmarks.imports [rows]``: how long an import takes, and how much memory.

Two files on SQLite: one of new agents, then one that changes all of them, their
emails too. Peak memory is the whole process's, the app included.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import CannotMeasure
from lvportal.extensions import db
from lvportal.factory import create_app
from lvportal.key_ring import new_key
from lvportal.models import Account, Base, IdentityLink, Tenant
from lvportal.models.base import table
from lvportal.services.audit import Actor
from lvportal.services.people_import import running
from lvportal.services.people_import.planning import Importer
from lvportal.services.people_import.reading import MOST_ROWS
from lvportal.services.transactions import writing
from lvportal.settings import load

MOST_SECONDS = 60.0
MOST_MEGABYTES = 300
HEADER = "Logon ID,Email,First Name,Last Name,Agent Team,Active,Home Agent,Extension\n"


def main() -> int:
    """Measure in a process of its own, so that the memory is the import's."""
    rows = sys.argv[1] if len(sys.argv) > 1 else str(MOST_ROWS)
    if "--here" not in sys.argv:
        return subprocess.run([sys.executable, "-m", "benchmarks.imports", rows, "--here"]).returncode
    with tempfile.TemporaryDirectory() as folder:
        return _measure(int(rows), Path(folder))


def _measure(rows: int, folder: Path) -> int:
    settings = load(
        {},
        environment="test",
        database_url=f"sqlite:///{folder}/imports.sqlite3",
        encryption_keys=new_key("benchmark"),
    )
    app = create_app(settings)
    slowest = 0.0
    with app.app_context():
        Base.metadata.create_all(db.engine)
        tenant_id = _fill()
        before = _megabytes()
        for name, text in (("new", _file(rows, "")), ("changed", _file(rows, "x"))):
            read, write = _import(tenant_id, text.encode())
            took = f"preview {read:.1f} s, import {write:.1f} s"
            _say(f"{rows:,} {name} rows: {took}, peak {_megabytes():.0f} MB")
            slowest = max(slowest, read, write)
            _link(tenant_id)
        db.engine.dispose()
    _say(f"the app alone: {before:.0f} MB")
    return int(slowest > MOST_SECONDS or _megabytes() > MOST_MEGABYTES)


def _fill() -> int:
    with writing(db.session()) as session:
        tenant = Tenant(code="acme", name="Acme", time_zone="UTC", kind="client", created_at=_now())
        session.add(tenant)
        session.flush()
        return tenant.id


def _link(tenant_id: int) -> None:
    """Link everybody to a subject, so that changed emails have something to unlink."""
    with writing(db.session()) as session:
        session.execute(table(IdentityLink).delete())
        accounts = table(Account)
        found = session.execute(accounts.select().with_only_columns(accounts.c.id)).scalars()
        links = [
            {"tenant_id": tenant_id, "audience": "agent", "account_id": id_, "issuer": "https://login.acme.example",
             "subject": str(id_), "linked_at": _now()}
            for id_ in found
        ]  # fmt: skip
        session.execute(table(IdentityLink).insert(), links)


def _import(tenant_id: int, content: bytes) -> tuple[float, float]:
    """Return seconds of the preview and of the import."""
    session = db.session()
    by, importer = Actor("benchmark", 1), Importer(1, "SYSADMIN", False)
    started = time.perf_counter()
    import_id, run = running.start(
        session, tenant_id=tenant_id, audience="agent", by=by, importer=importer, file_name="agents.csv",
        content=content, now=_now(),
    )  # fmt: skip
    running.read(session, import_id, run, importer, _now)
    read = time.perf_counter()
    view = _view(tenant_id, import_id, "read")
    run = running.begin_writing(session, view, _now())
    running.write(session, import_id, run, by, importer, _now)
    done = time.perf_counter()
    _view(tenant_id, import_id, "written")
    return read - started, done - read


def _view(tenant_id: int, import_id: int, state: str) -> running.View:
    """Return the import. Raises CannotMeasure when it is not in this state, or rows were refused."""
    view = running.find(
        db.session(), tenant_id=tenant_id, audience="agent", account_id=1, import_id=import_id, now=_now()
    )
    if view is None or view.state != state or view.numbers["refused"]:
        raise CannotMeasure(f"the import is not {state}: {view}")
    return view


def _file(rows: int, mark: str) -> str:
    return HEADER + "".join(
        f"desk_{n},desk.{n}{mark}@acme.example,First{mark},Last {n},Team {n % 40}{mark},yes,no,{10_000 + n}\n"
        for n in range(rows)
    )


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
