"""A small world for use cases: one database, two clients, people, a connection that is live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from lvportal.database import prepare_sqlite
from lvportal.key_ring import KeyRing, new_key
from lvportal.models import Account, Base, Tenant
from lvportal.protocols.contract import Answer, Departure, ExternalIdentity, PendingSignIn
from lvportal.services import audit, billing, connections, sign_in
from lvportal.services.folding import fold
from lvportal.services.matching import MatchingRules
from lvportal.services.sign_in_records import Visitor
from lvportal.services.transactions import writing

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ISSUER = "https://login.acme.example"


@dataclass
class ScriptedProtocol:
    """Answers as a provider's protocol would, with what the test put in."""

    result: ExternalIdentity | Exception
    issuer: str = ISSUER
    matching: MatchingRules = field(default_factory=MatchingRules)
    provider_label: str = "Okta"
    seen: list[PendingSignIn] = field(default_factory=list)

    def depart(self, *, revision_id: int, return_to: str, now: datetime, **_: Any) -> Departure:
        pending = PendingSignIn("state", "nonce", "verifier", revision_id, int(now.timestamp()), return_to)
        return Departure("https://login.acme.example/authorize", pending)

    def arrive(
        self, answer: Answer, pending: PendingSignIn, *, redirect_uri: str, now: datetime
    ) -> ExternalIdentity:
        self.seen.append(pending)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class World:
    """The database and short ways to fill it and to sign in."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.key_ring = KeyRing(new_key("test"))
        self.protocol = ScriptedProtocol(self.identity())
        self.states = 0

    def protocol_for(self, engine: Engine, connection: connections.LiveConnection) -> ScriptedProtocol:
        return self.protocol

    def identity(self, email: str = "desk@acme.example", subject: str = "00u1") -> ExternalIdentity:
        return ExternalIdentity(ISSUER, subject, email, claim_names=("email", "sub"))

    def client(self, code: str, *, live: bool = True) -> Tenant:
        with writing(self.session):
            tenant = Tenant(code=code, name=code.title(), created_at=NOW)
            self.session.add(tenant)
            self.session.flush()
            if live:
                self.set_feature(tenant, True)
                self.save(tenant)
                connections.set_enabled(self.session, tenant, enabled=True, by=audit.COMMAND_LINE, now=NOW)
        return tenant

    def set_feature(self, tenant: Tenant, enabled: bool) -> None:
        billing.set_feature(
            self.session,
            tenant,
            "single_sign_on",
            enabled=enabled,
            ticket="1",
            by=audit.COMMAND_LINE,
            now=NOW,
        )

    def values(self, **changes: Any) -> connections.ConnectionValues:
        given: dict[str, Any] = {
            "provider": "okta",
            "application_type": "web",
            "issuer": ISSUER,
            "client_id": "0oa1",
            "client_authentication": "client_secret_basic",
            "secret": "s3cret-value",
        }
        return connections.ConnectionValues(**(given | changes))

    def save(self, tenant: Tenant, **changes: Any) -> Any:
        based_on = changes.pop("based_on", None)
        return connections.save(
            self.session,
            tenant,
            self.values(**changes),
            key_ring=self.key_ring,
            by=audit.COMMAND_LINE,
            now=changes.pop("now", NOW),
            based_on=based_on,
        )

    def agent(self, tenant: Tenant, login: str, email: str | None, **values: Any) -> Account:
        return self.account(tenant, "agent", login, email, **values)

    def user(self, tenant: Tenant, login: str, email: str | None, **values: Any) -> Account:
        return self.account(tenant, "portal", login, email, role="SYSADMIN", **values)

    def account(self, tenant: Tenant, audience: str, login: str, email: str | None, **values: Any) -> Account:
        with writing(self.session):
            account = Account(
                tenant_id=tenant.id,
                audience=audience,
                login_name=login,
                folded_login_name=fold(login),
                email=email,
                folded_email=fold(email) if email else None,
                created_at=NOW,
                **values,
            )
            self.session.add(account)
        return account

    def arrival(self, code: str = "acme", audience: str = "agent", **changes: Any) -> sign_in.Arrival:
        self.states += 1
        tenant = connections.look_up(self.session, code)
        revision = tenant.live.revision_id if tenant.live else 1
        values: dict[str, Any] = {
            "client_code": code,
            "audience": audience,
            "redirect_uri": f"https://{audience}.example.com/sso/{code}",
            "answer": Answer((("state", "s"), ("code", "c")), "query"),
            "pending": PendingSignIn(f"state-{self.states}", "n", "v", revision, int(NOW.timestamp()), "/x"),
            "visitor": Visitor("192.0.2.1", "a browser"),
        }
        return sign_in.Arrival(**(values | changes))

    @property
    def engine(self) -> Engine:
        return cast(Engine, self.session.get_bind())

    def finish(self, arrival: sign_in.Arrival, now: datetime = NOW) -> Any:
        self.session.rollback()  # what was read before does not hide what is written now
        return sign_in.finish(self.engine, self, arrival, absolute_seconds=3600, now=now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = create_engine(f"sqlite:///{tmp_path / 'world.sqlite3'}", connect_args={"timeout": 15})
    prepare_sqlite(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield World(session)
    engine.dispose()
