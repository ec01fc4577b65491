"""What waits in the outbox is handed over to a real mail server, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lvportal import settings
from lvportal.database import WRITES
from lvportal.errors import SettingsWrong
from lvportal.key_ring import new_key
from lvportal.models import MailMessage
from lvportal.services import mail, mail_sending
from lvportal.services.mail_sending import MailServer, Sent
from lvportal.services.transactions import writing
from tests.services.conftest import World
from tests.support.mail_server import HOST, PASSWORD, USER, Authority, Mailbox, mail_server
from tests.support.ports import free_port

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def leave(world: World, key: str = "k", recipient: str = "it@acme.example", **changes: str) -> None:
    tenant = world.client(f"acme-{key}", live=False)
    values = {"subject": "The secret ends", "body": "In 7 days.\n"} | changes
    with writing(world.session):
        mail.queue(
            world.session,
            tenant_id=tenant.id,
            key=key,
            kind="warning",
            recipient=recipient,
            now=NOW,
            **values,
        )


def server_of(mailbox: Mailbox, security: str = "none", **more: str) -> MailServer:
    return MailServer(HOST, mailbox.port, security, "portal@example.com", timeout_seconds=5, **more)


def send(world: World, server: MailServer, now: datetime = NOW) -> Sent:
    return mail_sending.send_waiting(world.session, server, now)


def state(world: World) -> tuple[int, datetime | None, datetime | None, str]:
    """Return attempts, next try, when sent and the last error of the only message."""
    world.session.rollback()
    one = world.session.scalars(select(MailMessage)).one()
    return one.attempts, one.next_try_at, one.sent_at, one.last_error


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as found:
        yield found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_message_arrives_as_it_was_written(world: World, mailbox: Mailbox) -> None:
    leave(world, subject="Acme: läuft ab", body="Zwölf Tage.\n.\nEnd\n")

    done = send(world, server_of(mailbox))

    got = mailbox.messages[0]
    assert done == Sent(sent=1)
    assert mailbox.recipients == [["it@acme.example"]]
    assert got["From"] == "LV Portal <portal@example.com>"
    assert (got["To"], got["Subject"]) == ("it@acme.example", "Acme: läuft ab")
    assert got.get_content().replace("\r\n", "\n") == "Zwölf Tage.\n.\nEnd\n"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Date"].datetime == NOW
    assert state(world) == (1, None, NOW, "")


def test_what_was_sent_is_not_sent_again(world: World, mailbox: Mailbox) -> None:
    leave(world)
    send(world, server_of(mailbox))

    done = send(world, server_of(mailbox), NOW + timedelta(days=1))

    assert done == Sent()
    assert len(mailbox.messages) == 1


def test_what_is_not_due_waits(world: World, mailbox: Mailbox) -> None:
    leave(world)
    with writing(world.session):
        world.session.execute(update(MailMessage).values(next_try_at=NOW + timedelta(minutes=5)))

    early = send(world, server_of(mailbox))
    due = send(world, server_of(mailbox), NOW + timedelta(minutes=5))

    assert (early.sent, due.sent) == (0, 1)


def test_a_round_ends_at_its_limit(world: World, mailbox: Mailbox) -> None:
    for key in "abc":
        leave(world, key)

    done = mail_sending.send_waiting(world.session, server_of(mailbox), NOW, limit=2)

    assert (done.sent, len(mailbox.messages)) == (2, 2)


# --- The way to the server ----------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_goes_over_tls_to_a_server_that_proves_its_name(
    world: World, authority: Authority, security: str
) -> None:
    leave(world)
    with mail_server(security, authority, wants_password=True) as mailbox:
        server = server_of(mailbox, security, user=USER, password=PASSWORD, ca_bundle=authority.bundle)

        done = send(world, server)

    assert done == Sent(sent=1)
    assert (mailbox.over_tls, mailbox.users) == ([True], [USER])


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_is_sent_nothing(
    world: World, authority: Authority, security: str
) -> None:
    leave(world)
    with mail_server(security, authority, wants_password=True) as mailbox:
        done = send(world, server_of(mailbox, security, user=USER, password=PASSWORD))

    assert "CERTIFICATE_VERIFY_FAILED" in done.problem
    assert (done.sent, done.to_retry, mailbox.messages, mailbox.users) == (0, 1, [], [])


def test_a_certificate_for_another_name_is_sent_nothing(world: World, tmp_path: Path) -> None:
    leave(world)
    other = Authority(tmp_path, "mail.globex.example")
    with mail_server("starttls", other) as mailbox:
        done = send(world, server_of(mailbox, "starttls", ca_bundle=other.bundle))

    assert "CERTIFICATE_VERIFY_FAILED" in done.problem
    assert mailbox.messages == []


def test_a_server_without_starttls_is_sent_nothing_in_clear(world: World, mailbox: Mailbox) -> None:
    leave(world)

    done = send(world, server_of(mailbox, "starttls", user=USER, password=PASSWORD))

    assert "STARTTLS" in done.problem
    assert (mailbox.messages, mailbox.users) == ([], [])


def test_a_wrong_password_is_told_and_shown_nowhere(world: World, authority: Authority) -> None:
    leave(world)
    with mail_server("starttls", authority, wants_password=True) as mailbox:
        server = server_of(mailbox, "starttls", user=USER, password="not it 42", ca_bundle=authority.bundle)
        done = send(world, server)

    assert "535" in done.problem
    assert "not it 42" not in f"{done} {server} {state(world)}"
    assert mailbox.messages == []


# --- Refusals and tries -------------------------------------------------------


def test_a_server_that_is_down_ends_the_round_after_one_message(world: World) -> None:
    leave(world, "a")
    leave(world, "b")

    done = send(world, MailServer(HOST, free_port(), "none", "portal@example.com"))

    rows = world.session.scalars(select(MailMessage).order_by(MailMessage.id)).all()
    assert (done.sent, done.to_retry) == (0, 1)
    assert "mail server 127.0.0.1" in done.problem
    assert [one.attempts for one in rows] == [1, 0]


def test_a_message_is_tried_six_times_and_then_given_up(world: World) -> None:
    leave(world)
    server = MailServer(HOST, free_port(), "none", "portal@example.com")
    now, waited = NOW, []

    for _ in range(6):
        send(world, server, now)
        _, again, _, _ = state(world)
        if again is not None:
            waited.append(int((again - now).total_seconds() // 60))
            now = again

    assert waited == [1, 5, 30, 120, 720]
    attempts, again, sent, error = state(world)
    assert (attempts, again, sent) == (6, None, None)
    assert "mail server" in error


def test_it_is_sent_when_the_server_comes_back(world: World, mailbox: Mailbox) -> None:
    leave(world)
    send(world, replace(server_of(mailbox), port=free_port()))

    done = send(world, server_of(mailbox), NOW + timedelta(minutes=1))

    assert done == Sent(sent=1)
    assert state(world) == (2, None, NOW + timedelta(minutes=1), "")


@pytest.mark.parametrize(
    ("refusal", "retried"),
    [
        ({"refuse_recipient": "550 no such person"}, False),
        ({"refuse_recipient": "450 try later"}, True),
        ({"refuse_data": "554 looks like spam"}, False),
        ({"refuse_data": "451 try later"}, True),
        ({"refuse_sender": "550 not from you"}, True),
    ],
    ids=lambda value: str(value),
)
def test_what_is_refused_for_good_is_not_tried_again(
    world: World, mailbox: Mailbox, refusal: dict[str, str], retried: bool
) -> None:
    leave(world)
    for name, answer in refusal.items():
        setattr(mailbox, name, answer)

    send(world, server_of(mailbox))

    attempts, again, sent, error = state(world)
    assert (attempts, sent, again is not None) == (1, None, retried)
    assert next(iter(refusal.values()))[:3] in error


def test_one_recipient_who_is_refused_does_not_stop_the_next(world: World, mailbox: Mailbox) -> None:
    leave(world, "a", recipient="not an address")
    leave(world, "b")

    done = send(world, server_of(mailbox))

    assert (done.sent, done.given_up) == (1, 1)


@pytest.mark.parametrize(
    "recipient",
    [
        "it@acme.example\r\nBcc: all@globex.example",
        "it@acme.example, all@globex.example",
        "it@acme.example\nRCPT TO:<all@globex.example>",
        "<it@acme.example> all@globex.example",
        "",
    ],
)
def test_an_address_adds_no_header_and_no_recipient(world: World, mailbox: Mailbox, recipient: str) -> None:
    leave(world, recipient=recipient)

    done = send(world, server_of(mailbox))

    assert (done.sent, done.given_up, mailbox.messages) == (0, 1, [])


def test_a_subject_adds_no_header(world: World, mailbox: Mailbox) -> None:
    leave(world)
    with writing(world.session):
        world.session.execute(update(MailMessage).values(subject="Ends\r\nBcc: all@globex.example"))

    send(world, server_of(mailbox))

    assert mailbox.messages[0]["Bcc"] is None
    assert mailbox.recipients == [["it@acme.example"]]


def test_what_is_days_old_is_given_up(world: World, mailbox: Mailbox) -> None:
    leave(world)

    done = send(world, server_of(mailbox), NOW + timedelta(days=3, seconds=1))

    assert (done.sent, done.given_up, mailbox.messages) == (0, 1, [])


def test_the_lease_of_a_process_that_died_runs_out(world: World, mailbox: Mailbox) -> None:
    leave(world)
    with writing(world.session):
        claimed = NOW + timedelta(minutes=mail_sending.LEASE_MINUTES)
        world.session.execute(update(MailMessage).values(attempts=1, next_try_at=claimed))

    meanwhile = send(world, server_of(mailbox), NOW + timedelta(minutes=9))
    after = send(world, server_of(mailbox), NOW + timedelta(minutes=10))

    assert (meanwhile.sent, after.sent) == (0, 1)


def test_two_senders_at_once_send_each_message_once(world: World, mailbox: Mailbox) -> None:
    for number in range(12):
        leave(world, str(number), recipient=f"p{number}@acme.example")
    engine = world.engine
    done: list[Sent] = []

    def work() -> None:
        with Session(engine) as session:
            session.connection(execution_options={WRITES: False})
            done.append(mail_sending.send_waiting(session, server_of(mailbox), NOW))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(one.sent for one in done) == 12
    assert sorted(to for (to,) in mailbox.recipients) == sorted(f"p{n}@acme.example" for n in range(12))


# --- Settings -----------------------------------------------------------------

GOOD = {
    "smtp_host": "mail.example.com",
    "mail_sender": "portal@example.com",
    "smtp_user": USER,
    "smtp_password": PASSWORD,
}


def load(**values: object) -> settings.Settings:
    return settings.load({}, environment="test", encryption_keys=new_key("k"), **(GOOD | values))


def test_settings_name_the_server() -> None:
    server = MailServer.of(load())

    assert server is not None
    assert (server.host, server.port, server.security) == ("mail.example.com", 587, "starttls")
    assert PASSWORD not in repr(server)


def test_without_a_host_there_is_no_server() -> None:
    assert MailServer.of(load(smtp_host="")) is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"mail_sender": ""}, "MAIL_SENDER"),
        ({"mail_sender": "portal@example.com\nBcc: x@example.com"}, "MAIL_SENDER"),
        ({"smtp_port": 0}, "SMTP_PORT"),
        ({"smtp_port": 65536}, "SMTP_PORT"),
        ({"smtp_password": ""}, "SMTP_PASSWORD"),
        ({"smtp_user": ""}, "SMTP_USER"),
        ({"smtp_security": "none"}, "SMTP_SECURITY"),
        ({"smtp_security": "some"}, "SMTP_SECURITY"),
        ({"smtp_ca_bundle": "/nowhere/authority.pem"}, "SMTP_CA_BUNDLE"),
    ],
    ids=lambda value: str(value),
)
def test_settings_that_cannot_work_stop_the_start(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsWrong, match=named):
        load(**wrong)


def test_clear_text_needs_the_long_name() -> None:
    loaded = load(smtp_security="none", unsafe_send_mail_and_its_password_in_clear=True)

    assert loaded.smtp_security == "none"
