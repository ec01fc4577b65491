"""Sealing every stored secret anew with the current key of the ring."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lvportal.key_ring import KeyRing, NotOpened
from lvportal.models import Connection, Revision, Tenant
from lvportal.services.connections import secret_purpose
from lvportal.services.transactions import writing

# Small, so that sign-ins hardly wait for the writer.
ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did. ``unopened`` names revisions whose key is gone."""

    resealed: int
    current: int
    unopened: tuple[str, ...]


def reseal_all(session: Session, key_ring: KeyRing, *, rows_at_once: int = ROWS_AT_ONCE) -> Rotation:
    """Seal every secret with the current key, in many small transactions.

    What was done stays done when it is interrupted. A secret that does not open
    is left as it is: the key may come back.
    """
    resealed, current, unopened = _reseal_next_secrets(session, key_ring)
    last_id = 0
    while True:
        with writing(session):
            rows = session.execute(
                select(
                    Revision.id, Revision.connection_id, Revision.sealed_secret, Revision.number, Tenant.code
                )
                .join(Connection, Connection.id == Revision.connection_id)
                .join(Tenant, Tenant.id == Connection.tenant_id)
                .where(Revision.id > last_id, Revision.sealed_secret.is_not(None))
                .order_by(Revision.id)
                .limit(rows_at_once)
            ).all()
            for revision_id, connection_id, stored, number, code in rows:
                last_id, sealed = revision_id, str(stored)
                if key_ring.is_current(sealed):
                    current += 1
                    continue
                purpose = secret_purpose(connection_id)
                try:
                    secret = key_ring.open(sealed, purpose=purpose)
                except NotOpened:
                    unopened.append(f"client {code}, revision {number}")
                    continue
                session.execute(
                    update(Revision)
                    .where(Revision.id == revision_id)
                    .values(sealed_secret=key_ring.seal(secret, purpose=purpose))
                )
                resealed += 1
        if len(rows) < rows_at_once:
            return Rotation(resealed, current, tuple(unopened))


def _reseal_next_secrets(session: Session, key_ring: KeyRing) -> tuple[int, int, list[str]]:
    """Seal the few secrets that wait to take another's place; at most one a client."""
    resealed, current, unopened = 0, 0, []
    with writing(session):
        waiting = session.execute(
            select(Connection, Tenant.code)
            .join(Tenant, Tenant.id == Connection.tenant_id)
            .where(Connection.next_sealed_secret.is_not(None))
        ).all()
        for connection, code in waiting:
            sealed = str(connection.next_sealed_secret)
            if key_ring.is_current(sealed):
                current += 1
                continue
            purpose = secret_purpose(connection.id)
            try:
                secret = key_ring.open(sealed, purpose=purpose)
            except NotOpened:
                unopened.append(f"client {code}, next secret")
                continue
            connection.next_sealed_secret = key_ring.seal(secret, purpose=purpose)
            resealed += 1
    return resealed, current, unopened
