"""Sessions: what ends them at the next request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from lvportal.models import Account, Tenant
from lvportal.services import audit, connections, sessions
from lvportal.services.transactions import writing
from tests.services.conftest import NOW, World


def find(world: World, handle: str, now=NOW) -> sessions.LiveSession | None:
    return sessions.find(world.session, handle, audience="agent", idle_seconds=600, now=now)


def signed_in(world: World) -> str:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    return world.finish(world.arrival()).opened.handle


def deactivate(world: World) -> None:
    world.session.get_one(Account, 1).active = False


def change_email(world: World) -> None:
    account = world.session.get_one(Account, 1)
    account.email = account.folded_email = "new@acme.example"


def disconnect(world: World) -> None:
    tenant = world.session.get_one(Tenant, 1)
    connections.set_enabled(world.session, tenant, enabled=False, by=audit.COMMAND_LINE, now=NOW)


def turn_feature_off(world: World) -> None:
    world.set_feature(world.session.get_one(Tenant, 1), False)


def delete_client(world: World) -> None:
    world.session.get_one(Tenant, 1).deleted_at = NOW


@pytest.mark.parametrize("act", [deactivate, change_email, disconnect, turn_feature_off, delete_client])
def test_a_session_ends_at_the_next_request_after(world: World, act: Callable[[World], None]) -> None:
    handle = signed_in(world)
    assert find(world, handle)

    with writing(world.session):
        act(world)

    assert find(world, handle) is None


@pytest.mark.parametrize(("seconds", "lives"), [(599, True), (600, False)])
def test_a_session_ends_after_its_idle_time(world: World, seconds: int, lives: bool) -> None:
    handle = signed_in(world)

    found = find(world, handle, NOW + timedelta(seconds=seconds))

    assert (found is not None) is lives


def test_a_session_in_use_ends_after_its_absolute_time(world: World) -> None:
    handle = signed_in(world)
    for minutes in range(5, 60, 5):
        moment = NOW + timedelta(minutes=minutes)
        live = find(world, handle, moment)
        assert live is not None
        with writing(world.session):
            sessions.touch(world.session, live, moment)

    assert find(world, handle, NOW + timedelta(minutes=60)) is None


def test_a_session_that_was_ended_is_gone(world: World) -> None:
    handle = signed_in(world)
    live = find(world, handle)
    assert live is not None

    with writing(world.session):
        sessions.end(world.session, live, reason="signed out", now=NOW)

    assert find(world, handle) is None


def test_last_seen_is_written_once_a_minute(world: World) -> None:
    handle = signed_in(world)
    live = find(world, handle)
    assert live is not None

    assert not sessions.must_be_touched(live, NOW + timedelta(seconds=59))
    assert sessions.must_be_touched(live, NOW + timedelta(seconds=60))


def test_a_guessed_handle_finds_nothing(world: World) -> None:
    handle = signed_in(world)

    assert find(world, handle[:-1] + ("A" if handle[-1] != "A" else "B")) is None
    assert find(world, sessions.hash_handle(handle)) is None
