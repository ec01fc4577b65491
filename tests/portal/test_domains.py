"""Domains: claimed, proven by a TXT record of a real DNS answer, given up."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from lvportal.extensions import db
from lvportal.models import EmailDomain
from lvportal.portal.configure.client.security.domains import RESOLVER
from tests.support.dns_server import DnsServer
from tests.support.house import House, Page, Visitor

PATH = "/configure/client/security/domains"
DOMAIN = "sales.globex.example"


@pytest.fixture
def dns_server(house: House) -> Iterator[DnsServer]:
    with DnsServer() as server:
        house.app.extensions[RESOLVER] = server.resolver
        yield server


def claimed(visitor: Visitor, domain: str = DOMAIN) -> tuple[str, str]:
    """Claim a domain; return the path of its check and the value to publish."""
    visitor.get(PATH)
    page = visitor.post(PATH, domain=domain)
    assert page.status == 303, page.text
    shown = visitor.get(PATH).html
    section = next(s for s in shown.split("<section")[1:] if f'value="{domain}"' in s)
    path = re.search(rf'action="({PATH}/\d+/check)"', section)
    value = re.search(r'value="(lvportal-verification=[^"]+)"', section)
    assert path is not None
    assert value is not None
    return path[1], html.unescape(value[1])


def checked(visitor: Visitor, path: str) -> Page:
    visitor.post(path)
    return visitor.get(PATH)


def holder(house: House, domain: str = DOMAIN) -> tuple[str, int] | None:
    with house.app.app_context():
        row = db.session.get(EmailDomain, domain)
        return (row.proof, row.tenant_id) if row else None


def test_the_published_record_proves_the_domain(house: House, dns_server: DnsServer) -> None:
    visitor = house.user("SYSADMIN", "globex")
    path, value = claimed(visitor)
    dns_server.records[DOMAIN] = [f'"{value}"', '"v=spf1 -all"']

    page = checked(visitor, path)

    assert "Found: the domain is proven." in page.text
    assert (holder(house) or ("", 0))[0] == "dns"
    assert [e.action for e in house.audited("globex")][-2:] == ["domain.claimed", "domain.proven"]
    assert set(dns_server.asked) == {DOMAIN}


def test_a_value_in_several_strings_is_one_value(house: House, dns_server: DnsServer) -> None:
    visitor = house.user("SYSADMIN", "globex")
    path, value = claimed(visitor)
    dns_server.records[DOMAIN] = [f'"{value[:20]}" "{value[20:]}"']

    checked(visitor, path)

    assert holder(house) is not None


def test_other_values_are_shown_and_prove_nothing(house: House, dns_server: DnsServer) -> None:
    visitor = house.user("SYSADMIN", "globex")
    path, value = claimed(visitor)
    dns_server.records[DOMAIN] = ['"v=spf1 -all"', f'"{value}x"']

    page = checked(visitor, path)

    assert "Other TXT values were found" in page.text
    assert "v=spf1 -all" in page.text
    assert holder(house) is None


def test_a_name_without_a_record_is_said(house: House, dns_server: DnsServer) -> None:
    visitor = house.user("SYSADMIN", "globex")
    path, _ = claimed(visitor)
    dns_server.records[DOMAIN] = []

    assert "has no TXT record" in checked(visitor, path).text
    assert holder(house) is None


def test_an_unknown_name_is_said(house: House, dns_server: DnsServer) -> None:
    visitor = house.user("SYSADMIN", "globex")
    path, _ = claimed(visitor)

    assert f"The DNS knows no name {DOMAIN}" in checked(visitor, path).text
    assert holder(house) is None


def test_a_silent_server_is_said_after_five_seconds(house: House, dns_server: DnsServer) -> None:
    visitor = house.user("SYSADMIN", "globex")
    path, _ = claimed(visitor)
    dns_server.silent.add(DOMAIN)

    assert "did not answer within 5 seconds" in checked(visitor, path).text
    assert holder(house) is None


def test_a_domain_that_another_client_has_proven_stays_there(house: House, dns_server: DnsServer) -> None:
    first, second = house.user("SYSADMIN", "globex"), house.user("SYSADMIN", "acme")
    (path, value), (other_path, other_value) = claimed(first), claimed(second)
    dns_server.records[DOMAIN] = [f'"{value}"', f'"{other_value}"']
    checked(first, path)
    before = holder(house)

    page = second.post(other_path)

    assert page.status == 409
    assert "Another client has proven this domain." in page.text
    assert before is not None
    assert holder(house) == before


def test_another_client_s_claim_is_not_found(house: House, dns_server: DnsServer) -> None:
    path, _ = claimed(house.user("SYSADMIN", "globex"))
    other = house.user("SYSADMIN", "acme")
    other.get(PATH)

    assert other.post(path).status == 404
    assert other.post(f"{PATH}/remove", remove=DOMAIN).status == 404
    assert dns_server.asked == []


def test_a_removed_domain_leads_nobody(house: House, dns_server: DnsServer) -> None:
    visitor = house.user("SYSADMIN", "globex")
    path, value = claimed(visitor)
    dns_server.records[DOMAIN] = [f'"{value}"']
    checked(visitor, path)

    page = visitor.post(f"{PATH}/remove", remove=DOMAIN)

    assert page.status == 303
    assert holder(house) is None
    assert house.audited("globex")[-1].action == "domain.removed"


@pytest.mark.parametrize(
    "typed, domain",
    [
        (" Sales.GLOBEX.example. ", DOMAIN),
        ("bücher.example", "xn--bcher-kva.example"),
        ("globex.co.uk", "globex.co.uk"),
        ("notco.uk", "notco.uk"),
    ],
)
def test_a_domain_is_kept_in_lower_case_and_ascii(house: House, typed: str, domain: str) -> None:
    visitor = house.user("SYSADMIN", "globex")
    visitor.get(PATH)

    assert visitor.post(PATH, domain=typed).status == 303
    assert f'value="{domain}"' in visitor.get(PATH).html


@pytest.mark.parametrize(
    "typed, words",
    [
        ("co.uk", "Many organisations share this domain"),
        ("github.io", "Many organisations share this domain"),
        ("localhost", "This is not a domain"),
        ("192.0.2.1", "This is not a domain"),
        ("a..example", "This is not a domain"),
        ("under_score.example", "This is not a domain"),
        ("x" * 64 + ".example", "This is not a domain"),
        ("a\x00b.example", "invisible characters"),
        ("", "Enter your domain"),
    ],
)
def test_what_is_no_domain_of_one_s_own_is_refused(house: House, typed: str, words: str) -> None:
    visitor = house.user("SYSADMIN", "globex")
    visitor.get(PATH)

    page = visitor.post(PATH, domain=typed)

    assert page.status == 422
    assert words in page.text
    assert page.title.startswith("Error: ")


def test_a_claim_twice_is_refused(house: House) -> None:
    visitor = house.user("SYSADMIN", "globex")
    claimed(visitor)

    assert visitor.post(PATH, domain=DOMAIN).status == 422


@pytest.mark.parametrize("role, status", [("SUPERUSER", 303), ("IT_USER", 403), ("CLIENT_AUDITOR", 403)])
def test_who_reads_sees_the_domains_and_cannot_claim(house: House, role: str, status: int) -> None:
    visitor = house.user(role, "globex")

    assert visitor.get(PATH).status == 200
    visitor.get("/profile")
    assert visitor.post(PATH, domain=DOMAIN).status == status
