from __future__ import annotations

import pytest
from sqlalchemy import select, update

from lvportal.key_ring import KeyRing, new_key
from lvportal.models import Revision
from lvportal.services import key_rotation
from lvportal.services.connections import secret_purpose

SECRET = {"ACME_SECRET": "what the provider shows"}


def clients(number: int) -> list[dict[str, object]]:
    connection = {
        "application_type": "web",
        "issuer": "https://login.acme.example",
        "client_id": "0oa1",
        "secret": {"environment": "ACME_SECRET"},
    }
    return [{"code": f"c{n}", "name": f"Client {n}", "connection": connection} for n in range(number)]


def opened(installation, keys: str) -> list[str]:
    ring = KeyRing(keys)
    with installation.session() as session:
        rows = session.execute(select(Revision.sealed_secret, Revision.connection_id)).all()
    return [ring.open(str(sealed), purpose=secret_purpose(connection)) for sealed, connection in rows]


def test_a_new_key_fits_the_setting(installation):
    made = installation.run("keys", "new", "--id", "k2").stdout.strip()

    assert KeyRing(made).current_id == "k2"


def test_new_keys_differ_in_name_and_value(installation):
    one, two = (installation.run("keys", "new").stdout.strip().split(":") for _ in range(2))

    assert one[0] != two[0]
    assert one[1] != two[1]


def test_a_key_needs_a_name_the_setting_can_hold(installation):
    refused = installation.run("keys", "new", "--id", "a:b")

    assert refused.exit_code == 2
    assert "1-16 letters and digits" in refused.stderr


def test_after_a_rotation_the_old_key_can_go(installation):
    installation.apply(*clients(3), environ=SECRET)
    new = new_key("k2")
    installation.restart(f"{new},{installation.keys}")

    rotated = installation.run("keys", "rotate")
    again = installation.run("keys", "rotate")

    assert rotated.stdout == "Sealed anew with key k2: 3. Already so: 0.\n"
    assert again.stdout == "Sealed anew with key k2: 0. Already so: 3.\n"
    assert opened(installation, new) == [SECRET["ACME_SECRET"]] * 3


def test_a_secret_whose_key_is_gone_is_named_and_left_as_it_is(installation):
    installation.apply(*clients(2), environ=SECRET)
    lost = installation.keys
    with installation.session() as session:
        before = session.scalars(select(Revision.sealed_secret)).all()
    installation.restart(new_key("k2"))

    rotated = installation.run("keys", "rotate")

    assert rotated.exit_code == 1
    assert rotated.stderr.splitlines()[1:] == ["  client c0, revision 1", "  client c1, revision 1"]
    with installation.session() as session:
        assert session.scalars(select(Revision.sealed_secret)).all() == before
    assert opened(installation, lost) == [SECRET["ACME_SECRET"]] * 2


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 4])
def test_a_rotation_in_steps_leaves_none_out(installation, rows_at_once):
    installation.apply(*clients(4), environ=SECRET)
    new = new_key("k2")
    ring = KeyRing(f"{new},{installation.keys}")

    with installation.session() as session:
        done = key_rotation.reseal_all(session, ring, rows_at_once=rows_at_once)

    assert (done.resealed, done.current, done.unopened) == (4, 0, ())
    assert opened(installation, new) == [SECRET["ACME_SECRET"]] * 4


def test_a_secret_moved_to_another_row_does_not_open(installation):
    installation.apply(*clients(2), environ=SECRET)
    with installation.session() as session:
        first = session.scalars(select(Revision.sealed_secret).order_by(Revision.id)).first()
        session.execute(update(Revision).values(sealed_secret=first))
        session.commit()
    installation.restart(f"{new_key('k2')},{installation.keys}")

    rotated = installation.run("keys", "rotate")

    assert rotated.stdout == "Sealed anew with key k2: 1. Already so: 0.\n"
    assert "client c1, revision 1" in rotated.stderr
