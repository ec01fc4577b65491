"""Structured logs: one event name, then fields, one JSON object a line.

Libraries of ours that would write a code, a token or a verifier are held at
WARNING whatever the setting says (protocol.md, line 27): Werkzeug writes whole
addresses at INFO, and SQLAlchemy every statement with its values.
"""

from __future__ import annotations

import logging
import sys

import structlog

from lvportal.settings import Settings

_TALKATIVE = (
    "authlib",
    "joserfc",
    "urllib3",
    "requests",
    "werkzeug",
    "flask_limiter",
    "limits",
    "sqlalchemy",
)
_SECRET_NAMES = (
    "password",
    "secret",
    "token",
    "code_verifier",
    "verifier",
    "nonce",
    "cookie",
    "authorization",
)


def init(settings: Settings) -> None:
    """Set up the process's logging."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.stdlib.ExtraAdder(),
                _redact,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    own = logging.getLogger("lvportal")
    own.handlers[:] = [handler]
    own.setLevel(settings.log_level)
    own.propagate = settings.environment == "test"
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))


def _redact(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop a field whose name says that it is secret: a net below the rule that nobody logs one."""
    for name in list(event):
        if any(word in name.lower() for word in _SECRET_NAMES):
            event[name] = "redacted"
    return event
