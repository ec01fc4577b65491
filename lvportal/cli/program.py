"""What all commands share: the app they run in, and how a refusal is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import click
from flask import Flask
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from werkzeug.utils import import_string

from lvportal.errors import PortalError
from lvportal.extensions import db
from lvportal.key_ring import KeyRing
from lvportal.protocols.http import Fetcher
from lvportal.services.passwords import PasswordChecker
from lvportal.settings import Settings

REFUSED = 2

# By name, as Flask itself finds an app: the factory stands above this package.
APP_FACTORY = "lvportal.factory:create_app"


class DatabaseUnready(PortalError):
    code = "database.unready"
    status = 503
    user_message = "The database cannot be used as it is."
    next_step = "Run 'lvportal database upgrade', and check LVPORTAL_DATABASE_URL."


class Portal(Protocol):
    """What a command needs of ``app.extensions["lvportal"]``."""

    @property
    def settings(self) -> Settings: ...
    @property
    def key_ring(self) -> KeyRing: ...
    @property
    def fetcher(self) -> Fetcher: ...
    @property
    def passwords(self) -> PasswordChecker: ...


class Program:
    """The app of one run, built when a command first needs it."""

    def __init__(self, app: Flask | None = None) -> None:
        self._given = app

    @cached_property
    def app(self) -> Flask:
        """The Flask app. Raises SettingsWrong."""
        return self._given or cast(Flask, import_string(APP_FACTORY)())

    @property
    def portal(self) -> Portal:
        """The process's settings, keys and connections to the outside."""
        return cast(Portal, self.app.extensions["lvportal"])

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a database session inside the app's context. Raises DatabaseUnready."""
        with self.app.app_context():
            try:
                yield db.session()
            except (OperationalError, ProgrammingError) as wrong:
                # The driver's own words name tables and files; the statement's values stay out.
                raise DatabaseUnready(str(wrong.orig).strip().splitlines()[0][:200]) from wrong
            finally:
                db.session.remove()


def retention_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command be told how long old rows stay."""
    for name, default, words in (
        ("--sign-ins-after-days", 180, "Remove records of sign-ins older than this."),
        ("--sessions-after-days", 30, "Remove sessions that ended or expired so long ago."),
    ):
        option = click.option(name, default=default, show_default=True, type=click.IntRange(1), help=words)
        command = option(command)
    return command


output_option = click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)


def put_out(text: str, output: Path | None) -> None:
    """Print a document made from the code, or write it to the file that ``output_option`` names."""
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


pass_program = click.make_pass_decorator(Program, ensure=True)


class RefusingGroup(click.Group):
    """A group that says a refusal in words instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PortalError as refused:
            for line in lines_of(refused):
                click.echo(line, err=True)
            ctx.exit(REFUSED)


def lines_of(refused: PortalError) -> list[str]:
    """Return a refusal as people read it: what, why in detail, what to do, which code."""
    message = refused.words(refused.user_message)
    lines = [message]
    if refused.detail and refused.detail != message:
        lines += [f"  {line}" for line in refused.detail.split("; ")]
    lines.append(f"  Next: {refused.words(refused.next_step)}")
    lines.append(f"  Code: {refused.code}")
    return lines
