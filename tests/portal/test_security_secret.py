"""Rotating the secret: the next one beside the current one, tried, swapped in or taken by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lvportal.extensions import db
from lvportal.models import Connection
from lvportal.services import audit, connections, key_rotation
from tests.portal.test_test_sign_in import at_provider, path_of
from tests.providers.hostile import HostileProvider, Raw
from tests.support.house import AGENT, PORTAL, House, Page, Visitor

PATH = "/configure/client/security"
SECRET = f"{PATH}/secret"
NEXT = "the-next-secret-of-thirty-two-characters"


@pytest.fixture
def trial(tmp_path: Path, hostile: HostileProvider) -> Iterator[House]:
    """Globex signs in through the provider on loopback."""
    made = House(tmp_path, unsafe_provider_addresses=hostile.address)
    made.set_feature("globex", True)
    client = hostile.register([f"{PORTAL}/sso/globex", f"{AGENT}/sso/globex"])
    made.save_draft(
        "globex",
        provider="other",
        issuer=hostile.issuer,
        client_id=client.client_id,
        secret=client.client_secret,
    )
    made.put_live("globex", 1)
    with made.app.app_context():
        tenant = made._tenant("globex")
        connections.set_enabled(db.session(), tenant, enabled=True, by=audit.COMMAND_LINE, now=made.now)
        db.session.commit()
    hostile.add_person("sysadmin@globex.example", subject="boss")
    yield made
    with made.app.app_context():
        db.engine.dispose()


def rotate_at(hostile: HostileProvider, secret: str) -> None:
    """Let the provider know this secret alone."""
    for client_id, client in hostile.clients.items():
        hostile.clients[client_id] = replace(client, client_secret=secret)


def store(visitor: Visitor, secret: str = NEXT, **values: Any) -> Page:
    visitor.get(SECRET)
    return visitor.post(SECRET, next_secret=secret, **values)


def stored(house: House, code: str = "globex") -> Connection:
    with house.app.app_context():
        connection = connections.of_tenant(db.session(), house._tenant(code).id)
        assert connection is not None
        db.session.expunge(connection)
        return connection


def sign_in(house: House) -> Page:
    """Sign in through the provider as a person does."""
    visitor = house.portal()
    started = visitor.get("/sso/globex")
    assert started.status == 303, started.text
    return visitor.get(path_of(at_provider(started.location)))


def actions(house: House, code: str = "globex") -> list[str]:
    return [event.action for event in house.audited(code)]


# --- Storing ----------------------------------------------------------------------


def test_the_next_secret_is_stored_sealed_and_changes_nothing(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")

    assert store(visitor, expires_on="2030-01-31").status == 303
    kept = stored(trial)
    assert NEXT not in str(kept.next_sealed_secret)
    assert str(kept.next_secret_expires_on) == "2030-01-31"
    assert trial.state_of("globex") == (True, 1, 1)
    page = visitor.get(SECRET)
    assert NEXT not in page.html
    assert "Swap: make it the current one" in page.text
    event = trial.audited("globex")[-1]
    assert event.action == "connection.next_secret_set"
    assert NEXT not in f"{event.before}{event.after}"


@pytest.mark.parametrize(
    "values, words",
    [
        ({"next_secret": ""}, "Paste the new secret"),
        ({"next_secret": "x" * 2001}, "At most 2000"),
        ({"next_secret": "a\u200bb"}, "invisible"),
        ({"next_secret": "schl\u00fcssel"}, "Next Authorization Secret"),
        ({"next_secret": NEXT, "expires_on": "soon"}, "It expires on"),
        ({"next_secret": NEXT, "csrf_token": "stale"}, "open too long"),
    ],
)
def test_what_is_no_secret_is_refused_and_nothing_is_kept(
    trial: House, values: dict[str, str], words: str
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    visitor.get(SECRET)

    page = visitor.post(SECRET, **values)

    assert page.status == 422
    assert words in page.text
    assert stored(trial).next_sealed_secret is None


def test_the_current_secret_is_no_next_one(trial: House, hostile: HostileProvider) -> None:
    current = list(hostile.clients.values())[-1].client_secret or ""

    page = store(trial.user("SYSADMIN", "globex"), current)

    assert (page.status, "This is the current secret." in page.text) == (422, True)
    assert stored(trial).next_sealed_secret is None


def test_without_a_live_secret_there_is_nothing_to_rotate(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")
    page = visitor.get(SECRET)

    assert "No live revision has a secret yet" in page.text
    visitor.get(PATH)
    assert visitor.post(SECRET, next_secret=NEXT).status == 422


@pytest.mark.parametrize("role, status", [("IT_USER", 303), ("CLIENT_AUDITOR", 403), ("MANAGER", 403)])
def test_who_may_draft_may_store(trial: House, role: str, status: int) -> None:
    visitor = trial.user(role, "globex")
    visitor.get("/profile")

    assert visitor.post(SECRET, next_secret=NEXT).status == status


def test_an_it_user_does_not_swap(trial: House, hostile: HostileProvider) -> None:
    visitor = trial.user("IT_USER", "globex")
    store(visitor)
    rotate_at(hostile, NEXT)
    visitor.get(SECRET)

    assert visitor.post(f"{SECRET}/swap").status == 403
    assert trial.state_of("globex") == (True, 1, 1)


# --- Trying and swapping --------------------------------------------------------------


def test_trying_says_what_the_provider_says_and_changes_nothing(
    trial: House, hostile: HostileProvider
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    store(visitor)
    visitor.get(SECRET)

    refused = visitor.post(f"{SECRET}/try")
    rotate_at(hostile, NEXT)
    accepted = visitor.post(f"{SECRET}/try")

    assert "refused our secret" in refused.text
    assert "were accepted" in accepted.text
    assert trial.state_of("globex") == (True, 1, 1)
    assert stored(trial).next_sealed_secret is not None


def test_a_swap_makes_a_live_revision_that_differs_in_the_secret_alone(
    trial: House, hostile: HostileProvider
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    store(visitor, expires_on="2030-01-31")
    rotate_at(hostile, NEXT)
    visitor.get(SECRET)

    page = visitor.post(f"{SECRET}/swap")

    assert page.status == 303
    assert trial.state_of("globex") == (True, 2, 2)
    live = trial.newest("globex")
    assert trial.secret_of(live) == NEXT
    assert str(live.secret_expires_on) == "2030-01-31"
    assert stored(trial).next_sealed_secret is None
    assert actions(trial)[-2:] == ["connection.secret_rotated", "connection.live"]
    assert sign_in(trial).status == 303


def test_a_secret_that_is_refused_is_not_swapped_in(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    store(visitor)
    visitor.get(SECRET)

    page = visitor.post(f"{SECRET}/swap")

    assert page.status == 422
    assert "the provider did not accept the next secret" in page.text
    assert trial.state_of("globex") == (True, 1, 1)
    assert stored(trial).next_sealed_secret is not None


def test_where_the_provider_does_not_tell_a_draft_waits_for_its_test(
    trial: House, hostile: HostileProvider
) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    store(visitor)
    hostile.answer("/token", Raw(400, b'{"error": "something_new"}'))
    visitor.get(SECRET)

    page = visitor.post(f"{SECRET}/swap")

    assert page.location == f"{PATH}#step-4"
    assert trial.state_of("globex") == (True, 1, 2)
    assert trial.secret_of(trial.newest("globex")) == NEXT


def test_a_removed_next_secret_is_gone(trial: House) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    store(visitor)
    visitor.get(SECRET)

    assert visitor.post(f"{SECRET}/remove").status == 303
    assert stored(trial).next_sealed_secret is None
    assert visitor.post(f"{SECRET}/remove").status == 422
    assert visitor.post(f"{SECRET}/swap").status == 422
    assert actions(trial)[-1] == "connection.next_secret_removed"


@pytest.mark.parametrize("act", ["try", "swap", "remove"])
def test_an_act_from_elsewhere_does_nothing(trial: House, act: str) -> None:
    visitor = trial.user("SYSADMIN", "globex")
    store(visitor)

    assert visitor.post(f"{SECRET}/{act}", csrf_token="forged").status == 422
    assert stored(trial).next_sealed_secret is not None
    assert trial.state_of("globex") == (True, 1, 1)


# --- By itself ------------------------------------------------------------------------


def test_a_sign_in_takes_the_next_secret_when_the_current_one_is_refused(
    trial: House, hostile: HostileProvider
) -> None:
    store(trial.user("SYSADMIN", "globex"))
    assert sign_in(trial).status == 303
    assert trial.state_of("globex") == (True, 1, 1)
    rotate_at(hostile, NEXT)

    page = sign_in(trial)

    assert (page.status, page.location) == (303, "/")
    assert trial.state_of("globex") == (True, 2, 2)
    assert trial.secret_of(trial.newest("globex")) == NEXT
    assert trial.newest("globex").created_by == "by itself"
    assert stored(trial).next_sealed_secret is None
    assert stored(trial).failing_since is None
    assert sign_in(trial).status == 303
    assert trial.state_of("globex") == (True, 2, 2)


def test_without_a_next_secret_a_refused_one_stays_refused(trial: House, hostile: HostileProvider) -> None:
    rotate_at(hostile, NEXT)

    page = sign_in(trial)

    assert page.status == 403
    assert "refused our secret" in page.text
    assert trial.state_of("globex") == (True, 1, 1)


def test_a_next_secret_that_is_refused_too_stays_where_it_is(trial: House, hostile: HostileProvider) -> None:
    store(trial.user("SYSADMIN", "globex"))
    rotate_at(hostile, "yet-another-secret-of-the-provider")

    assert sign_in(trial).status == 403
    assert trial.state_of("globex") == (True, 1, 1)
    assert stored(trial).next_sealed_secret is not None


def test_a_revision_of_another_app_drops_the_next_secret(trial: House, hostile: HostileProvider) -> None:
    store(trial.user("SYSADMIN", "globex"))
    same = trial.newest("globex")
    values = {"provider": "other", "issuer": same.issuer, "client_id": same.client_id, "secret": None}
    trial.put_live("globex", trial.save_draft("globex", **values, email_claim="mail"))
    assert stored(trial).next_sealed_secret is not None

    trial.put_live("globex", trial.save_draft("globex", **values | {"client_id": "another"}))

    assert stored(trial).next_sealed_secret is None
    assert "connection.next_secret_removed" in actions(trial)


def test_the_next_secret_is_sealed_anew_with_the_others(trial: House) -> None:
    store(trial.user("SYSADMIN", "globex"))

    with trial.app.app_context():
        done = key_rotation.reseal_all(db.session(), trial.key_ring)

    assert (done.current, done.unopened) == (3, ())  # two revisions and the one that waits
