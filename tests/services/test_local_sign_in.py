"""Local sign-in: one answer for every failure, and a pause that blocks the password alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from lvportal.errors import PasswordRefused
from lvportal.models import Account, SignInRecord
from lvportal.services import local_sign_in, sessions
from lvportal.services.passwords import PasswordChecker, hash_password
from lvportal.services.sign_in_records import Visitor
from tests.services.conftest import NOW, World

CHECKER = PasswordChecker(2)
HASH = hash_password("right horse")


def sign_in(world: World, **changes: Any) -> sessions.Opened:
    values: dict[str, Any] = {
        "client_code": "acme",
        "login_name": "desk_1",
        "password": "right horse",
        "audience": "agent",
        "visitor": Visitor("192.0.2.1", "a browser"),
        "absolute_seconds": 3600,
        "now": NOW,
    }
    return local_sign_in.sign_in(world.session, CHECKER, **(values | changes))


def test_the_right_password_opens_a_session(world: World) -> None:
    acme = world.client("acme", live=False)
    world.agent(acme, "Desk_1", None, password_hash=HASH)

    opened = sign_in(world, client_code=" Acme ", login_name="DESK_1")

    live = sessions.find(world.session, opened.handle, audience="agent", idle_seconds=60, now=NOW)
    assert live is not None
    assert live.method == "password"
    assert live.provider_label == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"password": ""},
        {"password": "null"},
        {"password": "x" * 5000},
        {"login_name": "desk_2"},
        {"client_code": "globex"},
        {"client_code": "a' OR 1=1"},
        {"audience": "portal"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_failure_gets_the_same_answer(world: World, changes: dict[str, Any]) -> None:
    acme = world.client("acme", live=False)
    world.agent(acme, "desk_1", "desk@acme.example", password_hash=HASH)

    with pytest.raises(PasswordRefused) as caught:
        sign_in(world, **changes)

    assert caught.value.code == "sign_in.password"


@pytest.mark.parametrize(
    "values", [{"password_hash": None}, {"password_hash": HASH, "active": False}], ids=["none", "off"]
)
def test_an_account_without_password_or_switched_off_is_refused(world: World, values: dict[str, Any]) -> None:
    acme = world.client("acme", live=False)
    world.agent(acme, "desk_1", "desk@acme.example", **values)

    with pytest.raises(PasswordRefused):
        sign_in(world)


def test_after_five_failures_the_password_pauses_but_single_sign_on_does_not(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example", password_hash=HASH)
    for _ in range(5):
        with pytest.raises(PasswordRefused):
            sign_in(world, password="wrong")

    with pytest.raises(PasswordRefused):
        sign_in(world)
    assert world.finish(world.arrival())
    assert sign_in(world, now=NOW + timedelta(minutes=16))


def test_a_flood_of_wrong_passwords_leaves_five_records_until_the_pause_ends(world: World) -> None:
    acme = world.client("acme", live=False)
    world.agent(acme, "desk_1", "desk@acme.example", password_hash=HASH)

    for _ in range(12):
        with pytest.raises(PasswordRefused):
            sign_in(world, password="wrong")

    assert world.session.scalar(select(func.count()).select_from(SignInRecord)) == 5


def test_a_success_forgets_the_failures(world: World) -> None:
    acme = world.client("acme", live=False)
    account = world.agent(acme, "desk_1", "desk@acme.example", password_hash=HASH)
    with pytest.raises(PasswordRefused):
        sign_in(world, password="wrong")

    sign_in(world)

    assert world.session.get_one(Account, account.id, populate_existing=True).failed_attempts == 0
