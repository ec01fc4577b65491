"""Two clients in one app: Acme, who looks, and Globex, who has one of everything with a word to look for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select, text
from werkzeug.routing import Rule

from lvportal.errors import NoAccount
from lvportal.extensions import db, limiter
from lvportal.models import (
    Account,
    AuditEvent,
    Base,
    DomainClaim,
    MailMessage,
    PersonSession,
    Revision,
    SetupLink,
    Tenant,
    TestSignIn,
)
from lvportal.services import audit, connections, sessions, sign_in_records
from lvportal.services.people_import import columns, planning, running
from lvportal.services.sign_in_records import Visitor as Origin
from lvportal.services.transactions import writing
from tests.support.house import ROLES, House, Page, Visitor

WORD = "zebra"
"""In every text of Globex's rows, and nowhere else: where it shows, something leaked."""

DOMAIN = "striped.example"  # in addresses, which may be repeated: the rest of its row holds the word
REVISION_NUMBER = 7  # Acme has fewer revisions: this number is Globex's alone
ACTORS = ("nobody", *ROLES, "CARE", "agent", "nobody on the agent host")


@dataclass(frozen=True)
class Estate:
    """The ids, references and codes of what Globex has."""

    code: str
    user_id: int
    agent_id: int
    emergency_id: int
    session_id: int
    sign_in_reference: str
    test_reference: str
    setup_link_id: int
    domain_claim_id: int
    import_ids: tuple[int, ...]
    audit_number: int
    audit_id: int
    revision_id: int
    revision_number: int


# A route with a parameter that stands here not is a route that nobody has thought of: the test
# fails until it is taught which of Globex's values to try.
VALUES: dict[str, Callable[[Estate], list[object]]] = {
    "client_code": lambda estate: [estate.code],
    "code": lambda estate: [estate.code],
    "reference": lambda estate: [estate.sign_in_reference, estate.test_reference],
    "session_id": lambda estate: [estate.session_id],
    "account_id": lambda estate: [estate.user_id, estate.agent_id, estate.emergency_id],
    "user_id": lambda estate: [estate.user_id],
    "agent_id": lambda estate: [estate.agent_id],
    "link_id": lambda estate: [estate.setup_link_id],
    "claim_id": lambda estate: [estate.domain_claim_id],
    "domain": lambda _: [DOMAIN],
    "import_id": lambda estate: list(estate.import_ids),
    "number": lambda estate: [estate.revision_number, estate.audit_number],
    "event_id": lambda estate: [estate.audit_id],
    # Not another client's id but a secret: whoever has the right one is let in, so a wrong one is tried.
    "token": lambda _: ["A" * 43],
}
SECRETS = {"token"}
"""Parameters that cannot be had from another client."""

FORM_NAMES = {
    "account": "account_id",
    "accounts": "account_id",
    "id": "account_id",
    "ids": "account_id",
    "people": "account_id",
    "selected": "account_id",
    "session": "session_id",
    "link": "link_id",
    "claim": "claim_id",
    "revision": "number",
    "import": "import_id",
}
"""Under which names forms take ids, besides those of the addresses."""


class World:
    """The app, Globex's estate, and one signed-in browser per actor, always as they were at the start."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder, local_sign_ins_per_minute=100_000)
        self._file = folder / "house.sqlite3"
        self._kept = folder / "kept.sqlite3"
        self.estate = replace(self._settle(), import_ids=tuple(map(self._import, ("portal", "agent"))))
        self._visitors = {actor: self._enter(actor) for actor in ACTORS}
        self._owner = self.house.user("SYSADMIN", "globex")
        self._keep()
        self.before = self.fingerprint()

    def rules(self, actor: str, method: str) -> list[Rule]:
        """Return the routes of the actor's host that answer to the method, static files aside."""
        host = "agent" if "agent" in actor else "portal"
        name = self.house.settings.host(host)
        found = [
            rule
            for rule in self.house.app.url_map.iter_rules()
            if rule.host == name and method in (rule.methods or ()) and rule.endpoint != "static"
        ]
        return [rule for rule in found if "filename" not in rule.arguments]

    def is_public(self, rule: Rule) -> bool:
        return bool(getattr(self.house.app.view_functions[rule.endpoint], "is_public", False))

    def addresses(self, rule: Rule) -> list[str]:
        """Return the rule's path with Globex's values in it, once with each."""
        filled = [rule.rule]
        for name in sorted(rule.arguments):
            if name not in VALUES:
                raise LookupError(f"{rule.rule}: teach VALUES what {name} is")
            filled = [
                path.replace(part, str(value))
                for path in filled
                for part in [_part(rule.rule, name)]
                for value in VALUES[name](self.estate)
            ]
        return sorted(set(filled))

    def visitor(self, actor: str) -> Visitor:
        """Return the actor's browser with the database as it was when it signed in."""
        self._restore()
        limiter.reset()
        return self._visitors[actor]

    @property
    def owner(self) -> Visitor:
        """Globex's own SYSADMIN."""
        self._restore()
        return self._owner

    def fields(self) -> dict[str, Any]:
        """Return a form that names everything of Globex's under every name a form of ours might use."""
        named = {name: VALUES[name](self.estate)[0] for name in VALUES if name not in SECRETS}
        named |= {alias: named[name] for alias, name in FORM_NAMES.items()}
        return {name: str(value) for name, value in named.items()} | {
            "confirmed": "yes",
            "confirm": "y",
            "q": WORD,
        }

    def fingerprint(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of Globex's, table by table."""
        with self.house.app.app_context(), db.engine.connect() as connection:
            tenant_id = connection.scalar(select(Tenant.id).where(Tenant.code == "globex"))
            return {
                table.name: [tuple(row) for row in connection.execute(_of_client(table, tenant_id))]
                for table in Base.metadata.sorted_tables
                if _of_client(table, tenant_id) is not None
            }

    def _enter(self, actor: str) -> Visitor:
        match actor:
            case "nobody" | "nobody on the agent host":
                visitor = self.house.portal() if actor == "nobody" else self.house.agent()
                visitor.get("/sign-in")  # the page that gives it a token for its forms
                return visitor
            case "agent":
                visitor = self.house.signed_in_agent()
            case "CARE":
                visitor = self.house.care()
            case _:
                visitor = self.house.user(actor)
        visitor.get("/profile")  # the page that gives it a token for its forms
        return visitor

    def _keep(self) -> None:
        with self.house.app.app_context():
            with db.engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            db.session.remove()
            db.engine.dispose()
        shutil.copy(self._file, self._kept)

    def _restore(self) -> None:
        with self.house.app.app_context():
            db.session.remove()
            db.engine.dispose()
        for suffix in ("-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        shutil.copy(self._kept, self._file)

    def _import(self, audience: str) -> int:
        """Read a file of Globex's SYSADMIN as far as its preview and return the import's id."""
        rows = [columns.header_of(audience), columns.example_of(audience)]
        email = f"{WORD}@globex.example"
        content = "\n".join(",".join(row) for row in rows).replace("first.last@example.com", email)
        with self.house.app.app_context():
            session, now = db.session(), self.house.now
            owner = session.scalars(
                select(Account)
                .join(Tenant, Tenant.id == Account.tenant_id)
                .where(Tenant.code == "globex", Account.role == "SYSADMIN")
            ).one()
            importer = planning.Importer(owner.id, "SYSADMIN", False)
            import_id, run = running.start(
                session, tenant_id=owner.tenant_id, audience=audience, by=audit.Actor(WORD),
                importer=importer, file_name=f"{WORD}.csv", content=content.encode(), now=now,
            )  # fmt: skip
            running.read(session, import_id, run, importer, lambda: now)
            return import_id

    def _settle(self) -> Estate:
        house, now = self.house, self.house.now
        house.save_draft("globex", issuer=f"https://login.{WORD}.example", client_id=f"0oa{WORD}")
        common = {"first_name": WORD, "last_name": WORD}
        house.add_account(
            "globex", "portal", f"{WORD}_user", role="MANAGER", email=f"{WORD}.user@globex.example", **common
        )
        house.add_account(
            "globex", "portal", f"{WORD}_way_back", role="SUPERUSER", is_emergency=True, **common
        )
        house.add_account(
            "globex",
            "agent",
            f"{WORD}_agent",
            email=f"{WORD}.agent@globex.example",
            agent_team=WORD,
            **common,
        )
        with house.app.app_context(), writing(db.session()) as session:
            tenant = session.scalars(select(Tenant).where(Tenant.code == "globex")).one()
            connection = connections.of_tenant(session, tenant.id)
            assert connection is not None
            revision = session.scalars(select(Revision).where(Revision.connection_id == connection.id)).one()
            revision.number = REVISION_NUMBER
            user, agent, way_back = (
                session.scalars(select(Account).where(Account.login_name == f"{WORD}_{kind}")).one()
                for kind in ("user", "agent", "way_back")
            )
            owner = session.scalars(
                select(Account.id).where(Account.tenant_id == tenant.id, Account.role == "SYSADMIN")
            ).one()
            sessions.open_session(
                session,
                sessions.NewSession(
                    tenant_id=tenant.id, audience="agent", account_id=agent.id, method="password",
                    email=agent.folded_email or "", address="192.0.2.77", device=WORD,
                ),
                absolute_seconds=3600,
                now=now,
            )  # fmt: skip
            refused = NoAccount(WORD, email=f"{WORD}@globex.example", claim_names=(WORD,), provider_said=WORD)
            reference = sign_in_records.write(
                session,
                tenant_id=tenant.id, audience="portal", method="sso", now=now, refused=refused,
                visitor=Origin("192.0.2.77", WORD), revision_id=revision.id,
            )  # fmt: skip
            test = TestSignIn(
                reference="T5TR3F23", tenant_id=tenant.id, revision_id=revision.id, audience="portal",
                tester_account_id=owner, tester_name=WORD, created_at=now, started_at=now, finished_at=now,
                outcome="refused", code="sign_in.no_account", step=6, detail=WORD, provider_said=WORD,
                facts={"email": f"{WORD}@globex.example"}, claim_names=[WORD],
            )  # fmt: skip
            link = SetupLink(
                tenant_id=tenant.id, token_hash="f" * 64, code_hash="f" * 64, purpose="connect",
                for_whom=WORD, created_at=now, created_by=WORD, expires_at=now + timedelta(days=7),
            )  # fmt: skip
            claim = DomainClaim(
                tenant_id=tenant.id, domain=DOMAIN, token=WORD, created_at=now, created_by=WORD,
                last_answer=WORD,
            )  # fmt: skip
            mail = MailMessage(
                tenant_id=tenant.id, key=WORD, kind="secret", recipient=f"{WORD}@globex.example",
                subject=WORD, body=WORD, created_at=now,
            )  # fmt: skip
            session.add_all([test, link, claim, mail])
            session.flush()
            audit.record(
                session, tenant_id=tenant.id, actor=audit.Actor(WORD, address="192.0.2.77"),
                action="account.changed", subject=WORD, before={"name": WORD}, after={"name": f"{WORD}2"},
                now=now,
            )  # fmt: skip
            session.flush()
            event = session.scalars(select(AuditEvent).where(AuditEvent.subject == WORD)).one()
            opened = session.scalars(select(PersonSession).where(PersonSession.tenant_id == tenant.id)).one()
            return Estate(
                tenant.code, user.id, agent.id, way_back.id, opened.id, reference, test.reference,
                link.id, claim.id, (), event.number, event.id, revision.id, revision.number,
            )  # fmt: skip


def _part(rule: str, name: str) -> str:
    """Return ``<int:name>`` as it stands in the rule."""
    start = next(
        at for at in range(len(rule)) if rule[at] == "<" and rule[at:].partition(">")[0].endswith(name)
    )
    return rule[start : rule.index(">", start) + 1]


def _of_client(table: Table, tenant_id: int | None) -> Any:
    """Select a table's rows of one client, or return None for a table that belongs to none."""
    query = select(table).order_by(*table.primary_key.columns)
    if table.name == "tenants":
        return query.where(table.c.id == tenant_id)
    if "tenant_id" in table.c:
        return query.where(table.c.tenant_id == tenant_id)
    owners = {
        "revisions": ("connection_id", "connections"),
        "people_import_parts": ("import_id", "people_imports"),
    }
    if table.name in owners:
        column, name = owners[table.name]
        owner = Base.metadata.tables[name]
        return query.where(table.c[column].in_(select(owner.c.id).where(owner.c.tenant_id == tenant_id)))
    return None


def shows_globex(page: Page, *, is_public: bool) -> bool:
    """Tell whether a page says anything of Globex. A public page may name the client of its address."""
    seen = page.html.lower() + str(page.headers).lower()
    return WORD in seen or (not is_public and "globex" in page.text.lower())
