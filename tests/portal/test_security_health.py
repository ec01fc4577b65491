"""Step 7 of the set-up: how the live connection does, and who uses it."""

from __future__ import annotations

from sqlalchemy import select

from lvportal.errors import NoAccount
from lvportal.extensions import db
from lvportal.models import Tenant
from lvportal.services import sign_in_records
from lvportal.services.transactions import writing
from tests.support.house import House


def test_a_live_connection_shows_its_health_and_adoption(house: House) -> None:
    with house.app.app_context(), writing(db.session()) as session:
        tenant_id = session.scalars(select(Tenant.id).where(Tenant.code == "acme")).one()
        for code in (None, "sign_in.no_account", "sign_in.no_account"):
            refused = NoAccount(email="x@acme.example") if code else None
            sign_in_records.write(
                session,
                tenant_id=tenant_id,
                audience="portal",
                method="sso",
                visitor=sign_in_records.Visitor("192.0.2.1", "a browser"),
                now=house.now,
                refused=refused,
            )

    page = house.user("SYSADMIN").get("/configure/client/security")

    assert "2 signed in, 2 refused" in page.text
    assert "/monitor/sign-ins?time=day&amp;cause=sign_in.no_account" in page.html
    assert "0 of 5" in page.text  # all by password: nobody has come through the provider yet
    assert (
        "Health and adoption" not in house.user("SYSADMIN", "globex").get("/configure/client/security").text
    )
