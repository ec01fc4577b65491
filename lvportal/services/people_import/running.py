"""The life of an import: uploaded, read, shown, then written in one transaction, cancelled or forgotten.

Reading and writing may take a minute, so a thread does them and gives a sign of
life; ``run`` names that thread. Whoever cancels or tries again puts another name
there, and the thread before stops at its next sign of life, with nothing written.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lvportal.errors import ChangeRefused
from lvportal.models import PeopleImport, PeopleImportPart
from lvportal.models.base import table
from lvportal.services import audit, enforcement, references
from lvportal.services.audit import Actor
from lvportal.services.people_import import planning, reading, writing
from lvportal.services.people_import.columns import words_of
from lvportal.services.people_import.judging import Judged, judge_rows, mark_repeated_names
from lvportal.services.people_import.planning import Importer
from lvportal.services.transactions import writing as transaction

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

ROWS_OF_A_PART = 50
SEEN_EVERY_ROWS = 2_000
DEAD_AFTER = timedelta(seconds=90)
"""Without a sign of life for so long a thread is dead. The longest silence is the writing itself."""
KEPT = timedelta(days=1)
AT_WORK = ("reading", "writing")

_PARTS = table(PeopleImportPart)
_IMPORTS = table(PeopleImport)
# Without the content: a page does not load 10 MB to show a number.
_SHOWN = [column for column in _IMPORTS.c if column.name != "content"]


class ImportOver(ChangeRefused):
    """The import is not in a state in which this could be done."""

    code = "import.over"
    status = 409
    user_message = "This import is over, or somebody else has it at work."
    next_step = "Look at it again, or upload the file again."


class _Superseded(Exception):
    """Another thread took over, or the import was cancelled: this one stops."""


@dataclass(frozen=True, slots=True)
class View:
    """An import as pages show it. ``state`` is ``stalled`` where its thread is dead."""

    id: int
    audience: str
    file_name: str
    state: str
    created_at: datetime
    finished_at: datetime | None
    rows_done: int
    rows_total: int
    summary: dict[str, Any]

    @property
    def numbers(self) -> dict[str, int]:
        """How many rows there are of each outcome, and what they would end."""
        return cast("dict[str, int]", self.summary.get("numbers", {}))

    @property
    def to_write(self) -> int:
        """How many rows would be written."""
        return self.numbers.get("new", 0) + self.numbers.get("changed", 0)


def start(
    session: Session,
    *,
    tenant_id: int,
    audience: str,
    by: Actor,
    importer: Importer,
    file_name: str,
    content: bytes,
    now: datetime,
) -> tuple[int, str]:
    """Keep the file for reading and return the import's id and its run.

    Raises a FileRefused where the file is no list of people at all. The same
    person's earlier imports that were never written are cancelled.
    """
    layout = reading.inspect(content, audience)
    run = secrets.token_hex(16)
    with transaction(session):
        earlier = select(PeopleImport.id).where(
            PeopleImport.tenant_id == tenant_id,
            PeopleImport.audience == audience,
            PeopleImport.created_by_account_id == importer.account_id,
            PeopleImport.state.in_(("reading", "read", "failed")),
        )
        for import_id in session.scalars(earlier).all():
            _drop(session, import_id, now)
        made = PeopleImport(
            tenant_id=tenant_id,
            audience=audience,
            created_by_account_id=importer.account_id,
            created_by=by.name[:120],
            created_at=now,
            file_name=_safe_name(file_name),
            content=content,
            state="reading",
            rows_total=reading.guess_rows(content),
            summary=_summary_of(layout),
            run=run,
            seen_at=now,
        )
        session.add(made)
        session.flush()
        return made.id, run


def read(session: Session, import_id: int, run: str, importer: Importer, clock: Clock) -> None:
    """Read the file and keep its preview. Refusals of the file, and faults, are kept in the import."""
    with _kept_failures(session, import_id, run, clock):
        record, rows = _judged(session, import_id, run, clock)
        total = len(rows)
        before = planning.snapshot(session, record.tenant_id, record.audience, clock(), locks=False)
        made = planning.plan(rows, before, record.audience, importer)
        del before
        with transaction(session):
            _claim(session, import_id, run, "reading")
            _keep_preview(session, import_id, made, clock(), total=total)


def begin_writing(session: Session, view: View, now: datetime) -> str:
    """Let the valid rows be written; return the run for ``write``. Raises ImportOver."""
    return _begin(session, view.id, ("read",), "writing", now)


def begin_again(session: Session, view: View, now: datetime) -> str:
    """Read the file anew after a failure or a dead thread; return the run for ``read``. Raises ImportOver."""
    if view.state not in ("failed", "stalled"):
        raise ImportOver
    return _begin(session, view.id, ("failed", *AT_WORK), "reading", now)


def write(session: Session, import_id: int, run: str, by: Actor, importer: Importer, clock: Clock) -> None:
    """Write all valid rows in one transaction, if they would still do what the preview showed.

    If not, the import goes back to being read, with a new preview and a word about it.
    """
    with _kept_failures(session, import_id, run, clock):
        record, rows = _judged(session, import_id, run, clock)
        total = len(rows)
        tenant_id, audience, shown = record.tenant_id, record.audience, record.summary["fingerprint"]
        with transaction(session):
            now = clock()
            current = _claim(session, import_id, run, "writing")
            enforcement.one_at_a_time(session, tenant_id)
            before = planning.snapshot(session, tenant_id, audience, now, locks=True)
            made = planning.plan(rows, before, audience, importer)
            del before  # as many rows again are made in the next step
            if made.fingerprint() != shown:
                _keep_preview(session, import_id, made, now, total=total, changed=True)
                return
            entering = enforcement.read_state(session, tenant_id, now)
            writing.apply(session, tenant_id, audience, made, now)
            enforcement.refuse_lock_out(entering, enforcement.read_state(session, tenant_id, now))
            _record(session, current, made, by, now)
            session.execute(
                update(_IMPORTS)
                .where(_IMPORTS.c.id == import_id)
                .values(state="written", content=None, rows_done=total, finished_at=now, run="")
            )


def cancel(session: Session, view: View, now: datetime) -> None:
    """Drop the file and its preview; nothing was written. Raises ImportOver when it is too late."""
    with transaction(session):
        record = _locked(session, view.id)
        if record is None or record.state not in ("reading", "read", "failed", "writing"):
            raise ImportOver
        # A thread that is writing holds the row's lock until it is done: what is
        # seen here as "writing" has not begun to write, and finds itself cancelled.
        _drop(session, view.id, now)


def find(
    session: Session, *, tenant_id: int, audience: str, account_id: int, import_id: int, now: datetime
) -> View | None:
    """Return a person's own import of this client and host, or None."""
    row = session.execute(
        select(*_SHOWN).where(
            _IMPORTS.c.id == import_id,
            _IMPORTS.c.tenant_id == tenant_id,
            _IMPORTS.c.audience == audience,
            _IMPORTS.c.created_by_account_id == account_id,
        )
    ).one_or_none()
    return _view(row, now) if row else None


def recent(session: Session, *, tenant_id: int, audience: str, account_id: int, now: datetime) -> list[View]:
    """Return a person's last five imports that were not cancelled, the newest first."""
    found = session.execute(
        select(*_SHOWN)
        .where(
            _IMPORTS.c.tenant_id == tenant_id,
            _IMPORTS.c.audience == audience,
            _IMPORTS.c.created_by_account_id == account_id,
            _IMPORTS.c.state != "cancelled",
        )
        .order_by(_IMPORTS.c.created_at.desc(), _IMPORTS.c.id.desc())
        .limit(5)
    )
    return [_view(row, now) for row in found]


def part(session: Session, view: View, outcome: str, number: int) -> list[dict[str, Any]]:
    """Return one page of fifty rows of one outcome, from 1; an empty list beyond the last."""
    rows = session.scalar(
        select(PeopleImportPart.rows).where(
            PeopleImportPart.import_id == view.id,
            PeopleImportPart.outcome == outcome,
            PeopleImportPart.number == number,
        )
    )
    return rows or []


def refused_rows(session: Session, view: View) -> Iterator[list[str]]:
    """Yield the refused rows as they stood in the file, each with its number and every reason."""
    width = len(view.summary["header"])
    for row in _rows(session, view, "refused"):
        cells = [*row["cells"][:width], *[""] * (width - len(row["cells"]))]
        reasons = " ".join(f"{words}: {said}" if words else said for words, said in row["problems"])
        yield [*cells, str(row["row"]), reasons]


def find_written(
    session: Session, *, tenant_id: int, audience: str, import_id: int, now: datetime
) -> View | None:
    """Return a written import of this client and host, whoever's it was, or None."""
    row = session.execute(
        select(*_SHOWN).where(
            _IMPORTS.c.id == import_id,
            _IMPORTS.c.tenant_id == tenant_id,
            _IMPORTS.c.audience == audience,
            _IMPORTS.c.state == "written",
        )
    ).one_or_none()
    return _view(row, now) if row else None


def written_changes(session: Session, view: View, *, hides: frozenset[str]) -> Iterator[list[str]]:
    """Yield what an import made and changed, a line for each value, the login name second.

    Left out are users who have, had or got one of the roles in ``hides``.
    """
    words = words_of(view.audience)
    for row in _rows(session, view, "new"):
        if row["values"].get("role") not in hides:
            for name, value in row["values"].items() or [("", None)]:
                yield [str(row["row"]), row["name"], "new", words.get(name, ""), "", _told(value)]
    for row in _rows(session, view, "changed"):
        if hides.isdisjoint({row.get("role"), *row["changes"].get("role", ())}):
            for name, (old, new) in row["changes"].items():
                yield [str(row["row"]), row["name"], "changed", words[name], _told(old), _told(new)]


def _rows(session: Session, view: View, outcome: str) -> Iterator[dict[str, Any]]:
    """Yield every row of one outcome, with one page of them in memory at a time."""
    pages = select(PeopleImportPart.number).where(
        PeopleImportPart.import_id == view.id, PeopleImportPart.outcome == outcome
    )
    for number in sorted(session.scalars(pages)):
        yield from part(session, view, outcome, number)


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "" if value is None else str(value)


def forget_old(session: Session, now: datetime) -> int:
    """Remove imports that nobody finished within a day; return how many.

    What a written import refused goes too. What it made and changed stays: the audit record refers to it.
    """
    with transaction(session):
        old = PeopleImport.created_at < now - KEPT
        unfinished = session.scalars(
            select(PeopleImport.id).where(old, PeopleImport.state != "written")
        ).all()
        for import_id in unfinished:
            session.execute(delete(_PARTS).where(_PARTS.c.import_id == import_id))
            session.execute(delete(_IMPORTS).where(_IMPORTS.c.id == import_id))
        written = select(PeopleImport.id).where(old, PeopleImport.state == "written")
        session.execute(
            delete(_PARTS).where(_PARTS.c.import_id.in_(written), _PARTS.c.outcome.in_(("same", "refused")))
        )
        return len(unfinished)


@contextmanager
def _kept_failures(session: Session, import_id: int, run: str, clock: Clock) -> Iterator[None]:
    """Keep in the import why its work ended: the file's refusal, or a fault with its reference."""
    try:
        yield
    except _Superseded:
        session.rollback()
    except ChangeRefused as error:
        words = [error.words(error.user_message), error.words(error.next_step)]
        _fail(session, import_id, run, words, clock())
    except IntegrityError:
        words = [
            "Somebody changed people meanwhile. Nothing was written.",
            "Try again: a new preview comes first.",
        ]
        _fail(session, import_id, run, words, clock())
    except Exception as error:
        # Nobody else would hear of it: this is the end of a thread.
        reference = references.new_reference()
        log.error("import.fault", extra={"reference": reference, "kind": type(error).__name__})
        again = f"Try again. If it happens again, quote {references.show(reference)} to Customer Care."
        _fail(session, import_id, run, ["Our fault. Nothing was written.", again], clock())


def _judged(session: Session, import_id: int, run: str, clock: Clock) -> tuple[PeopleImport, list[Judged]]:
    """Return the import, detached, and its rows judged by themselves."""
    record = session.scalars(
        select(PeopleImport).where(PeopleImport.id == import_id, PeopleImport.run == run)
    ).one_or_none()
    if record is None or record.content is None:
        raise _Superseded
    session.expunge(record)
    content, audience = record.content, record.audience
    layout = reading.inspect(content, audience)
    rows: list[Judged] = []
    for row in judge_rows(reading.lines(content, layout), layout, audience):
        rows.append(row)
        if len(rows) % SEEN_EVERY_ROWS == 0:
            _beat(session, import_id, run, len(rows), clock())
    mark_repeated_names(rows, audience)
    _beat(session, import_id, run, len(rows), clock())
    record.content = None  # detached: the row in the database keeps it
    return record, rows


def wait_turn(session: Session, import_id: int, run: str, clock: Clock) -> bool:
    """Give a sign of life while waiting for another import to end; tell whether it is still wanted."""
    try:
        _beat(session, import_id, run, 0, clock())
    except _Superseded:
        return False
    return True


def _beat(session: Session, import_id: int, run: str, done: int, now: datetime) -> None:
    with transaction(session):
        mine = (_IMPORTS.c.id == import_id, _IMPORTS.c.run == run)
        sent = update(_IMPORTS).where(*mine).values(rows_done=done, seen_at=now)
        if cast("CursorResult[Any]", session.execute(sent)).rowcount != 1:
            raise _Superseded


def _begin(session: Session, import_id: int, states: tuple[str, ...], state: str, now: datetime) -> str:
    run = secrets.token_hex(16)
    with transaction(session):
        record = _locked(session, import_id)
        if record is None or record.state not in states:
            raise ImportOver
        summary = {name: value for name, value in record.summary.items() if name != "refusal"}
        session.execute(
            update(_IMPORTS)
            .where(_IMPORTS.c.id == import_id)
            .values(state=state, run=run, seen_at=now, rows_done=0, finished_at=None, summary=summary)
        )
    return run


def _locked(session: Session, import_id: int) -> Any:
    wanted = select(*_SHOWN).where(_IMPORTS.c.id == import_id).with_for_update()
    return session.execute(wanted).one_or_none()


def _claim(session: Session, import_id: int, run: str, state: str) -> Any:
    """Lock the import for this transaction, if this thread is still the one that works on it."""
    record = _locked(session, import_id)
    if record is None or (record.state, record.run) != (state, run):
        raise _Superseded
    return record


def _keep_preview(
    session: Session,
    import_id: int,
    made: planning.Plan,
    now: datetime,
    *,
    total: int,
    changed: bool = False,
) -> None:
    summary = dict(session.scalars(select(_IMPORTS.c.summary).where(_IMPORTS.c.id == import_id)).one())
    summary |= {"numbers": made.numbers(), "fingerprint": made.fingerprint(), "changed": changed}
    session.execute(delete(_PARTS).where(_PARTS.c.import_id == import_id))
    for outcome, rows in made.rows.items():
        parts = [
            {
                "import_id": import_id,
                "outcome": outcome,
                "number": start // ROWS_OF_A_PART + 1,
                "rows": rows[start : start + ROWS_OF_A_PART],
            }
            for start in range(0, len(rows), ROWS_OF_A_PART)
        ]
        for some in range(0, len(parts), 100):
            session.execute(insert(_PARTS), parts[some : some + 100])
    session.execute(
        update(_IMPORTS)
        .where(_IMPORTS.c.id == import_id)
        .values(state="read", rows_done=total, rows_total=total, summary=summary, seen_at=now, run="")
    )


def _record(session: Session, record: Any, made: planning.Plan, by: Actor, now: datetime) -> None:
    numbers = made.numbers()
    audit.record(
        session,
        tenant_id=record.tenant_id,
        actor=by,
        action="people.import",
        subject=f"{'users' if record.audience == 'portal' else 'agents'}: {record.file_name}",
        # The fingerprint binds the list of accounts that the import keeps to this chained event.
        after={
            "import": record.id,
            "file": record.file_name,
            "sha256": record.summary["fingerprint"],
            **numbers,
        },
        now=now,
    )


def _fail(session: Session, import_id: int, run: str, words: list[str], now: datetime) -> None:
    with transaction(session):
        record = _locked(session, import_id)
        if record is None or record.run != run:
            return
        session.execute(
            update(_IMPORTS)
            .where(_IMPORTS.c.id == import_id)
            .values(state="failed", finished_at=now, summary={**record.summary, "refusal": words})
        )


def _drop(session: Session, import_id: int, now: datetime) -> None:
    session.execute(delete(_PARTS).where(_PARTS.c.import_id == import_id))
    session.execute(
        update(_IMPORTS)
        .where(_IMPORTS.c.id == import_id)
        .values(state="cancelled", content=None, run="", finished_at=now)
    )


def _view(record: Any, now: datetime) -> View:
    is_dead = record.state in AT_WORK and (record.seen_at is None or now - record.seen_at > DEAD_AFTER)
    return View(
        record.id,
        record.audience,
        record.file_name,
        "stalled" if is_dead else record.state,
        record.created_at,
        record.finished_at,
        record.rows_done,
        record.rows_total,
        record.summary,
    )


def _summary_of(layout: reading.Layout) -> dict[str, Any]:
    return {
        "encoding": layout.encoding,
        "encoding_is_certain": layout.encoding_is_certain,
        "delimiter": layout.delimiter_words,
        "header": [cell[:120] for cell in layout.header],
        "unknown": list(layout.unknown),
        "absent": list(layout.absent),
    }


def _safe_name(name: str) -> str:
    """Return the file's own name, without folders and without characters that nobody sees."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:120] or "file.csv"
