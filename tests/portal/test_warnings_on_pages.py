"""What administrators are warned of stands on Home and on Security, with cause and fix."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lvportal.extensions import db
from lvportal.models import Connection, Tenant
from lvportal.services.transactions import writing
from tests.support.house import House

SECURITY = "/configure/client/security"
PAGES = ["/", SECURITY]


def change(house: House, **values: Any) -> None:
    with house.app.app_context(), writing(db.session()) as session:
        connection = session.scalars(select(Connection).join(Tenant).where(Tenant.code == "acme")).one()
        for name, value in values.items():
            setattr(connection, name, value)


def fail(house: House, code: str, since: datetime | None = None) -> None:
    change(house, failing_since=since or house.now, failing_code=code)


@pytest.mark.parametrize("path", PAGES)
def test_a_failing_connection_says_since_when_why_and_what_to_do(house: House, path: str) -> None:
    fail(house, "sign_in.bad_secret", house.now - timedelta(days=2))

    text = house.user("SYSADMIN").get(path).text

    assert "Authentication failing since " in text
    assert "Okta refused our secret." in text
    assert "secret" in text.partition("Okta refused our secret")[2]
    assert "Failing" in text


@pytest.mark.parametrize("path", PAGES)
def test_a_connection_that_works_says_nothing_of_it(house: House, path: str) -> None:
    assert "failing since" not in house.user("SYSADMIN").get(path).text


@pytest.mark.parametrize("path", PAGES)
def test_a_connection_that_is_switched_off_does_not_fail(house: House, path: str) -> None:
    fail(house, "sign_in.bad_secret")
    change(house, enabled=False)

    assert "failing since" not in house.user("SYSADMIN").get(path).text


@pytest.mark.parametrize("path", PAGES)
def test_a_cause_that_needs_what_arrived_leads_to_the_records(house: House, path: str) -> None:
    fail(house, "sign_in.audience")

    text = house.user("SYSADMIN").get(path).text

    assert "Check the issuer under Security, and open the last refused sign-in" in text
    assert "unknown" not in text


def test_a_code_of_an_older_version_breaks_no_page(house: House) -> None:
    fail(house, "sign_in.of_another_time")

    assert house.user("SYSADMIN").get(SECURITY).status == 200


def test_the_next_secret_s_end_is_told_on_the_home_page(house: House) -> None:
    change(
        house,
        next_sealed_secret="sealed",
        next_secret_expires_on=(house.now + timedelta(days=20)).date(),
    )

    text = house.user("SYSADMIN").get("/").text

    assert "The next secret of Okta expires in" in text


@pytest.mark.parametrize("path", PAGES)
def test_without_a_mail_server_pages_say_where_warnings_appear(house: House, path: str) -> None:
    text = house.user("SYSADMIN").get(path).text

    assert "No mail server is set" in text
    assert "arnings appear here only." in text


@pytest.mark.parametrize("path", PAGES)
def test_with_a_mail_server_nothing_is_said(tmp_path: Path, path: str) -> None:
    house = House(tmp_path, smtp_host="mail.example.com", mail_sender="portal@example.com")

    text = house.user("SYSADMIN").get(path).text

    assert "No mail server is set" not in text
    with house.app.app_context():
        db.engine.dispose()
