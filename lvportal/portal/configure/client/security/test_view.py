"""What the page of a test sign-in shows, ready for its template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lvportal.errors import STEPS, SignInRefused, fill, tree
from lvportal.models import Account, Revision
from lvportal.portal.configure.client.security.test_step import HOST_NAMES
from lvportal.portal.fixes import Fix, fix_for
from lvportal.protocols.oidc.checks import Checked, Verdict, run_of
from lvportal.services import connections, references
from lvportal.services.test_sign_ins import CLAIMS_KEPT, TICKET_SECONDS, Claim, Result
from lvportal.web.access import ROLE_LABELS, may

__test__ = False  # no module of tests, whatever its name

_ICONS = {Verdict.PASSED: "done", Verdict.FAILED: "stop", Verdict.NOT_REACHED: "dash"}
_TONES = {Verdict.PASSED: "ok", Verdict.FAILED: "danger", Verdict.NOT_REACHED: ""}


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check of a step."""

    words: str
    verdict: str
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One of the six steps. ``state``: done, problem or nothing."""

    number: int
    name: str
    state: str
    note: str
    checks: tuple[CheckLine, ...]


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim. ``may_use``: it holds an email and is not the Email Attribute yet."""

    name: str
    value: str
    source: str
    may_use: bool
    is_email_claim: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account that matched, or one that shares the email. Without ``path`` it may not be seen."""

    name: str
    words: str
    path: str


@dataclass(frozen=True, slots=True)
class TestView:
    """Everything the template needs."""

    __test__ = False
    reference: str
    audience: str
    host: str
    other_audience: str
    other_host: str
    revision_number: int
    newest_number: int
    provider: str
    tester: str
    at: datetime
    state: str  # "waiting", "over", "passed" or "refused"
    title: str
    cause: str
    fix_words: str
    fix: Fix | None
    code: str
    detail: str
    provider_said: str
    steps: tuple[StepView, ...]
    claims: tuple[ClaimRow, ...]
    claim_names: tuple[str, ...]
    has_values: bool
    values_until: datetime | None
    usable: tuple[str, ...]
    email_claim: str
    email: str
    account: AccountView | None
    same_email: tuple[AccountView, ...]
    is_all_tested: bool
    opens_nobody: bool  # passed with the administrator's own email, which no agent has
    missing_groups_claim: str  # the claim that gives roles, if it did not arrive
    is_groups_overage: bool  # Entra leaves it out for people in over 200 groups, and says so
    creates: bool  # a sign-in would make the account
    new_role: str  # a sign-in would give this role
    not_created: str  # why a sign-in would make none, though the connection may

    @property
    def is_newest(self) -> bool:
        """Tell whether no revision was saved since."""
        return self.revision_number == self.newest_number


def build(result: Result, newest: Revision, *, role: str, is_all_tested: bool, now: datetime) -> TestView:
    """Gather what the page shows. ``role`` is the tester's: a SUPERUSER sees no SYSADMIN.

    ``is_all_tested``: the newest revision has passed on every host that needs it.
    """
    test, revision = result.test, result.revision
    provider = connections.label_of(revision.provider)
    cause = _cause(test.code)
    facts: dict[str, object] = dict(test.facts)
    is_finished = test.finished_at is not None
    waits = not is_finished and (now - test.created_at).total_seconds() < 2 * TICKET_SECONDS
    refused = cause is not None and test.step is not None
    sentence = fill(cause.user_message, facts) if cause else ""
    email = str(test.facts.get("email") or "")
    rows = tuple(_row(claim, revision.email_claim) for claim in result.claims or ())
    return TestView(
        reference=references.show(test.reference),
        audience=test.audience,
        host=HOST_NAMES[test.audience],
        other_audience="agent" if test.audience == "portal" else "portal",
        other_host=HOST_NAMES["agent" if test.audience == "portal" else "portal"],
        revision_number=revision.number,
        newest_number=newest.number,
        provider=provider,
        tester=test.tester_name,
        at=test.finished_at or test.started_at or test.created_at,
        state=("refused" if refused else "passed") if is_finished else ("waiting" if waits else "over"),
        title=_title(test.step, sentence, is_finished=is_finished, provider=provider),
        cause=sentence,
        fix_words=fill(cause.administrator_step, facts) if cause else "",
        fix=_fix(result, email),
        code=test.code or "",
        detail=test.detail,
        provider_said=test.provider_said,
        steps=_steps(test.step or 0, test.code) if is_finished else (),
        claims=rows,
        claim_names=tuple(test.claim_names),
        has_values=result.claims is not None,
        values_until=test.finished_at + CLAIMS_KEPT if test.finished_at and result.claims else None,
        usable=tuple(
            claim.name
            for claim in result.claims or ()
            if claim.is_email and claim.name != revision.email_claim
        ),
        email_claim=revision.email_claim,
        email=email,
        account=_account(result.account, role) if result.account else None,
        same_email=tuple(_account(one, role) for one in result.same_email),
        is_all_tested=is_all_tested,
        opens_nobody="nobody" in test.facts,
        missing_groups_claim=(
            revision.groups_claim
            if test.claim_names and revision.groups_claim not in test.claim_names
            else ""
        ),
        is_groups_overage=not {"_claim_names", "hasgroups"}.isdisjoint(test.claim_names),
        creates="creates" in test.facts,
        new_role=ROLE_LABELS.get(str(test.facts.get("role")), ""),
        not_created=str(test.facts.get("not_created") or ""),
    )


def _fix(result: Result, email: str) -> Fix | None:
    fix = fix_for(
        result.test.code,
        audience=result.test.audience,
        email=email,
        account_ids=[account.id for account in result.same_email],
    )
    return fix if fix and may(fix.permission) else None


def _cause(code: str | None) -> type[SignInRefused] | None:
    if code is None:
        return None
    for cause in tree(SignInRefused):
        if cause.code == code and issubclass(cause, SignInRefused):
            return cause
    return SignInRefused  # a code of an older release


def _title(step: int | None, sentence: str, *, is_finished: bool, provider: str) -> str:
    if not is_finished:
        return f"Nobody has come back from {provider} yet."
    return f"Refused at step {step} of {len(STEPS)}: {sentence}" if sentence else "This works."


def _steps(ended_at: int, code: str | None) -> tuple[StepView, ...]:
    run = run_of(ended_at, code)
    found = []
    for number, name in enumerate(STEPS, start=1):
        checks = tuple(_line(check) for check in run if check.step == number)
        if code is not None and number == ended_at:
            state, note = "problem", "Refused here"
        elif code is None or number < ended_at:
            state, note = "done", "Passed"
        else:
            state, note = "", "Not reached"
        found.append(StepView(number, name[:1].upper() + name[1:], state, note, checks))
    return tuple(found)


def _line(check: Checked) -> CheckLine:
    return CheckLine(check.words, check.verdict.value, _TONES[check.verdict], _ICONS[check.verdict])


def _row(claim: Claim, email_claim: str) -> ClaimRow:
    is_chosen = claim.name == email_claim
    return ClaimRow(claim.name, claim.value, claim.source, claim.is_email and not is_chosen, is_chosen)


def _account(account: Account, role: str) -> AccountView:
    if role != "SYSADMIN" and account.role == "SYSADMIN":
        return AccountView("", "An account that your role does not show", "")
    people = "agents" if account.audience == "agent" else "users"
    kind = ROLE_LABELS[account.role] if account.role else "agent"
    state = "" if account.active else ", switched off"
    return AccountView(
        account.full_name, f"{account.login_name}, {kind}{state}", f"/configure/{people}/{account.id}"
    )
