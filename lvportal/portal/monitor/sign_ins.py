"""``/monitor/sign-ins``: every sign-in, by reference, person, cause and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import redirect, render_template
from werkzeug.wrappers import Response

from lvportal.errors import STEPS, PageNotFound
from lvportal.extensions import db
from lvportal.models import SignInRecord
from lvportal.portal.fixes import Fix, fix_for
from lvportal.services import connections, references, sign_in_search
from lvportal.services.devices import device_words
from lvportal.services.sign_in_search import Hidden, SignInRow, Wanted
from lvportal.web.access import Permission, may, requires
from lvportal.web.hosts import HOST_LABELS, HostBlueprint
from lvportal.web.listing import (
    PAGE_SIZE,
    Listing,
    Page,
    csv_file,
    page_number,
    wanted_choice,
    wanted_text,
)
from lvportal.web.request import now
from lvportal.web.session import current_session
from lvportal.web.views import moment as in_words

PATH = "/monitor/sign-ins"
OUTCOMES = {"signed_in": "Signed in", "refused": "Refused"}
TIMES: dict[str, tuple[str, timedelta | None]] = {
    "hour": ("1 hour", timedelta(hours=1)),
    "day": ("24 hours", sign_in_search.DAY),
    "week": ("7 days", sign_in_search.WEEK),
    "all": ("All", None),
}
METHODS = {"sso": "Single sign-on", "password": "Password", "emergency": "Emergency access"}
_COLUMNS = (
    *("Reference", "Time", "Host", "User Name or Logon ID", "Email", "Outcome", "How", "Provider"),
    *("Step", "Code", "Cause", "Address", "Device"),
)


@dataclass(frozen=True, slots=True)
class RowView:
    """One row as the page draws it. ``cause`` is empty for a sign-in that went well."""

    record: SignInRow
    cause: str
    fix: Fix | None


@dataclass(frozen=True, slots=True)
class JourneyStep:
    """One of the six steps of a sign-in. ``state``: done, problem or empty for not reached."""

    number: int
    name: str
    state: str


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PATH, "sign_ins", show)
    bp.add_url_rule(f"{PATH}.csv", "sign_ins_file", download)
    bp.add_url_rule(f"{PATH}/<reference>", "sign_in", show_one)


@requires(Permission.VIEW_SIGN_INS)
def show() -> str | Response:
    """Show one page of the sign-ins that the filters leave; a reference leads to its record."""
    moment, hidden = now(), hidden_people()
    wanted = _wanted()
    if references.read(wanted["q"]):
        record = sign_in_search.find(db.session(), current_session.tenant_id, wanted["q"], hidden=hidden)
        if record is not None:
            return redirect(f"{PATH}/{record.reference}", 303)
    provider = provider_label()
    number = min(page_number(), sign_in_search.MOST_COUNTED // PAGE_SIZE)
    found = sign_in_search.search(
        db.session(),
        current_session.tenant_id,
        _search(wanted, moment),
        hidden=hidden,
        limit=PAGE_SIZE,
        offset=(number - 1) * PAGE_SIZE,
    )
    summary = sign_in_search.summary(
        db.session(),
        current_session.tenant_id,
        client_name=current_session.client_name,
        provider=provider,
        hidden=hidden,
        now=moment,
    )
    total = min(found.totals.all, sign_in_search.MOST_COUNTED)
    titles = _Titles()
    listing = Listing(PATH, Page([_view(row, titles) for row in found.rows], total, number), wanted)
    codes = [cause.code for cause in summary.causes] + ([wanted["cause"]] if wanted["cause"] else [])
    return render_template(
        "portal/monitor/sign-ins.html",
        listing=listing,
        totals=found.totals,
        fits_too_many=found.fits_too_many,
        most_people=sign_in_search.MOST_PEOPLE,
        summary=summary,
        share=share,
        is_narrow=bool(wanted["q"] or wanted["outcome"] or wanted["cause"] or wanted["host"]),
        causes=sign_in_search.all_causes(current_session.client_name, provider, codes),
        outcomes=OUTCOMES,
        times={key: words for key, (words, _) in TIMES.items()},
        hosts_shown=HOST_LABELS,
        how=how,
        csv_url=listing.url(page=None).replace(PATH, f"{PATH}.csv", 1),
        most_exported=sign_in_search.MOST_EXPORTED,
    )


@requires(Permission.VIEW_SIGN_INS)
def download() -> Response:
    """Return the newest of the sign-ins that the filters leave as a file."""
    zone = current_session.client_time_zone
    rows = sign_in_search.newest(
        db.session(), current_session.tenant_id, _search(_wanted(), now()), hidden=hidden_people()
    )
    titles = _Titles()
    return csv_file(
        "sign-ins.csv",
        _COLUMNS,
        (
            (
                *(references.show(row.reference), in_words(row.at, zone), HOST_LABELS[row.audience]),
                *(row.login_name, row.email, "Refused" if row.code else "Signed in"),
                *(METHODS.get(row.method, row.method), row.provider),
                f"{row.step} of {len(STEPS)}, {STEPS[row.step - 1]}",
                *(row.code, titles.of(row), row.address, device_words(row.device)),
            )
            for row in rows
        ),
    )


@requires(Permission.VIEW_SIGN_INS)
def show_one(reference: str) -> str:
    """Show one sign-in: how far it came, why it ended, and where that is put right."""
    moment, hidden = now(), hidden_people()
    record = sign_in_search.find(db.session(), current_session.tenant_id, reference, hidden=hidden)
    if record is None:
        raise PageNotFound(host="portal")
    provider = sign_in_search.provider_of(db.session(), record)
    told = sign_in_search.explain(record, client_name=current_session.client_name, provider=provider)
    accounts = sign_in_search.accounts_of(db.session(), record)
    return render_template(
        "portal/monitor/sign-in.html",
        record=record,
        told=told,
        provider=provider,
        journey=journey(record),
        accounts=accounts,
        account_path=_account_path(record),
        how=METHODS.get(record.method, record.method),
        device=device_words(record.device),
        host=HOST_LABELS[record.audience],
        fix=allowed(
            fix_for(
                record.code,
                audience=record.audience,
                email=record.email,
                account_ids=[account.id for account in accounts],
            )
        ),
        others=sign_in_search.count_others(db.session(), record, hidden=hidden, now=moment)
        if record.code
        else 0,
    )


def hidden_people() -> Hidden:
    """Return whom the signed-in person does not see."""
    return sign_in_search.hidden_from(db.session(), current_session.tenant_id, current_session.role)


def provider_label() -> str | None:
    """Return how the client's live provider is called, or None."""
    connection = connections.of_tenant(db.session(), current_session.tenant_id)
    live = connection.live_revision if connection else None
    return connections.label_of(live.provider) if live else None


def allowed(fix: Fix | None) -> Fix | None:
    """Return the link if the signed-in person may open it."""
    return fix if fix is not None and may(fix.permission) else None


def journey(record: SignInRecord) -> list[JourneyStep]:
    """Return the six steps, each done, the problem, or not reached."""
    return [
        JourneyStep(
            number,
            name,
            "done" if number < record.step or not record.code else "problem" if number == record.step else "",
        )
        for number, name in enumerate(STEPS, 1)
    ]


def share(part: int, whole: int) -> str:
    """Return ``1.2 %`` of the whole; of nothing, nothing."""
    return f"{part * 100 / whole:.1f} %" if whole else "0 %"


def how(row: SignInRow) -> str:
    """Return how a sign-in was made: the provider's name, or Password."""
    return row.provider or METHODS.get(row.method, row.method)


class _Titles:
    """Causes in words, each put together once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def of(self, row: SignInRow) -> str:
        if row.code is None:
            return ""
        key = (row.code, row.provider)
        if key not in self._known:
            self._known[key] = sign_in_search.title_of(
                row.code, current_session.client_name, row.provider or None
            )
        return self._known[key]


def _view(row: SignInRow, titles: _Titles) -> RowView:
    account_ids = [row.account_id] if row.account_id is not None else []
    fix = fix_for(row.code, audience=row.audience, email=row.email or None, account_ids=account_ids)
    return RowView(row, titles.of(row), allowed(fix))


def _account_path(record: SignInRecord) -> str:
    of_users = record.audience == "portal"
    if not may(Permission.VIEW_USERS if of_users else Permission.VIEW_AGENTS):
        return ""
    return "/configure/users/" if of_users else "/configure/agents/"


def _wanted() -> dict[str, str]:
    text = wanted_text()
    return {
        "q": text,
        "outcome": wanted_choice("outcome", OUTCOMES),
        "cause": wanted_text("cause")[:60],
        "host": wanted_choice("host", HOST_LABELS),
        # Somebody who is looked for without a time is looked for in all that is kept.
        "time": wanted_choice("time", TIMES) or ("all" if text else "day"),
    }


def _search(wanted: dict[str, str], moment: datetime) -> Wanted:
    span = TIMES[wanted["time"]][1]
    return Wanted(
        text=wanted["q"],
        outcome=wanted["outcome"],
        code=wanted["cause"],
        audience=wanted["host"],
        since=moment - span if span is not None else None,
    )
