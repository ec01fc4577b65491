"""``/configure/users/import`` and ``/configure/agents/import``: a file of people, shown first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import abort, redirect, render_template, request
from flask_wtf.file import FileField, FileRequired
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response
from wtforms import HiddenField
from wtforms.validators import AnyOf

from lvportal.extensions import csrf, db
from lvportal.portal.configure.people import background
from lvportal.services.people_import import columns, reading, running
from lvportal.services.people_import.planning import OUTCOMES, Importer
from lvportal.services.people_import.running import View
from lvportal.web.access import Permission, requires
from lvportal.web.forms import PortalForm
from lvportal.web.hosts import HostBlueprint
from lvportal.web.listing import Listing, Page, csv_file, page_number, wanted_choice
from lvportal.web.request import actor, now
from lvportal.web.session import current_session

# What a browser wraps around the file: its token, its name and the boundaries.
LARGEST_BODY = reading.LARGEST_FILE + 64 * 1024
# A file so small is read, and so few rows are written, before the answer.
SMALL_FILE = 64 * 1024
FEW_ROWS = 500
LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Kind:
    """Users or agents: where their pages are, and what they are called."""

    key: str
    audience: str
    title: str
    one: str
    permission: Permission

    @property
    def path(self) -> str:
        """The address of the page that takes a file."""
        return f"/configure/{self.key}/import"


KINDS = (
    Kind("users", "portal", "Users", "user", Permission.EDIT_USERS),
    Kind("agents", "agent", "Agents", "agent", Permission.EDIT_AGENTS),
)


class UploadForm(PortalForm):
    """The file."""

    file = FileField("CSV file", validators=[FileRequired("Choose a CSV file.")])


class ActForm(PortalForm):
    """What to do with a file that was read."""

    act = HiddenField(validators=[AnyOf(["write", "again", "cancel"])])


def add_to(bp: HostBlueprint) -> None:
    """Add the routes of both kinds."""
    for kind in KINDS:
        _add(bp, kind)


def _add(bp: HostBlueprint, kind: Kind) -> None:
    one = f"{kind.path}/<int(max={LARGEST_ID}):import_id>"

    @requires(kind.permission)
    def show_upload() -> str:
        return _upload_page(kind, UploadForm(formdata=None))

    @csrf.exempt
    @requires(kind.permission)
    def take_upload() -> Response | tuple[str, int]:
        return _take(kind)

    @requires(kind.permission)
    def template() -> Response:
        header = columns.header_of(kind.audience)
        return csv_file(f"{kind.key}.csv", header, [columns.example_of(kind.audience)])

    @requires(kind.permission)
    def show_import(import_id: int) -> str:
        return _import_page(kind, _find(kind, import_id), ActForm(formdata=None))

    @csrf.exempt
    @requires(kind.permission)
    def act(import_id: int) -> Response | tuple[str, int]:
        return _act(kind, _find(kind, import_id))

    @requires(kind.permission)
    def refused(import_id: int) -> Response:
        view = _find(kind, import_id)
        header = [*view.summary["header"], columns.ROW, columns.REASON]
        return csv_file(f"{kind.key}-refused-{view.id}.csv", header, running.refused_rows(db.session(), view))

    @requires(Permission.VIEW_AUDIT)
    def changes(import_id: int) -> Response:
        return _changes(kind, import_id)

    for rule, name, view, methods in (
        (kind.path, "import", show_upload, ["GET"]),
        (kind.path, "import_upload", take_upload, ["POST"]),
        (f"{kind.path}/template.csv", "import_template", template, ["GET"]),
        (one, "import_shown", show_import, ["GET"]),
        (one, "import_act", act, ["POST"]),
        (f"{one}/refused.csv", "import_refused", refused, ["GET"]),
        (f"{one}/changes.csv", "import_changes", changes, ["GET"]),
    ):
        bp.add_url_rule(rule, f"{kind.key}_{name}", view, methods=methods)


def _take(kind: Kind) -> Response | tuple[str, int]:
    """Take the file; a small one is read before the answer."""
    form = UploadForm(formdata=None)
    try:
        form = _sent()
        if not form.validate_on_submit():
            return _upload_page(kind, form), 422
        content = form.file.data.read(reading.LARGEST_FILE + 1)
        import_id, run = running.start(
            db.session(),
            tenant_id=current_session.tenant_id,
            audience=kind.audience,
            by=actor(),
            importer=_importer(),
            file_name=form.file.data.filename or "",
            content=content,
            now=now(),
        )
    except reading.FileRefused as refused:
        form.refuse(refused, "file")
        return _upload_page(kind, form), refused.status
    _read(import_id, run, is_small=len(content) <= SMALL_FILE)
    return redirect(f"{kind.path}/{import_id}", 303)


def _sent() -> UploadForm:
    """Return the form with its file, larger than other pages take. Raises FileTooLarge."""
    request.max_content_length = LARGEST_BODY
    try:
        return UploadForm()
    except RequestEntityTooLarge as error:
        raise reading.FileTooLarge from error


def _act(kind: Kind, view: View) -> Response | tuple[str, int]:
    form = ActForm()
    if not form.validate_on_submit():
        return _import_page(kind, view, form), 422
    try:
        if form.act.data == "cancel":
            running.cancel(db.session(), view, now())
            return redirect(kind.path, 303)
        if form.act.data == "again":
            run = running.begin_again(db.session(), view, now())
            _read(view.id, run, is_small=False)
        else:
            _write(view, running.begin_writing(db.session(), view, now()))
    except running.ImportOver:
        # Sent twice, or meanwhile in another tab: the page shows how it stands.
        pass
    return redirect(f"{kind.path}/{view.id}", 303)


def _read(import_id: int, run: str, *, is_small: bool) -> None:
    importer = _importer()
    background.do(
        lambda session: running.read(session, import_id, run, importer, background.clock),
        import_id,
        run,
        is_small=is_small,
    )


def _write(view: View, run: str) -> None:
    importer, by = _importer(), actor()
    background.do(
        lambda session: running.write(session, view.id, run, by, importer, background.clock),
        view.id,
        run,
        is_small=view.rows_total <= FEW_ROWS,
    )


def _importer() -> Importer:
    return Importer(current_session.account_id, current_session.role or "", current_session.is_operator)


def _find(kind: Kind, import_id: int) -> View:
    """Return this person's own import. What it shows is bound to a role, so nobody else's exists."""
    view = running.find(
        db.session(),
        tenant_id=current_session.tenant_id,
        audience=kind.audience,
        account_id=current_session.account_id,
        import_id=import_id,
        now=now(),
    )
    if view is None or view.state == "cancelled":
        abort(404)
    return view


def _changes(kind: Kind, import_id: int) -> Response:
    """Return what an import wrote, for whoever reads the audit record that names it."""
    view = running.find_written(
        db.session(),
        tenant_id=current_session.tenant_id,
        audience=kind.audience,
        import_id=import_id,
        now=now(),
    )
    if view is None:
        abort(404)
    # To a SUPERUSER a SYSADMIN does not exist.
    hides = frozenset({"SYSADMIN"} if current_session.role == "SUPERUSER" else ())
    header = ["Row", columns.header_of(kind.audience)[0], "Change", "Column", "Old", "New"]
    rows = running.written_changes(db.session(), view, hides=hides)
    return csv_file(f"{kind.key}-import-{view.id}.csv", header, rows)


def _upload_page(kind: Kind, form: UploadForm) -> str:
    return render_template(
        "portal/configure/people/import/upload.html",
        kind=kind,
        form=form,
        columns=columns.header_of(kind.audience),
        recent=running.recent(
            db.session(),
            tenant_id=current_session.tenant_id,
            audience=kind.audience,
            account_id=current_session.account_id,
            now=now(),
        ),
    )


def _import_page(kind: Kind, view: View, form: ActForm) -> str:
    """Show how the import stands: at work, its preview, what was written, or why it failed."""
    shown = _shown_outcome(view)
    listing = None
    if view.state in ("read", "written") and shown:
        number = page_number()
        rows = running.part(db.session(), view, shown, number)
        path = f"{kind.path}/{view.id}"
        listing = Listing(path, Page(rows, view.numbers[shown], number), {"show": shown})
    return render_template(
        f"portal/configure/people/import/{_page_of(view)}.html",
        kind=kind,
        view=view,
        form=form,
        shown=shown,
        listing=listing,
        words=columns.words_of(kind.audience),
    )


def _shown_outcome(view: View) -> str:
    """Return the outcome that the address names, else the first that has rows: errors come first."""
    numbers: dict[str, Any] = view.numbers
    first = next((name for name in ("refused", "changed", "new", "same") if numbers.get(name)), "")
    return wanted_choice("show", OUTCOMES) or first


def _page_of(view: View) -> str:
    return {"reading": "progress", "writing": "progress", "failed": "failed", "stalled": "failed"}.get(
        view.state, "preview"
    )
