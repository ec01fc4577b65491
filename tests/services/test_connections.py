"""Connections: immutable revisions, one live, and a switch."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from lvportal.errors import EditConflict, SecretUnreadable, SingleSignOnOff
from lvportal.models import AuditEvent, Revision
from lvportal.services import audit, connections
from lvportal.services.transactions import writing
from tests.services.conftest import NOW, World


def revisions(world: World) -> int:
    return world.session.scalar(select(func.count()).select_from(Revision)) or 0


def test_saving_writes_a_new_revision_and_leaves_the_live_one(world: World) -> None:
    acme = world.client("acme")
    before = connections.for_sign_in(world.session, "acme")

    with writing(world.session):
        draft = world.save(acme, client_id="0oa2")

    assert draft.number == 2
    assert connections.for_sign_in(world.session, "acme") == before


def test_saving_the_same_again_writes_nothing(world: World) -> None:
    acme = world.client("acme")

    with writing(world.session):
        world.save(acme)

    assert revisions(world) == 1


def test_an_empty_secret_keeps_the_stored_one(world: World) -> None:
    acme = world.client("acme")

    with writing(world.session):
        draft = world.save(acme, client_id="0oa2", secret=None)

    loaded = connections.load_configuration(world.session, world.key_ring, draft.id)
    assert loaded.client_secret == "s3cret-value"
    assert "s3cret-value" not in repr(loaded)


def test_a_secret_is_demanded_where_there_is_none_to_keep(world: World) -> None:
    acme = world.client("acme", live=False)

    with pytest.raises(connections.SecretMissing), writing(world.session):
        world.save(acme, secret=None)


def test_a_native_application_without_secret_needs_none(world: World) -> None:
    acme = world.client("acme", live=False)

    with writing(world.session):
        draft = world.save(acme, application_type="native", client_authentication="none", secret=None)

    assert connections.load_configuration(world.session, world.key_ring, draft.id).client_secret is None


def test_an_editor_who_saw_an_older_revision_gets_a_conflict(world: World) -> None:
    acme = world.client("acme")

    with pytest.raises(EditConflict), writing(world.session):
        world.save(acme, client_id="0oa2", based_on=0)
    with writing(world.session):
        assert world.save(acme, client_id="0oa2", based_on=1).number == 2


def test_going_back_is_putting_an_older_revision_live(world: World) -> None:
    acme = world.client("acme")
    with writing(world.session):
        world.save(acme, client_id="0oa2")
        connections.put_live(world.session, acme, 2, by=audit.COMMAND_LINE, now=NOW)

    with writing(world.session):
        connections.put_live(world.session, acme, 1, by=audit.COMMAND_LINE, now=NOW)

    assert connections.for_sign_in(world.session, "acme").revision_id == 1


def test_a_revision_of_another_client_cannot_be_put_live(world: World) -> None:
    acme = world.client("acme")
    world.client("globex")

    with pytest.raises(connections.RevisionUnknown), writing(world.session):
        connections.put_live(world.session, acme, 2, by=audit.COMMAND_LINE, now=NOW)


def test_enabling_needs_the_feature(world: World) -> None:
    acme = world.client("acme", live=False)
    with writing(world.session):
        world.save(acme)

    with pytest.raises(connections.FeatureOff), writing(world.session):
        connections.set_enabled(world.session, acme, enabled=True, by=audit.COMMAND_LINE, now=NOW)


def test_turning_the_feature_off_ends_sign_in_and_keeps_the_configuration(world: World) -> None:
    acme = world.client("acme")
    with writing(world.session):
        world.set_feature(acme, False)
    with pytest.raises(SingleSignOnOff):
        connections.for_sign_in(world.session, "acme")

    with writing(world.session):
        world.set_feature(acme, True)

    assert connections.for_sign_in(world.session, "acme").revision_id == 1


def test_the_audit_tells_what_changed_and_never_the_secret(world: World) -> None:
    acme = world.client("acme")
    with writing(world.session):
        world.save(acme, issuer="https://other.example", secret="another-s3cret")

    events = world.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()

    last = events[-1]
    assert last.before["issuer"] == "https://login.acme.example"
    assert last.after["issuer"] == "https://other.example"
    assert not any("s3cret" in str((e.before, e.after)) for e in events)


def test_a_secret_sealed_for_one_connection_opens_in_no_other(world: World) -> None:
    world.client("acme")
    world.client("globex")
    with writing(world.session):
        one, other = world.session.scalars(select(Revision).order_by(Revision.id)).all()
        other.sealed_secret = one.sealed_secret

    with pytest.raises(SecretUnreadable):
        connections.load_configuration(world.session, world.key_ring, other.id)
