"""Administrators hear of a provider that refuses everybody, and of secrets that end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from lvportal.errors import NoAccount, SignInRefused, tree
from lvportal.models import Connection, MailMessage, SignInRecord, Tenant
from lvportal.protocols.http_errors import ProviderUnreachable
from lvportal.protocols.oidc import discovery, errors
from lvportal.services import audit, connections, sign_in, warnings
from lvportal.services.transactions import writing
from tests.services.conftest import World

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=3)


@pytest.fixture
def acme(world: World) -> Tenant:
    """A live client with two administrators and one agent who can sign in."""
    tenant = world.client("acme")
    world.user(tenant, "one", "one@acme.example")
    world.user(tenant, "two", "two@acme.example")
    world.agent(tenant, "desk", "desk@acme.example")
    return tenant


def refuse(world: World, refused: SignInRefused, now: datetime = NOW) -> None:
    world.protocol.result = refused
    with pytest.raises(type(refused)):
        world.finish(world.arrival(), now)


def let_in(world: World, now: datetime = LATER) -> None:
    world.protocol.result = world.identity()
    world.finish(world.arrival(), now)


def failing(world: World, tenant: Tenant) -> tuple[datetime | None, str | None]:
    world.session.rollback()
    row = world.session.execute(
        select(Connection.failing_since, Connection.failing_code).where(Connection.tenant_id == tenant.id)
    ).one()
    return row.failing_since, row.failing_code


def messages(world: World) -> list[MailMessage]:
    world.session.rollback()
    return list(world.session.scalars(select(MailMessage).order_by(MailMessage.id)))


def test_the_first_refusal_of_everybody_begins_an_episode(world: World, acme: Tenant) -> None:
    refuse(world, errors.SecretRefused())

    assert failing(world, acme) == (NOW, "sign_in.bad_secret")


def test_each_administrator_gets_one_message_with_cause_and_fix(world: World, acme: Tenant) -> None:
    refuse(world, errors.SecretRefused())
    refuse(world, errors.SecretRefused(), LATER)

    found = messages(world)
    assert [one.recipient for one in found] == ["one@acme.example", "two@acme.example"]
    assert found[0].subject == "Sign-in through Okta fails for Acme"
    assert "Okta refused our secret." in found[0].body
    assert "Code: sign_in.bad_secret" in found[0].body
    assert found[0].next_try_at == NOW


def test_a_refusal_of_one_person_begins_nothing(world: World, acme: Tenant) -> None:
    refuse(world, NoAccount())

    assert failing(world, acme) == (None, None)
    assert messages(world) == []


@pytest.mark.parametrize(
    "carried",
    [errors.AnswerIssuerWrong(), errors.ClientUnknown(), errors.CodeRefused(), errors.RedirectMismatch()],
    ids=lambda refused: refused.code,
)
def test_what_a_browser_carries_begins_nothing(world: World, acme: Tenant, carried: SignInRefused) -> None:
    refuse(world, carried)

    assert failing(world, acme) == (None, None)


def test_a_success_ends_the_episode(world: World, acme: Tenant) -> None:
    refuse(world, errors.SecretRefused())

    let_in(world)

    assert failing(world, acme) == (None, None)


def test_another_cause_goes_on_with_the_episode_and_writes_nobody(world: World, acme: Tenant) -> None:
    refuse(world, errors.SecretRefused())

    refuse(world, errors.SignatureWrong(), LATER)

    assert failing(world, acme) == (NOW, "sign_in.signature")
    assert len(messages(world)) == 2


def test_a_new_episode_writes_again(world: World, acme: Tenant) -> None:
    refuse(world, errors.SecretRefused())
    let_in(world)

    refuse(world, errors.SecretRefused(), LATER + timedelta(minutes=1))

    assert len(messages(world)) == 4


def test_a_cause_that_may_pass_waits_and_writes_nobody_when_it_is_over(world: World, acme: Tenant) -> None:
    refuse(world, ProviderUnreachable())
    waiting = [one.next_try_at for one in messages(world)]

    let_in(world)

    assert waiting == [NOW + timedelta(minutes=5)] * 2
    assert [one.next_try_at for one in messages(world)] == [None, None]


def test_another_revision_ends_the_episode(world: World, acme: Tenant) -> None:
    refuse(world, errors.SecretRefused())
    with writing(world.session):
        number = world.save(acme, client_id="0oa2").number
        connections.put_live(world.session, acme, number, by=audit.COMMAND_LINE, now=LATER)

    assert failing(world, acme) == (None, None)


def test_a_client_fails_alone(world: World, acme: Tenant) -> None:
    globex = world.client("globex")

    refuse(world, errors.SecretRefused())

    assert failing(world, globex) == (None, None)


def test_a_provider_that_cannot_be_reached_at_the_start_is_noted_once(world: World, acme: Tenant) -> None:
    start = sign_in.Start("acme", "https://portal.example.com/sso/acme")

    def depart(**_: object) -> None:
        raise discovery.MetadataMissing()

    world.protocol.depart = depart  # type: ignore[method-assign, assignment]
    for now in (NOW, LATER):
        with pytest.raises(discovery.MetadataMissing):
            sign_in.begin(world.engine, world, start, now=now)

    assert failing(world, acme) == (NOW, "sign_in.metadata_missing")
    assert len(messages(world)) == 2
    assert world.session.scalar(select(func.count()).select_from(SignInRecord)) == 0


def test_every_code_of_a_failing_connection_is_one_of_ours_and_has_words() -> None:
    known = {error.code for error in tree(SignInRefused)}

    words = [warnings.words_of(code, client="Acme", provider="Okta") for code in warnings.FAILING_CODES]

    assert known >= warnings.FAILING_CODES
    assert not [one for one in words if "unknown" in f"{one.cause} {one.fix}"]


# --- Secrets that end ---------------------------------------------------------


def expiring(world: World, on: date, **values: object) -> Tenant:
    tenant = world.client("acme", live=False)
    world.user(tenant, "one", "one@acme.example")
    world.agent(tenant, "desk", "desk@acme.example")
    with writing(world.session):
        world.set_feature(tenant, True)
        world.save(tenant, secret_expires_on=on)
        connections.set_enabled(world.session, tenant, enabled=True, by=audit.COMMAND_LINE, now=NOW)
        connection = connections.of_tenant(world.session, tenant.id)
        for name, value in values.items():
            setattr(connection, name, value)
    return tenant


def subjects(world: World) -> list[str]:
    return [one.subject for one in messages(world)]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (61, []),
        (60, ["Acme: the secret of Okta expires in 60 days"]),
        (59, ["Acme: the secret of Okta expires in 59 days"]),
        (7, ["Acme: the secret of Okta expires in 7 days"]),
        (1, ["Acme: the secret of Okta expires tomorrow"]),
        (0, ["Acme: the secret of Okta expires today"]),
        (-3, ["Acme: the secret of Okta has expired"]),
    ],
)
def test_administrators_are_told_how_long_a_secret_lasts(
    world: World, days: int, expected: list[str]
) -> None:
    expiring(world, NOW.date() + timedelta(days=days))

    warnings.warn_of_ending_secrets(world.session, NOW)

    assert subjects(world) == expected


def test_each_step_is_told_once_however_often_it_is_looked_for(world: World) -> None:
    expiring(world, NOW.date() + timedelta(days=70))

    for day in range(80):
        for hour in (0, 6, 12):
            warnings.warn_of_ending_secrets(world.session, NOW + timedelta(days=day, hours=hour))

    told = [subject.rpartition("Okta ")[2] for subject in subjects(world)]
    assert told == [
        "expires in 60 days",
        "expires in 30 days",
        "expires in 14 days",
        "expires in 7 days",
        "expires tomorrow",
        "expires today",
    ]


def test_another_date_is_told_anew(world: World) -> None:
    tenant = expiring(world, NOW.date() + timedelta(days=7))
    warnings.warn_of_ending_secrets(world.session, NOW)
    with writing(world.session):
        number = world.save(tenant, secret_expires_on=NOW.date() + timedelta(days=6)).number
        connections.put_live(world.session, tenant, number, by=audit.COMMAND_LINE, now=NOW)

    warnings.warn_of_ending_secrets(world.session, NOW)

    assert len(messages(world)) == 2


def test_the_next_secret_has_warnings_of_its_own(world: World) -> None:
    expiring(
        world,
        NOW.date() + timedelta(days=7),
        next_sealed_secret="sealed",
        next_secret_expires_on=NOW.date() + timedelta(days=30),
    )

    warnings.warn_of_ending_secrets(world.session, NOW)

    current, following = messages(world)
    assert current.subject == "Acme: the secret of Okta expires in 7 days"
    assert "A next secret is stored already" in current.body
    assert following.subject == "Acme: the next secret of Okta expires in 30 days"


@pytest.mark.parametrize("off", ["switch", "feature", "deleted"])
def test_a_connection_that_signs_nobody_in_warns_nobody(world: World, off: str) -> None:
    tenant = expiring(world, NOW.date() + timedelta(days=7))
    with writing(world.session):
        if off == "switch":
            connections.set_enabled(world.session, tenant, enabled=False, by=audit.COMMAND_LINE, now=NOW)
        elif off == "feature":
            world.set_feature(tenant, False)
        else:
            tenant.deleted_at = NOW

    count = warnings.warn_of_ending_secrets(world.session, NOW)

    assert (count, subjects(world)) == (0, [])


def test_days_count_in_the_clients_zone(world: World) -> None:
    tenant = expiring(world, date(2026, 11, 25))
    with writing(world.session):
        tenant.time_zone = "Pacific/Auckland"

    warnings.warn_of_ending_secrets(world.session, datetime(2026, 11, 24, 12, 0, tzinfo=UTC))

    assert subjects(world) == ["Acme: the secret of Okta expires today"]
