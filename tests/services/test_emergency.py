"""Emergency accounts: who gets in, who does not, and what is left behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import func, select, update

from lvportal.errors import EmergencyRefused, PageNotFound, PasswordRefused
from lvportal.models import Account, AuditEvent, Connection, MailMessage, PersonSession, SignInRecord, Tenant
from lvportal.services import audit, emergency, enforcement, local_sign_in, sessions
from lvportal.services.emergency import AlreadySetUp, NotEligible, PasswordTooShort, TooMany, WrongCode
from lvportal.services.enforcement import WouldLockOut
from lvportal.services.passwords import PasswordChecker, hash_password
from lvportal.services.people.lists import Viewer
from lvportal.services.sign_in_records import Visitor
from lvportal.services.transactions import writing
from tests.services.conftest import NOW, World

CHECKER = PasswordChecker(2)
PASSWORD = "four words make one long"
HASH = hash_password(PASSWORD)
BY = audit.Actor("Root")
LATER = NOW + timedelta(minutes=2)


def viewer_of(account: Account, role: str = "SYSADMIN") -> Viewer:
    return Viewer(account.tenant_id, account.id, role)


def root_of(world: World, tenant: Tenant) -> Account:
    return world.user(tenant, "root", f"root@{tenant.code}.example", password_hash=HASH)


def named(world: World, tenant: Tenant, root: Account, login: str = "way_back", **values: Any) -> Account:
    account = world.user(tenant, login, f"{login}@{tenant.code}.example", **values)
    emergency.name(world.session, viewer_of(root), account.id, key_ring=world.key_ring, by=BY, now=NOW)
    return account


def code_of(world: World, root: Account, account: Account, now: Any = NOW) -> str:
    secret = world.key_ring.open(
        str(world.session.get_one(Account, account.id, populate_existing=True).sealed_totp),
        purpose=emergency.purpose(account.tenant_id, account.id),
    )
    return pyotp.TOTP(secret).at(now)


def set_up(world: World, root: Account, account: Account, **changes: Any) -> None:
    values: dict[str, Any] = {"password": PASSWORD, "code": code_of(world, root, account)}
    emergency.set_up(
        world.session, viewer_of(root), account.id, key_ring=world.key_ring, by=BY, now=NOW,
        **(values | changes),
    )  # fmt: skip


def ready(world: World, code: str = "acme", **values: Any) -> tuple[Account, Account]:
    tenant = world.client(code, **values)
    root = root_of(world, tenant)
    account = named(world, tenant, root)
    set_up(world, root, account)
    return root, account


def sign_in(world: World, root: Account, account: Account, **changes: Any) -> sessions.Opened:
    now = changes.pop("now", LATER)
    values: dict[str, Any] = {
        "client_code": "acme",
        "login_name": "way_back",
        "password": PASSWORD,
        "code": code_of(world, root, account, now),
        "key_ring": world.key_ring,
        "visitor": Visitor("192.0.2.1", "a browser"),
        "now": now,
    }
    return emergency.sign_in(world.session, CHECKER, **(values | changes))


@pytest.mark.parametrize("rule", ["as it is", "switched off", "passwords refused"])
def test_password_and_code_open_a_session_of_an_hour(world: World, rule: str) -> None:
    root, account = ready(world, live=rule != "switched off")
    if rule == "passwords refused":
        sign_in(world, root, account, now=NOW + timedelta(minutes=1))
        enforcement.set_rules(
            world.session, root.tenant_id, enforcement.Rules("refused", "refused"), by=BY, now=LATER
        )

    opened = sign_in(world, root, account)

    world.session.rollback()
    live = sessions.find(world.session, opened.handle, audience="portal", idle_seconds=9999, now=LATER)
    assert live is not None
    assert (live.method, live.expires_at - live.created_at) == ("emergency", timedelta(hours=1))


def test_a_sign_in_is_recorded_audited_and_told(world: World) -> None:
    root, account = ready(world)

    sign_in(world, root, account)

    record = world.session.scalars(select(SignInRecord)).one()
    assert (record.method, record.outcome, record.account_id) == ("emergency", "signed_in", account.id)
    actions = world.session.scalars(
        select(AuditEvent.action).where(AuditEvent.action.startswith("emergency.")).order_by(AuditEvent.id)
    ).all()
    assert actions == ["emergency.named", "emergency.set_up", "emergency.signed_in"]
    told = set(world.session.scalars(select(MailMessage.recipient).where(MailMessage.kind == "emergency")))
    assert told == {"root@acme.example", "way_back@acme.example"}
    assert world.session.get_one(Account, account.id).rehearsed_at == LATER


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"password": "x" * 5000},
        {"code": "000000"},
        {"code": ""},
        {"login_name": "root"},
        {"login_name": "nobody"},
        {"login_name": "a\x00"},
        {"client_code": "globex"},
        {"client_code": "nobody"},
        {"client_code": "a\x00"},
    ],
    ids=lambda changes: "-".join(changes) + str(len(next(iter(changes.values())))),
)
def test_every_failure_gets_the_same_answer(world: World, changes: dict[str, str]) -> None:
    root, account = ready(world)
    other = world.client("globex")
    world.user(other, "root", None, password_hash=HASH)

    with pytest.raises(EmergencyRefused):
        sign_in(world, root, account, **changes)

    assert world.session.scalar(select(func.count()).select_from(PersonSession)) == 0
    assert sign_in(world, root, account).login_id


def test_a_code_lets_in_once(world: World) -> None:
    root, account = ready(world)
    code = code_of(world, root, account, LATER)
    sign_in(world, root, account, code=code)

    with pytest.raises(EmergencyRefused):
        sign_in(world, root, account, code=code)

    assert sign_in(world, root, account, now=LATER + timedelta(minutes=1)).login_id


def test_of_two_with_one_code_at_one_instant_one_gets_in(world: World) -> None:
    root, account = ready(world)
    seen: list[sessions.Opened] = []

    class Overtaken(PasswordChecker):
        """Lets the other one in between this one's look and its write."""

        def is_right(self, password: str, stored_hash: str | None) -> bool:
            if not seen:
                seen.append(sign_in(world, root, account))
            return CHECKER.is_right(password, stored_hash)

    with pytest.raises(EmergencyRefused):
        emergency.sign_in(
            world.session, Overtaken(2), client_code="acme", login_name="way_back", password=PASSWORD,
            code=code_of(world, root, account, LATER), key_ring=world.key_ring,
            visitor=Visitor("192.0.2.1", "b"), now=LATER,
        )  # fmt: skip

    assert len(seen) == 1
    assert world.session.scalar(select(func.count()).select_from(PersonSession)) == 1


def test_the_code_of_another_account_does_not_fit(world: World) -> None:
    root, account = ready(world)
    tenant = world.session.get_one(Tenant, root.tenant_id)
    other = named(world, tenant, root, "second")
    set_up(world, root, other)

    with pytest.raises(EmergencyRefused):
        sign_in(world, root, account, code=code_of(world, root, other, LATER))

    assert sign_in(world, root, other, login_name="second").login_id


@pytest.mark.parametrize(
    "values", [{"active": False}, {"is_emergency": False}, {"totp_confirmed_at": None}], ids=str
)
def test_an_account_that_is_not_ready_is_refused(world: World, values: dict[str, Any]) -> None:
    root, account = ready(world)
    before = {name: getattr(world.session.get_one(Account, account.id), name) for name in values}

    with writing(world.session) as session:
        session.execute(update(Account).where(Account.id == account.id).values(**values))
    with pytest.raises(EmergencyRefused):
        sign_in(world, root, account)

    with writing(world.session) as session:
        session.execute(update(Account).where(Account.id == account.id).values(**before))
    assert sign_in(world, root, account).login_id


def test_tries_from_outside_do_not_shut_the_door(world: World) -> None:
    root, account = ready(world)

    for _ in range(12):
        with pytest.raises(EmergencyRefused):
            sign_in(world, root, account, password="wrong", visitor=Visitor("198.51.100.9", "b"))

    assert sign_in(world, root, account).login_id


def test_the_ordinary_form_refuses_an_emergency_account(world: World) -> None:
    root, account = ready(world)

    def ordinary() -> sessions.Opened:
        return local_sign_in.sign_in(
            world.session, CHECKER, client_code="acme", login_name="way_back", password=PASSWORD,
            audience="portal", visitor=Visitor("192.0.2.1", "b"), absolute_seconds=3600, now=NOW,
        )  # fmt: skip

    with pytest.raises(PasswordRefused):
        ordinary()

    emergency.remove(world.session, viewer_of(root), account.id, by=BY, now=NOW)
    assert ordinary().login_id


# --- Naming, setting up, removing -------------------------------------------------------


def test_five_can_be_named_and_no_sixth(world: World) -> None:
    acme = world.client("acme")
    root = root_of(world, acme)
    for number in range(emergency.MOST_ACCOUNTS):
        named(world, acme, root, f"way_{number}")

    with pytest.raises(TooMany):
        named(world, acme, root, "way_6")

    first = emergency.listed(world.session, viewer_of(root), NOW)[0]
    emergency.remove(world.session, viewer_of(root), first.account_id, by=BY, now=NOW)
    named(world, acme, root, "way_7")


def test_a_superuser_names_no_sysadmin(world: World) -> None:
    acme = world.client("acme")
    root = root_of(world, acme)
    account = world.user(acme, "way_back", None)
    superuser = Viewer(acme.id, root.id, "SUPERUSER")

    def name() -> None:
        emergency.name(world.session, superuser, account.id, key_ring=world.key_ring, by=BY, now=NOW)

    with pytest.raises(NotEligible):
        name()

    with writing(world.session) as session:
        session.get_one(Account, account.id).role = "SUPERUSER"
    name()


def test_another_clients_account_is_not_found(world: World) -> None:
    root, account = ready(world)
    globex = world.client("globex")
    stranger = viewer_of(root_of(world, globex))

    with pytest.raises(PageNotFound):
        emergency.remove(world.session, stranger, account.id, by=BY, now=NOW)
    with pytest.raises(NotEligible):
        emergency.name(world.session, stranger, root.id, key_ring=world.key_ring, by=BY, now=NOW)

    emergency.remove(world.session, viewer_of(root), account.id, by=BY, now=NOW)


@pytest.mark.parametrize(
    "changes, refusal", [({"password": "x" * 13}, PasswordTooShort), ({"code": "000000"}, WrongCode)]
)
def test_set_up_takes_a_long_password_and_the_right_code(
    world: World, changes: dict[str, str], refusal: type[Exception]
) -> None:
    acme = world.client("acme")
    root = root_of(world, acme)
    account = named(world, acme, root)

    with pytest.raises(refusal):
        set_up(world, root, account, **changes)
    assert world.session.get_one(Account, account.id).password_hash is None

    set_up(world, root, account, password="x" * 14)


def test_a_secret_is_shown_until_it_is_confirmed_and_start_again_makes_another(world: World) -> None:
    acme = world.client("acme")
    root = root_of(world, acme)
    account = named(world, acme, root)
    viewer = viewer_of(root)
    first = emergency.enrolment(world.session, viewer, account.id, world.key_ring)
    assert first is not None
    set_up(world, root, account)
    assert emergency.enrolment(world.session, viewer, account.id, world.key_ring) is None
    with pytest.raises(AlreadySetUp):
        set_up(world, root, account)

    emergency.start_again(world.session, viewer, account.id, key_ring=world.key_ring, by=BY, now=NOW)

    again = emergency.enrolment(world.session, viewer, account.id, world.key_ring)
    assert again is not None
    assert again.secret != first.secret
    assert len(first.groups.split()) == 8
    set_up(world, root, account)


@pytest.mark.parametrize("act", ["remove", "start again"])
def test_the_last_way_in_stays(world: World, act: str) -> None:
    root, account = ready(world)
    sign_in(world, root, account)
    with writing(world.session) as session:
        session.get_one(Account, root.id).password_hash = None
        session.execute(update(Connection).values(portal_passwords="refused"))

    def do() -> None:
        if act == "remove":
            emergency.remove(world.session, viewer_of(root), account.id, by=BY, now=LATER)
        else:
            emergency.start_again(
                world.session, viewer_of(root), account.id, key_ring=world.key_ring, by=BY, now=LATER
            )

    with pytest.raises(WouldLockOut):
        do()
    assert world.session.get_one(Account, account.id).totp_confirmed_at is not None

    second = named(world, world.session.get_one(Tenant, root.tenant_id), root, "second")
    set_up(world, root, second)
    sign_in(world, root, second, login_name="second")
    do()


def test_naming_the_last_one_with_a_password_is_refused(world: World) -> None:
    acme = world.client("acme", live=False)
    root = root_of(world, acme)

    def name() -> None:
        emergency.name(world.session, viewer_of(root), root.id, key_ring=world.key_ring, by=BY, now=NOW)

    with pytest.raises(WouldLockOut):
        name()

    world.user(acme, "other", None, password_hash=HASH)
    name()


def test_removing_ends_emergency_sessions(world: World) -> None:
    root, account = ready(world)
    opened = sign_in(world, root, account)

    emergency.remove(world.session, viewer_of(root), account.id, by=BY, now=LATER)

    world.session.rollback()
    assert sessions.find(world.session, opened.handle, audience="portal", idle_seconds=999, now=LATER) is None


@pytest.mark.parametrize("days, state", [(0, "rehearsed"), (89, "rehearsed"), (90, "overdue")])
def test_a_rehearsal_counts_for_ninety_days(world: World, days: int, state: str) -> None:
    root, account = ready(world)
    assert emergency.find(world.session, viewer_of(root), account.id, NOW).state == "to rehearse"
    sign_in(world, root, account)

    now = LATER + timedelta(days=days)
    assert emergency.find(world.session, viewer_of(root), account.id, now).state == state
    ways = enforcement.ways_in(enforcement.read_state(world.session, root.tenant_id, now))
    assert ((account.id, "emergency") in ways) == (state == "rehearsed")
