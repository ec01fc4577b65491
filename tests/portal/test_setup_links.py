"""Set-up links: made by administrators, opened with a code, submitted as a draft, over when they end."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from lvportal.extensions import db
from lvportal.models import SetupLink
from tests.portal.test_security import typed
from tests.support.house import PORTAL, House, Page, Visitor

PATH = "/configure/client/security/setup-links"
FOR_WHOM = "Identity team"


def made(house: House, client: str = "globex", purpose: str = "connect") -> tuple[str, str]:
    """Make a link; return its path and its code."""
    visitor = house.user("SYSADMIN", client)
    visitor.get(PATH)
    page = visitor.post(PATH, for_whom=FOR_WHOM, purpose=purpose, days="7")
    assert page.status == 200, page.text
    address = re.search(rf'value="{PORTAL}(/setup/[^"]+)"', page.html)
    code = re.search(r'id="setup-code" value="(\d{6})"', page.html)
    assert address is not None
    assert code is not None
    return html.unescape(address[1]), code[1]


def enter(visitor: Visitor, path: str, code: str) -> Page:
    visitor.get(path)
    return visitor.post(f"{path}/code", code=code)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def entered(house: House, **link: str) -> tuple[Visitor, str]:
    path, code = made(house, **link)
    visitor = house.portal()
    assert enter(visitor, path, code).status == 303
    return visitor, path


def actions(house: House, client: str = "globex") -> list[str]:
    return [e.action for e in house.audited(client)]


def test_link_and_code_are_shown_once_and_kept_as_hashes(house: House) -> None:
    path, code = made(house)
    token = path.rpartition("/")[2]

    page = house.user("SYSADMIN", "globex").get(PATH)

    assert FOR_WHOM in page.text
    assert token not in page.html
    with house.app.app_context():
        link = db.session.query(SetupLink).one()
        assert token not in (link.token_hash, link.code_hash)
        assert code not in link.code_hash
    assert actions(house)[-1] == "setup_link.made"


def test_the_code_opens_the_steps_and_nothing_of_the_client(house: House) -> None:
    visitor, path = entered(house, client="acme")

    page = visitor.get(path)

    assert f'value="{PORTAL}/sso/acme"' in page.html
    assert "Paste what your provider shows" in page.text
    assert "0oa1example" not in page.html
    assert visitor.get("/configure/client/security").status == 303


def test_a_wrong_code_is_refused_and_the_right_one_still_opens(house: House) -> None:
    path, code = made(house)
    visitor = house.portal()

    assert enter(visitor, path, wrong(code)).status == 422
    assert enter(visitor, path, code).status == 303


def test_five_wrong_codes_end_the_link(house: House) -> None:
    path, code = made(house)
    visitor = house.portal()

    statuses = [enter(visitor, path, wrong(code)).status for _ in range(5)]

    assert statuses == [422, 422, 422, 422, 410]
    page = visitor.get(path)
    assert page.status == 410
    assert "This link has ended." in page.text
    assert "Ask Globex for a new one." in page.text
    assert actions(house)[-1] == "setup_link.ended"


def test_the_link_belongs_to_the_first_browser(house: House) -> None:
    visitor, path = entered(house)

    assert house.portal().get(path).status == 403
    assert visitor.get(path).status == 200


def test_a_submitted_draft_waits_and_changes_nothing_live(house: House) -> None:
    visitor, path = entered(house)
    visitor.get(path)

    page = visitor.post(f"{path}/values", **typed(accepts_unverified_email="y"))

    assert page.status == 303, page.text
    sent = visitor.get(path)
    assert "Sent to Globex to enable." in sent.text
    departure = visitor.post(f"{path}/test", audience="agent")
    assert departure.status == 200
    assert "/sso/globex/test?ticket=" in departure.html
    assert house.portal().post(f"{path}/test", audience="agent").status == 403
    draft = house.newest("globex")
    assert draft.created_by == f"set-up link for {FOR_WHOM}"
    assert draft.accepts_unverified_email is False
    assert house.state_of("globex") == (False, None, 1)
    assert "setup_link.submitted" in actions(house)


def test_a_second_submission_saves_nothing(house: House) -> None:
    visitor, path = entered(house)
    visitor.get(path)
    visitor.post(f"{path}/values", **typed())

    visitor.post(f"{path}/values", **typed(client_id="another", based_on="1"))

    assert house.state_of("globex")[2] == 1


@pytest.mark.parametrize("act", ["save", "check"])
def test_the_client_s_stored_secret_is_never_a_guest_s(house: House, act: str) -> None:
    visitor, path = entered(house, client="acme")
    visitor.get(path)
    values = typed(secret="", issuer="https://login.acme.example", based_on="1", act=act)

    page = visitor.post(f"{path}/values", **values)

    assert page.status == 422
    assert house.state_of("acme")[2] == 1


def test_values_before_the_code_are_not_taken(house: House) -> None:
    path, _ = made(house)
    visitor = house.portal()
    visitor.get(path)

    visitor.post(f"{path}/values", **typed())

    assert house.state_of("globex")[2] == 0


def test_a_new_secret_is_stored_beside_the_current_one(house: House) -> None:
    visitor, path = entered(house, client="acme", purpose="rotate_secret")
    visitor.get(path)

    page = visitor.post(f"{path}/secret", next_secret="another-secret-of-thirty-two-characters")

    assert page.status == 303, page.text
    assert "Sent to Acme to swap." in visitor.get(path).text
    assert house.state_of("acme") == (True, 1, 1)
    assert {"connection.next_secret_set", "setup_link.submitted"} <= set(actions(house, "acme"))


def test_a_link_for_the_secret_takes_no_values(house: House) -> None:
    visitor, path = entered(house, client="acme", purpose="rotate_secret")
    visitor.get(path)

    visitor.post(f"{path}/values", **typed(based_on="1"))

    assert house.state_of("acme")[2] == 1


def test_a_revoked_link_is_over(house: House) -> None:
    visitor, path = entered(house)
    administrator = house.user("SYSADMIN", "globex")
    shown = administrator.get(PATH).html
    revoke = re.search(rf'action="({PATH}/\d+/revoke)"', shown)
    assert revoke is not None

    assert house.user("SYSADMIN", "acme").post(revoke[1]).status == 422  # no token of ours
    assert administrator.post(revoke[1]).status == 303

    assert visitor.get(path).status == 410
    assert actions(house)[-1] == "setup_link.revoked"


def test_another_client_s_link_is_not_found(house: House) -> None:
    made(house)
    with house.app.app_context():
        number = db.session.query(SetupLink).one().id
    other = house.user("SYSADMIN", "acme")
    other.get(PATH)

    assert other.post(f"{PATH}/{number}/revoke").status == 404


def test_an_expired_link_is_over(house: House) -> None:
    visitor, path = entered(house)
    assert visitor.get(path).status == 200
    with house.app.app_context():
        db.session.query(SetupLink).one().expires_at = house.now - timedelta(seconds=1)
        db.session.commit()

    assert visitor.get(path).status == 410


@pytest.mark.parametrize("token", ["nothing", "%00", "x" * 500])
def test_an_unknown_token_is_like_an_ended_one(house: House, token: str) -> None:
    page = house.portal().get(f"/setup/{token}")

    assert page.status in (400, 410)
    assert page.status == 410 or token == "%00"


@pytest.mark.parametrize("role, status", [("SUPERUSER", 200), ("IT_USER", 403), ("CLIENT_AUDITOR", 403)])
def test_who_makes_links(house: House, role: str, status: int) -> None:
    assert house.user(role, "globex").get(PATH).status == status


@pytest.mark.parametrize(
    "path, told",
    [
        ("/setup/a-token", "/setup/"),
        ("/configure/client/security/domains", "/configure/client/security/domains"),
    ],
)
def test_a_fault_s_log_names_the_path_but_no_link_s_token(
    house: House, caplog: pytest.LogCaptureFixture, path: str, told: str
) -> None:
    visitor = house.user("SYSADMIN")
    house.app.testing = house.app.config["PROPAGATE_EXCEPTIONS"] = False
    with house.app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE setup_links RENAME TO gone_links")
        connection.exec_driver_sql("ALTER TABLE domain_claims RENAME TO gone_claims")

    with caplog.at_level("ERROR"):
        page = visitor.get(path)

    assert page.status == 500
    assert [vars(r)["path"] for r in caplog.records if r.msg == "request.fault"] == [told]
