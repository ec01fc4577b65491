"""The story of a sign-in: what opens a session, what is refused, what is left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lvportal import errors
from lvportal.models import IdentityLink, PersonSession, SignInRecord
from lvportal.services import audit, connections, sessions, sign_in
from lvportal.services.transactions import writing
from tests.services.conftest import NOW, World


def count(world: World, model: type) -> int:
    world.session.rollback()  # a read begun earlier would not see what others wrote
    return world.session.scalar(select(func.count()).select_from(model)) or 0


def refused(world: World, arrival: sign_in.Arrival, now=NOW) -> errors.SignInRefused:
    with pytest.raises(errors.SignInRefused) as caught:
        world.finish(arrival, now=now)
    return caught.value


def test_a_matched_person_gets_a_session_of_that_host_and_the_page_asked_for(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "Desk@Acme.example")

    welcome = world.finish(world.arrival())

    live = sessions.find(world.session, welcome.opened.handle, audience="agent", idle_seconds=60, now=NOW)
    assert live is not None
    assert live.login_name == "desk_1"
    assert live.email == "desk@acme.example"
    assert welcome.return_to == "/x"


def test_a_session_of_one_host_is_none_on_the_other(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")

    welcome = world.finish(world.arrival())

    assert (
        sessions.find(world.session, welcome.opened.handle, audience="portal", idle_seconds=60, now=NOW)
        is None
    )


def test_a_finished_sign_in_leaves_one_record_with_its_claims(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")

    world.finish(world.arrival())

    record = world.session.scalars(select(SignInRecord)).one()
    assert (record.outcome, record.step, record.claim_names) == ("signed_in", 6, ["email", "sub"])


def test_an_answer_nobody_waited_for_writes_nothing(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")

    error = refused(world, world.arrival(pending=None))

    assert error.code == "sign_in.expired"
    assert error.reference is None
    assert count(world, SignInRecord) == 0


@pytest.mark.parametrize(("seconds", "is_accepted"), [(600, True), (602, False), (-60, False)])
def test_a_pending_sign_in_lives_ten_minutes(world: World, seconds: int, is_accepted: bool) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    later = NOW + timedelta(seconds=seconds)

    if is_accepted:
        assert world.finish(world.arrival(), now=later)
    else:
        assert refused(world, world.arrival(), now=later).code == "sign_in.expired"


def test_a_replayed_answer_opens_nothing_and_leaves_no_second_record(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    arrival = world.arrival()
    world.finish(arrival)

    error = refused(world, arrival)

    assert error.code == "sign_in.expired"
    assert (count(world, PersonSession), count(world, SignInRecord)) == (1, 1)


def test_a_replayed_refusal_leaves_no_second_record(world: World) -> None:
    world.client("acme")
    arrival = world.arrival()
    first = refused(world, arrival)

    second = refused(world, arrival)

    assert (first.code, second.code) == ("sign_in.no_account", "sign_in.expired")
    assert count(world, SignInRecord) == 1


def test_one_answer_sent_ten_times_at_once_gives_one_session(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    arrival = world.arrival()

    def finish(_: int) -> str:
        try:
            sign_in.finish(world.engine, world, arrival, absolute_seconds=60, now=NOW)
        except errors.SignInRefused as error:
            return error.code
        return "in"

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(finish, range(10)))

    assert sorted(set(outcomes)) == ["in", "sign_in.expired"]
    assert outcomes.count("in") == 1
    assert count(world, PersonSession) == 1


def test_two_subjects_with_one_email_at_once_give_one_link_and_one_refusal(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")

    class Two:
        def __init__(self, subject: str) -> None:
            self.subject = subject

        def protocol_for(self, *_):
            return replace(world.protocol, result=world.identity(subject=self.subject))

    arrivals = [(Two("00u1"), world.arrival()), (Two("00u2"), world.arrival())]

    def finish(pair) -> str:
        try:
            sign_in.finish(world.engine, pair[0], pair[1], absolute_seconds=60, now=NOW)
        except errors.SignInRefused as error:
            return error.code
        return "in"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(finish, arrivals))

    assert outcomes == ["in", "sign_in.subject_changed"]
    assert count(world, IdentityLink) == 1


def test_a_subject_that_is_linked_opens_no_other_account_whatever_email_it_brings(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    world.agent(acme, "boss", "boss@acme.example")
    world.finish(world.arrival())
    world.protocol.result = world.identity(email="boss@acme.example")

    assert refused(world, world.arrival()).code == "sign_in.subject_taken"


def test_another_subject_with_a_linked_email_is_refused(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    world.finish(world.arrival())
    world.protocol.result = world.identity(subject="00u2")

    assert refused(world, world.arrival()).code == "sign_in.subject_changed"


def test_the_email_of_another_clients_person_matches_nobody(world: World) -> None:
    world.client("acme")
    globex = world.client("globex")
    world.agent(globex, "desk_1", "desk@acme.example")

    error = refused(world, world.arrival("acme"))

    assert error.code == "sign_in.no_account"
    assert error.words(error.user_message) == "Acme has no active account for desk@acme.example."


def test_an_agents_email_opens_nothing_on_the_portal_host(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")

    assert refused(world, world.arrival(audience="portal")).code == "sign_in.no_account"
    assert world.finish(world.arrival(audience="agent"))


def test_a_deactivated_account_is_refused_and_says_so(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example", active=False)

    assert refused(world, world.arrival()).code == "sign_in.inactive"


def test_two_active_accounts_with_one_email_are_refused(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    world.agent(acme, "desk_2", "DESK@acme.example")

    assert refused(world, world.arrival()).code == "sign_in.duplicate"


def test_a_login_name_that_looks_like_the_email_neither_signs_in_nor_blocks(world: World) -> None:
    acme = world.client("acme")
    right = world.agent(acme, "desk_1", "desk@acme.example")
    world.agent(acme, "desk@acme.example", "other@acme.example")

    welcome = world.finish(world.arrival())

    live = sessions.find(world.session, welcome.opened.handle, audience="agent", idle_seconds=60, now=NOW)
    assert live is not None
    assert live.account_id == right.id


def test_the_feature_turned_off_meanwhile_refuses_the_answer_with_a_record(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    arrival = world.arrival()
    with writing(world.session):
        world.set_feature(acme, False)

    error = refused(world, arrival)

    assert error.code == "sign_in.off"
    assert error.reference is not None
    assert world.protocol.seen == []


def test_another_revision_gone_live_meanwhile_sends_the_person_out_anew(world: World) -> None:
    acme = world.client("acme")
    world.agent(acme, "desk_1", "desk@acme.example")
    arrival = world.arrival()
    with writing(world.session):
        revision = world.save(acme, client_id="0oa2")
        connections.put_live(world.session, acme, revision.number, by=audit.COMMAND_LINE, now=NOW)

    error = refused(world, arrival)

    assert error.code == "sign_in.connection_changed"
    assert count(world, SignInRecord) == 0
    assert world.protocol.seen == []


def test_a_start_reads_and_writes_nothing(world: World) -> None:
    world.client("acme")

    departure = sign_in.begin(
        world.engine, world, sign_in.Start("acme", "https://agent.example.com/sso/acme"), now=NOW
    )

    assert departure.pending.revision_id == 1
    assert count(world, SignInRecord) == 0
    assert count(world, PersonSession) == 0


@pytest.mark.parametrize(
    ("issuer", "code"), [("https://login.acme.example", None), ("https://evil.example", "sign_in.initiator")]
)
def test_a_third_party_start_must_name_this_connections_issuer(
    world: World, issuer: str, code: str | None
) -> None:
    world.client("acme")
    start = sign_in.Start("acme", "https://agent.example.com/sso/acme", initiator_issuer=issuer)

    if code is None:
        assert sign_in.begin(world.engine, world, start, now=NOW)
    else:
        with pytest.raises(errors.SignInRefused) as caught:
            sign_in.begin(world.engine, world, start, now=NOW)
        assert caught.value.code == code


@pytest.mark.parametrize("code", ["nobody", "ACME", "acme ", "acm"])
def test_a_code_that_is_not_exactly_a_clients_starts_nothing(world: World, code: str) -> None:
    world.client("acme")

    with pytest.raises(errors.UnknownClient):
        sign_in.begin(world.engine, world, sign_in.Start(code, "https://x"), now=NOW)


def test_a_deleted_clients_code_starts_nothing(world: World) -> None:
    acme = world.client("acme")
    with writing(world.session):
        acme.deleted_at = NOW

    with pytest.raises(errors.UnknownClient):
        sign_in.begin(world.engine, world, sign_in.Start("acme", "https://x"), now=NOW)


def test_a_refusal_of_the_protocol_is_recorded_with_what_arrived(world: World) -> None:
    world.client("acme")
    world.protocol.result = errors.SignInRefused(
        "why", claim_names=("sub", "name"), provider_said="policy evaluation failed"
    )

    error = refused(world, world.arrival())

    record = world.session.scalars(select(SignInRecord)).one()
    assert record.reference == error.reference
    assert (record.code, record.claim_names) == ("sign_in.refused", ["sub", "name"])
    assert (record.detail, record.provider_said) == ("why", "policy evaluation failed")
