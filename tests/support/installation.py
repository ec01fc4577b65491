"""An installation in this process: an app over a database of its own, and its command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from lvportal import settings
from lvportal.cli import main
from lvportal.cli.program import Program
from lvportal.extensions import db
from lvportal.factory import create_app
from lvportal.key_ring import KeyRing, new_key


class Installation:
    """Runs commands as ``lvportal`` would, without starting a process."""

    def __init__(
        self, folder: Path, database_url: str | None = None, keys: str | None = None, **more: Any
    ) -> None:
        """``more`` are settings by their names in ``Settings``."""
        self.more = more
        self.folder = folder
        self.database_url = database_url or f"sqlite:///{folder}/lvportal.sqlite3"
        self.keys = keys or new_key("k1")
        self._start()

    def _start(self) -> None:
        self.app = create_app(
            settings.load(
                {},
                environment="test",
                database_url=self.database_url,
                encryption_keys=self.keys,
                **self.more,
            )
        )

    def restart(self, keys: str) -> None:
        """Go on with other keys, as after a change of the setting."""
        self.close()
        self.keys = keys
        self._start()

    @property
    def key_ring(self) -> KeyRing:
        return KeyRing(self.keys)

    def run(
        self, *arguments: str, environ: Mapping[str, str] | None = None, typed: str | None = None
    ) -> Result:
        """Run one command; the result has ``exit_code``, ``stdout`` and ``stderr``."""
        with mock.patch.dict(os.environ, environ or {}):
            result = CliRunner().invoke(main, arguments, obj=Program(self.app), input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def write(self, document: object, name: str = "clients.json") -> Path:
        """Write a file for ``apply``: an object as JSON, a text as it is."""
        file = self.folder / name
        file.write_text(document if isinstance(document, str) else json.dumps(document, indent=1), "utf-8")
        return file

    def apply(self, *clients: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Result:
        """Apply these clients."""
        return self.run("apply", str(self.write({"clients": list(clients)})), environ=environ)

    @contextmanager
    def session(self) -> Iterator[Session]:
        with self.app.app_context():
            yield db.session()
            db.session.remove()

    def close(self) -> None:
        with self.app.app_context():
            db.engine.dispose()


@contextmanager
def installed(folder: Path, database_url: str | None = None) -> Iterator[Installation]:
    """Open an installation with every table."""
    installation = Installation(folder, database_url)
    result = installation.run("database", "upgrade")
    assert result.exit_code == 0, result.output
    yield installation
    installation.close()
