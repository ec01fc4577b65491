"""Work that may take a minute: in a thread of its own, with its own session and one turn at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, current_app
from sqlalchemy.orm import Session

from lvportal.extensions import db
from lvportal.services.people_import import running

SECONDS_OF_A_WAIT = 5.0
# One at a time in a process: each holds the rows of a whole client in memory.
_turn = threading.Semaphore(1)

Work = Callable[[Session], None]


def clock() -> datetime:
    """Return the moment, UTC."""
    return datetime.now(UTC)


def do(work: Work, import_id: int, run: str, *, is_small: bool) -> None:
    """Do the work at once if it is small, else in a thread that a restart may end at any moment."""
    if is_small:
        work(db.session())
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the object behind the proxy
    threading.Thread(
        target=_in_turn, args=(app, work, import_id, run), name=f"import-{import_id}", daemon=True
    ).start()


def _in_turn(app: Flask, work: Work, import_id: int, run: str) -> None:
    with app.app_context():
        session = db.session()
        while not _turn.acquire(timeout=SECONDS_OF_A_WAIT):
            if not running.wait_turn(session, import_id, run, clock):
                return
        try:
            work(session)
        finally:
            _turn.release()
