"""A real SMTP server on the loopback, with and without TLS, that can be told to refuse."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.ports import free_port

HOST = "127.0.0.1"
USER = "portal"
PASSWORD = "the mail password"


@dataclass
class Mailbox:
    """What arrived, and what the server answers instead of taking it."""

    port: int = 0
    refuse_recipient: str = ""
    refuse_data: str = ""
    refuse_sender: str = ""
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_sender:
            return self.refuse_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        content = cast(bytes, envelope.content)
        self.messages.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        transport = server.transport
        self.over_tls.append(bool(transport and transport.get_extra_info("ssl_object")))
        return "250 taken"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        if good:
            self.users.append(data.login.decode())
        return AuthResult(success=good, handled=False)


class Authority:
    """A certificate authority that vouches for the loopback."""

    def __init__(self, folder: Path, name: str = HOST) -> None:
        authority = trustme.CA()
        self.bundle = str(folder / f"authority-{name}.pem")
        authority.cert_pem.write_to_path(self.bundle)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.context)


class _FromTheFirstByte(Controller):
    def __init__(self, mailbox: Mailbox, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(mailbox, ssl_context=context, **options)


@contextmanager
def mail_server(
    security: str = "none", authority: Authority | None = None, *, wants_password: bool = False
) -> Iterator[Mailbox]:
    """Run a server whose way is protected as ``security`` says: none, starttls or tls."""
    mailbox = Mailbox(port=free_port())
    options: dict[str, Any] = {"hostname": HOST, "port": mailbox.port, "ident": "tests"}
    if wants_password:
        options |= {
            "authenticator": mailbox.authenticate,
            "auth_required": security != "tls",
            "auth_require_tls": security == "starttls",
        }
    controller: Controller
    if security == "tls" and authority is not None:
        controller = _FromTheFirstByte(mailbox, authority.context, **options)
    elif security == "starttls" and authority is not None:
        controller = Controller(mailbox, tls_context=authority.context, require_starttls=True, **options)
    else:
        controller = Controller(mailbox, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
