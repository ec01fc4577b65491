"""Searching sign-in records: by whom, by cause, and never those a viewer may not see."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from lvportal.errors import AccountInactive, NoAccount, SignInRefused
from lvportal.models import Account, SignInRecord, Tenant
from lvportal.protocols.oidc.errors import IssuerWrong, NoEmail, SecretRefused
from lvportal.services import references, sign_in_records, sign_in_search
from lvportal.services.sign_in_records import Visitor
from lvportal.services.sign_in_search import Hidden, Wanted
from lvportal.services.transactions import writing
from tests.services.conftest import NOW, World

NOBODY = Hidden()


@pytest.fixture
def acme(world: World) -> Tenant:
    return world.client("acme", live=False)


def record(
    world: World,
    tenant: Tenant,
    refused: SignInRefused | None = None,
    *,
    at: datetime = NOW,
    account: Account | None = None,
    **values: Any,
) -> str:
    given: dict[str, Any] = {
        "audience": "portal",
        "method": "sso",
        "visitor": Visitor("192.0.2.1", "a browser"),
    } | values
    with writing(world.session):
        return sign_in_records.write(
            world.session,
            tenant_id=tenant.id,
            now=at,
            refused=refused,
            account_id=account.id if account else None,
            **given,
        )


def found(world: World, tenant: Tenant, hidden: Hidden = NOBODY, **wanted: Any) -> list[str]:
    page = sign_in_search.search(world.session, tenant.id, Wanted(**wanted), hidden=hidden, limit=50)
    return [row.reference for row in page.rows]


def test_the_newest_stand_first(world: World, acme: Tenant) -> None:
    older = record(world, acme, at=NOW - timedelta(minutes=1))
    newer = record(world, acme)

    assert found(world, acme) == [newer, older]


@pytest.mark.parametrize("typed", ["{0}", "{1}", " {1} "])
def test_a_reference_is_found_in_any_spelling(world: World, acme: Tenant, typed: str) -> None:
    mine, _ = record(world, acme), record(world, acme)

    text = typed.format(mine.lower(), references.show(mine))

    assert found(world, acme, text=text) == [mine]


def test_a_record_of_another_client_is_not_found_by_its_reference(world: World, acme: Tenant) -> None:
    globex = world.client("globex", live=False)
    theirs = record(world, globex)

    assert sign_in_search.find(world.session, acme.id, theirs, hidden=NOBODY) is None
    assert sign_in_search.find(world.session, globex.id, theirs, hidden=NOBODY) is not None
    assert found(world, acme, text=theirs) == []


def test_an_email_is_found_whatever_its_case_even_of_nobody(world: World, acme: Tenant) -> None:
    unknown = record(world, acme, NoAccount(email="Some.One@Acme.example"))
    record(world, acme, NoAccount(email="another@acme.example"))

    assert found(world, acme, text="some.one@acme.EXAMPLE") == [unknown]


def test_a_part_of_a_logon_id_finds_a_person_s_sign_ins_and_refusals(world: World, acme: Tenant) -> None:
    desk = world.agent(acme, "Desk_114", "desk@acme.example")
    world.agent(acme, "other", "other@acme.example")
    good = record(world, acme, account=desk, audience="agent", at=NOW - timedelta(minutes=2))
    bad = record(world, acme, AccountInactive(email="DESK@acme.example"), audience="agent")
    record(world, acme, NoAccount(email="other@acme.example"), audience="agent")

    assert found(world, acme, text="desk_11") == [bad, good]


def test_a_percent_sign_is_a_percent_sign(world: World, acme: Tenant) -> None:
    desk = world.agent(acme, "desk", "desk@acme.example")
    record(world, acme, account=desk, audience="agent")

    assert found(world, acme, text="%") == []
    assert len(found(world, acme, text="des")) == 1


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ({"outcome": "refused"}, ["no_account", "issuer"]),
        ({"outcome": "signed_in"}, ["good"]),
        ({"code": "sign_in.issuer"}, ["issuer"]),
        ({"audience": "agent"}, ["good"]),
        ({"since": NOW - timedelta(hours=1)}, ["no_account", "good"]),
    ],
)
def test_a_filter_leaves_what_fits(
    world: World, acme: Tenant, wanted: dict[str, Any], expected: list[str]
) -> None:
    named = {
        record(world, acme, IssuerWrong(expected="a", got="b"), at=NOW - timedelta(hours=2)): "issuer",
        record(world, acme, audience="agent", at=NOW - timedelta(minutes=1)): "good",
        record(world, acme, NoAccount(email="x@acme.example")): "no_account",
    }

    assert [named[reference] for reference in found(world, acme, **wanted)] == expected


def test_totals_count_by_outcome_what_the_filters_leave(world: World, acme: Tenant) -> None:
    for _ in range(3):
        record(world, acme)
    record(world, acme, NoAccount(email="x@acme.example"))

    totals = sign_in_search.search(world.session, acme.id, Wanted(), hidden=NOBODY, limit=2).totals

    assert (totals.signed_in, totals.refused, totals.all, totals.is_cut) == (3, 1, 4, False)


def test_counting_stops_where_nobody_reads_on(
    world: World, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_search, "MOST_COUNTED", 2)
    for _ in range(3):
        record(world, acme)

    assert sign_in_search.search(world.session, acme.id, Wanted(), hidden=NOBODY, limit=2).totals.is_cut


def test_causes_of_the_day_and_the_week_are_counted(world: World, acme: Tenant) -> None:
    record(world, acme)
    record(world, acme, NoAccount(email="x@acme.example"))
    record(world, acme, NoAccount(email="x@acme.example"), at=NOW - timedelta(days=2))
    record(world, acme, IssuerWrong(), at=NOW - timedelta(days=2))
    record(world, acme, IssuerWrong(), at=NOW - timedelta(days=8))

    summary = sign_in_search.summary(
        world.session, acme.id, client_name="Acme", provider="Okta", hidden=NOBODY, now=NOW
    )

    assert (summary.day, summary.week, summary.refused_day, summary.refused_week) == (2, 4, 1, 3)
    assert [(cause.code, cause.day, cause.week) for cause in summary.causes] == [
        ("sign_in.no_account", 1, 2),
        ("sign_in.issuer", 0, 1),
    ]
    assert summary.causes[0].title == "Acme has no active account for this email."


class TestWhatASuperuserDoesNotSee:
    """A SYSADMIN stands in no list, no count and no search of theirs."""

    @pytest.fixture
    def chief(self, world: World, acme: Tenant) -> Account:
        return world.user(acme, "chief", "chief@acme.example")

    def test_neither_a_sign_in_nor_a_refusal_of_a_sysadmin(
        self, world: World, acme: Tenant, chief: Account
    ) -> None:
        good = record(world, acme, account=chief, email=chief.email)
        bad = record(world, acme, AccountInactive(email="Chief@acme.example"))
        other = record(world, acme, NoAccount(email="x@acme.example"))
        hidden = sign_in_search.hidden_from(world.session, acme.id, "SUPERUSER")

        assert found(world, acme, hidden) == [other]
        assert found(world, acme, hidden, text="chief") == []
        for reference in (good, bad):
            assert sign_in_search.find(world.session, acme.id, reference, hidden=hidden) is None
        totals = sign_in_search.search(world.session, acme.id, Wanted(), hidden=hidden, limit=9).totals
        assert totals.all == 1

    def test_the_summary_leaves_them_out_too(self, world: World, acme: Tenant, chief: Account) -> None:
        record(world, acme, account=chief)
        hidden = sign_in_search.hidden_from(world.session, acme.id, "SUPERUSER")

        counted = [
            sign_in_search.summary(
                world.session, acme.id, client_name="Acme", provider=None, hidden=one, now=NOW
            ).day
            for one in (hidden, NOBODY)
        ]

        assert counted == [0, 1]

    @pytest.mark.parametrize("role", ["SYSADMIN", "IT_USER", "CLIENT_AUDITOR"])
    def test_every_other_role_sees_them(self, world: World, acme: Tenant, chief: Account, role: str) -> None:
        good = record(world, acme, account=chief)

        assert found(world, acme, sign_in_search.hidden_from(world.session, acme.id, role)) == [good]


class TestWordsOfARecord:
    """The sentences of the moment of the refusal, said again from what was kept."""

    def explained(self, world: World, reference: str, **options: Any) -> sign_in_search.Explanation:
        kept = sign_in_records.find(world.session, reference)
        assert kept is not None
        told = sign_in_search.explain(kept, client_name="Acme", provider="Okta", **options)
        assert told is not None
        return told

    def test_expected_and_got_stand_in_the_sentence(self, world: World, acme: Tenant) -> None:
        refused = IssuerWrong(expected="https://a.example", got="https://b.example")

        told = self.explained(world, record(world, acme, refused))

        assert told.administrator_step.startswith("Expected https://a.example, got https://b.example.")

    def test_claim_names_and_numbers_too(self, world: World, acme: Tenant) -> None:
        no_email = record(world, acme, NoEmail(expected="mail", names="sub, name"))

        assert "The claim mail did not arrive. Arrived: sub, name." in (
            self.explained(world, no_email).administrator_step
        )

    def test_care_reads_neither_the_email_nor_what_arrived(self, world: World, acme: Tenant) -> None:
        missing = record(world, acme, NoAccount(email="some.one@acme.example"))
        wrong = record(world, acme, IssuerWrong(expected="https://a.example", got="https://secret.example"))

        told = self.explained(world, missing, for_care=True)
        assert told.title == "Acme has no active account for an address at acme.example."
        assert "secret.example" not in self.explained(world, wrong, for_care=True).administrator_step

    def test_only_what_a_sentence_asks_for_is_kept_and_short(self, world: World, acme: Tenant) -> None:
        refused = SecretRefused(method="client_secret_basic", secret="hunter2", provider="Okta")

        assert sign_in_records.facts_of(refused) == {"method": "client_secret_basic"}
        assert len(sign_in_records.facts_of(SecretRefused(method="x" * 9999))["method"]) == 500

    def test_a_code_that_no_version_knows_any_more_has_no_words(self, world: World, acme: Tenant) -> None:
        reference = record(world, acme, NoAccount(email="x@acme.example"))
        with writing(world.session):
            world.session.query(SignInRecord).update({"code": "sign_in.of_old"})

        kept = sign_in_records.find(world.session, reference)

        assert kept is not None
        assert sign_in_search.explain(kept, client_name="Acme", provider=None) is None
        assert sign_in_search.title_of("sign_in.of_old", "Acme", None) == "sign_in.of_old"
