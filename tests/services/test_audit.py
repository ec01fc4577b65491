"""A client's events form a chain that shows what was altered, removed or inserted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from lvportal.cli.database import migrations
from lvportal.extensions import db
from lvportal.models import AuditEvent, Tenant
from lvportal.models.base import table
from lvportal.services import audit, audit_chain
from lvportal.services.transactions import writing
from tests.services.conftest import World
from tests.support.installation import Installation

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
DESK = audit.Actor("Desk", account_id=7, address="192.0.2.1")
EVENTS = table(AuditEvent)


def write(session: Session, tenant_id: int, count: int = 1, **values: Any) -> None:
    for number in range(count):
        given: dict[str, Any] = {"action": "connection.saved", "subject": f"revision {number}"}
        audit.record(session, tenant_id=tenant_id, actor=DESK, now=NOW, **(given | values))


@pytest.fixture
def chain(world: World) -> Tenant:
    """A client with five events."""
    tenant = world.client("acme", live=False)
    with writing(world.session):
        write(world.session, tenant.id, 5)
    return tenant


def verdict(world: World, tenant: Tenant, **options: Any) -> audit_chain.Verdict:
    world.session.rollback()
    return audit_chain.verify(world.session, tenant.id, **options)


def broken_at(world: World, tenant: Tenant, **options: Any) -> tuple[int, str] | None:
    found = verdict(world, tenant, **options).first_break
    return (found.number, found.reason.split(":")[0].split(",")[0]) if found else None


def test_events_are_numbered_and_chained(world: World, chain: Tenant) -> None:
    rows = world.session.scalars(select(AuditEvent).order_by(AuditEvent.number)).all()

    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0].previous_hash == audit.FIRST_HASH
    assert [row.previous_hash for row in rows[1:]] == [row.hash for row in rows[:-1]]


def test_an_untouched_chain_holds(world: World, chain: Tenant) -> None:
    found = verdict(world, chain)

    assert (found.checked, found.first_break) == (5, None)
    assert found.head == audit_chain.head_of(world.session, chain.id)


def test_each_client_has_a_chain_of_its_own(world: World, chain: Tenant) -> None:
    other = world.client("globex", live=False)

    with writing(world.session):
        write(world.session, other.id, 2)
        write(world.session, chain.id)

    assert [verdict(world, tenant).head.number for tenant in (chain, other)] == [6, 2]


def test_what_the_database_gives_back_has_the_hash_of_what_was_written(world: World, chain: Tenant) -> None:
    east = datetime(2026, 11, 24, 9, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    odd = {"names": ["Ä", "\U0001f600"], "none": None, "deep": {"b": 1.5, "a": True}, "tuple": (1, 2)}

    with writing(world.session):
        audit.record(
            world.session,
            tenant_id=chain.id,
            actor=audit.Actor("Ö" * 200, address="2001:db8::1"),
            action="connection.saved",
            subject="s\x00" * 200,
            before=odd,
            after={1: "a number as a name"},  # type: ignore[dict-item]
            now=east,
        )

    assert verdict(world, chain).first_break is None


def test_many_events_are_written_as_one_by_one(world: World, chain: Tenant) -> None:
    changes = [audit.Change("account.created", f"agent {number}") for number in range(1201)]

    with writing(world.session):
        audit.record_many(world.session, tenant_id=chain.id, actor=DESK, changes=changes, now=NOW)

    found = verdict(world, chain)
    assert (found.checked, found.first_break) == (1206, None)


def test_what_is_rolled_back_leaves_no_gap(world: World, chain: Tenant) -> None:
    with pytest.raises(RuntimeError), writing(world.session):
        write(world.session, chain.id, 3)
        raise RuntimeError

    with writing(world.session):
        write(world.session, chain.id)

    assert verdict(world, chain).head.number == 6
    assert broken_at(world, chain) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"actor": "Somebody"},
        {"actor_account_id": 8},
        {"by_care": True},
        {"address": "192.0.2.2"},
        {"action": "connection.live"},
        {"subject": "revision 9"},
        {"before": {"a": 1}},
        {"after": {"a": 1}},
        {"at": NOW + timedelta(microseconds=1)},
        {"hash": "f" * 64},
        {"previous_hash": "f" * 64},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_altered_event_is_named(world: World, chain: Tenant, changed: dict[str, Any]) -> None:
    with writing(world.session):
        world.session.execute(update(EVENTS).where(EVENTS.c.number == 3).values(changed))

    assert broken_at(world, chain) == (3, "was altered")


def test_an_event_moved_to_another_client_is_missing_there(world: World, chain: Tenant) -> None:
    other = world.client("globex", live=False)
    with writing(world.session):
        world.session.execute(update(EVENTS).where(EVENTS.c.number == 5).values(tenant_id=other.id, number=1))

    assert broken_at(world, other) == (1, "was altered")


@pytest.mark.parametrize("number", [1, 3])
def test_a_removed_event_is_named(world: World, chain: Tenant, number: int) -> None:
    with writing(world.session):
        world.session.execute(delete(EVENTS).where(EVENTS.c.number == number))

    assert broken_at(world, chain) == (number, "was removed")


def test_an_altered_event_with_its_hash_made_anew_breaks_the_next(world: World, chain: Tenant) -> None:
    with writing(world.session):
        row = dict(world.session.execute(select(EVENTS).where(EVENTS.c.number == 3)).one()._mapping)
        row["actor"] = "Somebody"
        world.session.execute(
            update(EVENTS).where(EVENTS.c.number == 3).values(actor="Somebody", hash=audit.hash_of(row))
        )

    assert broken_at(world, chain) == (4, "does not follow event 3")


@pytest.mark.parametrize(("number", "expected"), [(0, "was inserted"), (6, "was altered")])
def test_an_inserted_event_is_named(world: World, chain: Tenant, number: int, expected: str) -> None:
    with writing(world.session):
        values = {"at": NOW, "actor": "x", "action": "connection.saved", "by_care": False, "address": ""}
        more = {"subject": "", "before": {}, "after": {}, "previous_hash": "", "hash": ""}
        world.session.execute(insert(EVENTS).values(tenant_id=chain.id, number=number, **values, **more))

    assert broken_at(world, chain) == (number, expected)


def test_removed_newest_events_show_against_a_kept_head_alone(world: World, chain: Tenant) -> None:
    kept = audit_chain.head_of(world.session, chain.id)
    with writing(world.session):
        world.session.execute(delete(EVENTS).where(EVENTS.c.number > 3))

    assert broken_at(world, chain) is None
    assert broken_at(world, chain, kept=kept) == (4, "was removed")


def test_a_chain_written_anew_shows_against_a_kept_head(world: World, chain: Tenant) -> None:
    kept = audit_chain.head_of(world.session, chain.id)
    with writing(world.session):
        world.session.execute(delete(EVENTS))
        write(world.session, chain.id, 6, subject="another story")

    assert broken_at(world, chain) is None
    assert broken_at(world, chain, kept=kept) == (5, "is not the event of the kept head")


def test_a_kept_head_stays_good_when_events_follow(world: World, chain: Tenant) -> None:
    kept = audit_chain.head_of(world.session, chain.id)
    with writing(world.session):
        write(world.session, chain.id, 2)

    assert broken_at(world, chain, kept=kept) is None


def test_oldest_events_removed_on_purpose_are_left_out_by_their_last_head(
    world: World, chain: Tenant
) -> None:
    second = world.session.scalars(select(AuditEvent).where(AuditEvent.number == 2)).one()
    last_removed = audit_chain.Head(2, second.hash)
    with writing(world.session):
        world.session.execute(delete(EVENTS).where(EVENTS.c.number <= 2))

    assert broken_at(world, chain) == (1, "was removed")
    assert broken_at(world, chain, after=last_removed) is None


@pytest.mark.parametrize(
    "wrong", ["", "5", "5:abc", "x:" + "0" * 64, "5:" + "G" * 64, "9" * 20 + ":" + "0" * 64]
)
def test_a_head_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="NUMBER:HASH"):
        audit_chain.Head.read(wrong)


def test_a_head_is_read_as_it_was_printed() -> None:
    head = audit_chain.Head(5, "a" * 64)

    assert audit_chain.Head.read(str(head)) == head


# --- A migrated database, on both engines -----------------------------------


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    made = Installation(tmp_path, url)
    yield made
    made.close()


def add_client(session: Session, code: str = "acme") -> int:
    with writing(session):
        tenant = Tenant(code=code, name=code.title(), created_at=NOW)
        session.add(tenant)
        session.flush()
        return tenant.id


def test_events_from_before_the_chain_are_chained_by_the_migration(installation: Installation) -> None:
    with installation.app.app_context():
        command.upgrade(migrations(), "0001")
        with db.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO tenants (id, code, name, kind, time_zone, max_failed_portal,"
                    " max_failed_agent, created_at) VALUES (1, 'acme', 'Acme', 'client', 'UTC', 5, 5, :at),"
                    " (2, 'globex', 'Globex', 'client', 'UTC', 5, 5, :at)"
                ),
                {"at": NOW},
            )
            for number in range(6):
                connection.execute(
                    text(
                        "INSERT INTO audit_events (tenant_id, at, actor, by_care, address, action, subject,"
                        " before, after) VALUES (:tenant, :at, 'Ümlaut', true, '192.0.2.1',"
                        " 'connection.saved', '', :before, '{\"b\": null, \"a\": [1.5, \"ä\"]}')"
                    ),
                    {"tenant": 1 + number % 2, "at": NOW + timedelta(microseconds=number), "before": "{}"},
                )
        command.upgrade(migrations(), "0002")
        with writing(db.session()) as session:
            write(session, 1)
        found = [audit_chain.verify(db.session(), tenant_id) for tenant_id in (1, 2)]
        db.session.remove()

    assert [(one.checked, one.first_break) for one in found] == [(4, None), (3, None)]


@pytest.mark.parametrize(
    "change",
    ["UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"],
)
def test_the_database_itself_refuses_to_change_an_event(installation: Installation, change: str) -> None:
    if change.startswith("TRUNCATE") and installation.database_url.startswith("sqlite"):
        change = "DELETE FROM audit_events WHERE 1"  # SQLite's way to empty a table
    installation.run("database", "upgrade")
    with installation.session() as session:
        tenant_id = add_client(session)
        with writing(session):
            write(session, tenant_id)

        with pytest.raises(DatabaseError, match="audit events are never"), writing(session):
            session.execute(text(change))
        with writing(session):
            write(session, tenant_id)

        assert audit_chain.verify(session, tenant_id).checked == 2


def test_writers_at_once_make_one_chain(installation: Installation) -> None:
    installation.run("database", "upgrade")
    with installation.session() as session:
        tenant_id = add_client(session)
        other_id = add_client(session, "globex")
    failures: list[BaseException] = []

    def work(order: list[int]) -> None:
        try:
            for _ in range(10):
                with installation.session() as session, writing(session):
                    for one in order:
                        write(session, one, 2)
        except BaseException as failure:
            failures.append(failure)

    orders = [[tenant_id], [tenant_id], [other_id], [tenant_id, other_id]]
    threads: list[threading.Thread] = [threading.Thread(target=work, args=(order,)) for order in orders]
    run_all(threads, lambda thread: thread.start())
    run_all(threads, lambda thread: thread.join())

    with installation.session() as session:
        found = [audit_chain.verify(session, one) for one in (tenant_id, other_id)]
    assert failures == []
    assert [(one.checked, one.first_break) for one in found] == [(60, None), (40, None)]


def run_all(threads: list[threading.Thread], act: Callable[[threading.Thread], None]) -> None:
    for thread in threads:
        act(thread)
