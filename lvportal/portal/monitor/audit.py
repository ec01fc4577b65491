"""``/monitor/audit``: every change, with who, when and what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Response, render_template, request

from lvportal.extensions import db
from lvportal.services.audit_reading import KINDS, MOST_EXPORTED, MOST_LISTED, Event, Reader, Wanted
from lvportal.web.access import Permission, requires
from lvportal.web.hosts import HostBlueprint
from lvportal.web.listing import (
    PAGE_SIZE,
    Listing,
    Page,
    csv_file,
    page_number,
    wanted_choice,
    wanted_text,
)
from lvportal.web.session import current_session
from lvportal.web.views import zone_of

PATH = "/monitor/audit"
COLUMNS = ("Number", "Time", "Who", "Customer Care", "From", "Act", "Action", "Subject", "Before", "After")


def add_to(bp: HostBlueprint) -> None:
    """Add the routes."""
    bp.add_url_rule(PATH, "audit", show)
    bp.add_url_rule(f"{PATH}/export.csv", "audit_csv", export_csv)
    bp.add_url_rule(f"{PATH}/export.jsonl", "audit_json_lines", export_json_lines)


@requires(Permission.VIEW_AUDIT)
def show() -> str:
    """Show one page of the events that the filters leave."""
    filters, wanted = _wanted()
    number = page_number()
    events, total = _reader().page(wanted, offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    page = Page(events, min(total, MOST_LISTED), number)
    listing = Listing(PATH, page, filters)
    return render_template(
        "portal/monitor/audit.html",
        listing=listing,
        kinds=KINDS,
        is_cut=total > MOST_LISTED,
        most_listed=MOST_LISTED,
        most_exported=MOST_EXPORTED,
        csv_url=Listing(f"{PATH}/export.csv", page, filters).url(),
        json_lines_url=Listing(f"{PATH}/export.jsonl", page, filters).url(),
    )


@requires(Permission.VIEW_AUDIT)
def export_csv() -> Response:
    """Return what the filters leave as comma-separated values."""
    return csv_file(_file_name("csv"), COLUMNS, map(_row, _exported()))


@requires(Permission.VIEW_AUDIT)
def export_json_lines() -> Response:
    """Return what the filters leave as JSON, one event a line, with the hashes of the chain."""
    lines = "".join(f"{json.dumps(_told(event), ensure_ascii=False)}\n" for event in _exported())
    response = Response(lines, content_type="application/jsonl; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{_file_name("jsonl")}"'
    return response


def _reader() -> Reader:
    hides_sysadmins = current_session.role == "SUPERUSER"
    return Reader(db.session(), current_session.tenant_id, hides_sysadmins=hides_sysadmins)


def _exported() -> Iterator[Event]:
    return _reader().newest(_wanted()[1])


def _wanted() -> tuple[dict[str, str], Wanted]:
    """Return the filters as they stand in the address, and what they mean in the client's zone."""
    filters = {
        "q": wanted_text(),
        "kind": wanted_choice("kind", KINDS),
        "person": wanted_text("person"),
        "since": _wanted_day("since"),
        "until": _wanted_day("until"),
    }
    wanted = Wanted(
        text=filters["q"],
        kind=filters["kind"],
        person=filters["person"],
        since=_midnight(filters["since"]),
        until=_midnight(filters["until"], days_later=1),
    )
    return filters, wanted


def _wanted_day(name: str) -> str:
    """Return a day of the address as ``2026-11-24``, or an empty text if it is none."""
    try:
        found = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return ""
    # Nearer to the calendar's ends a zone's midnight would fall off them.
    return found.isoformat() if 1900 <= found.year <= 9000 else ""


def _midnight(day: str, *, days_later: int = 0) -> datetime | None:
    if not day:
        return None
    local = datetime.combine(date.fromisoformat(day) + timedelta(days=days_later), time())
    return local.replace(tzinfo=zone_of(current_session.client_time_zone)).astimezone(UTC)


def _file_name(ending: str) -> str:
    return f"audit-{current_session.client_code}.{ending}"


def _row(event: Event) -> tuple[Any, ...]:
    return (
        event.number,
        event.at.isoformat(),
        event.actor,
        "yes" if event.by_care else "no",
        event.address,
        event.words,
        event.action,
        event.subject,
        json.dumps(event.before, ensure_ascii=False) if event.before else "",
        json.dumps(event.after, ensure_ascii=False) if event.after else "",
    )


def _told(event: Event) -> dict[str, Any]:
    return {
        "number": event.number,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "by_care": event.by_care,
        "address": event.address,
        "action": event.action,
        "words": event.words,
        "subject": event.subject,
        "before": dict(event.before),
        "after": dict(event.after),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }
