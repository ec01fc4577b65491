"""The portal's settings: read once from the environment into a frozen object.

Every name has the prefix ``LVPORTAL_``. The text under a field is its manual;
docs/settings.md is made from it.
"""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lvportal.errors import SettingsWrong

PREFIX = "LVPORTAL_"

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")

Audience = Literal["portal", "agent"]


class Settings(BaseSettings):
    """Every setting of the portal. Frozen: a change needs a restart."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    environment: Literal["production", "development", "test"] = "production"
    """What this installation is for. Production refuses to start with unsafe settings."""

    portal_origin: str = "http://portal.localhost:8000"
    """Scheme, host and port of the portal, where users sign in. No path, no slash at the end."""

    agent_origin: str = "http://agent.localhost:8000"
    """Scheme, host and port of the agent console. A name of its own: the two hosts share no cookie."""

    database_url: SecretStr = SecretStr("sqlite:///instance/lvportal.sqlite3")
    """The database as an SQLAlchemy URL. The default is the embedded SQLite; a relative path counts from
    the working directory. PostgreSQL: `postgresql+psycopg://user:password@host/name`."""

    encryption_keys: SecretStr = SecretStr("")
    """The key ring, the current key first: `id:key,id:key`. A key is 32 random bytes in base64url; make
    one with `lvportal keys new`. Secrets at rest, cookies and pending sign-ins hang on it. To rotate, put
    a new key in front, restart, run `lvportal keys rotate`, and drop the old key a day later."""

    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks of the proxies in front of the portal, comma-separated: `10.0.0.0/8,fd00::/8`. Only
    through them is `X-Forwarded-For` read, from the right to the first address that is not a proxy."""

    provider_ca_bundle: str | None = None
    """A file with certificates (PEM) of private authorities that may vouch for providers, in addition to
    the public ones. Certificates are always verified; there is no setting against that."""

    unsafe_provider_addresses: Annotated[frozenset[tuple[str, int]], NoDecode] = frozenset()
    """For trials and tests only: `host:port` of providers that may use plain http and private addresses,
    comma-separated. Said in the log and on the Security page."""

    provider_connect_timeout_seconds: float = 3.0
    """How long a provider may take to accept a connection."""

    provider_total_timeout_seconds: float = 8.0
    """How long one whole request to a provider may take, whatever it sends meanwhile."""

    provider_calls_in_flight: int = 16
    """How many requests to one issuer may run at once in one process. More wait shortly, then are told
    that the provider is busy: a hanging provider must not use up every thread."""

    portal_idle_minutes: int = 60
    """A session on the portal ends after so many minutes without a request."""

    portal_absolute_hours: int = 12
    """A session on the portal ends so many hours after the sign-in, used or not."""

    agent_idle_minutes: int = 480
    """A session on the agent console ends after so many minutes without a request."""

    agent_absolute_hours: int = 16
    """A session on the agent console ends so many hours after the sign-in: a shift with overtime."""

    local_sign_ins_per_minute: int = 10
    """Password sign-ins that one network address may try in a minute. Single sign-on is not counted."""

    password_hashes_at_once: int = 2
    """How many passwords one process checks at the same time: each takes 64 MiB for about 100 ms."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important log lines that are written. No level ever shows codes, tokens or secrets."""

    smtp_host: str = ""
    """The mail server that takes warnings and alerts. Empty: nothing is sent, and pages say so where they
    show warnings."""

    smtp_port: int = 587
    """The mail server's port: 587 for STARTTLS, 465 for TLS from the first byte."""

    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the way to the mail server is protected. Its certificate is always verified, and a server that
    does not offer STARTTLS is sent nothing. `none` needs UNSAFE_SEND_MAIL_AND_ITS_PASSWORD_IN_CLEAR."""

    smtp_user: str = ""
    """The name to sign in to the mail server with. Empty: without signing in."""

    smtp_password: SecretStr = SecretStr("")
    """The password that belongs to SMTP_USER."""

    smtp_ca_bundle: str | None = None
    """A file with certificates (PEM) of private authorities that may vouch for the mail server, in addition
    to the public ones."""

    mail_sender: str = ""
    """The address that messages come from, for instance `portal@example.com`. Needed with SMTP_HOST."""

    care_contact: str = "Customer Care"
    """How pages name whom to ask, for instance `Customer Care, +44 20 7946 0000`."""

    unsafe_allow_http_origins_in_production: bool = False
    """Lets production start with http origins. Cookies and sign-ins then cross the network in clear."""

    unsafe_allow_unsafe_provider_addresses_in_production: bool = False
    """Lets production start although UNSAFE_PROVIDER_ADDRESSES is set."""

    unsafe_send_mail_and_its_password_in_clear: bool = False
    """Lets SMTP_SECURITY be `none`: whoever is on the way reads the messages and the password."""

    @field_validator("portal_origin", "agent_origin")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or value != f"{parts.scheme}://{parts.netloc}"
        ):
            raise ValueError(
                "must be like https://portal.example.com: scheme, host and port, nothing after it"
            )
        if "@" in parts.netloc or value != value.lower():
            raise ValueError("must be in small letters and without a user name")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _read_networks(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("unsafe_provider_addresses", mode="before")
    @classmethod
    def _read_addresses(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = set()
        for part in filter(None, (part.strip() for part in value.split(","))):
            host, colon, port = part.rpartition(":")
            if not colon or not port.isdigit():
                raise ValueError("must be host:port, comma-separated")
            found.add((host.strip("[]").lower(), int(port)))
        return frozenset(found)

    @field_validator(
        "provider_connect_timeout_seconds",
        "provider_total_timeout_seconds",
        "provider_calls_in_flight",
        "portal_idle_minutes",
        "portal_absolute_hours",
        "agent_idle_minutes",
        "agent_absolute_hours",
        "local_sign_ins_per_minute",
        "password_hashes_at_once",
        "smtp_port",
    )
    @classmethod
    def _is_positive(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("must be more than 0")
        return value

    @property
    def sends_mail(self) -> bool:
        """Tell whether there is a mail server."""
        return bool(self.smtp_host)

    def origin(self, audience: str) -> str:
        """Return the origin of the host that serves ``audience``."""
        return self.portal_origin if audience == "portal" else self.agent_origin

    def host(self, audience: str) -> str:
        """Return host and port as a browser sends them, a default port left out."""
        parts = urlsplit(self.origin(audience))
        default = {"http": 80, "https": 443}[parts.scheme]
        return parts.hostname or "" if parts.port in (None, default) else f"{parts.hostname}:{parts.port}"

    def idle_seconds(self, audience: str) -> int:
        """Return after how many seconds without a request a session ends."""
        return 60 * (self.portal_idle_minutes if audience == "portal" else self.agent_idle_minutes)

    def absolute_seconds(self, audience: str) -> int:
        """Return after how many seconds a session ends in any case."""
        return 3600 * (self.portal_absolute_hours if audience == "portal" else self.agent_absolute_hours)


def load(environ: dict[str, str] | None = None, **values: Any) -> Settings:
    """Read the settings from the environment; ``values`` win over it.

    Raises SettingsWrong, which names every setting that is unknown, missing or
    wrong, and never shows a value.
    """
    names = environ if environ is not None else dict(os.environ)
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsWrong(f"unknown setting: {', '.join(unknown)}")
    if environ is not None:
        values = {n[len(PREFIX) :].lower(): v for n, v in names.items() if n in known} | values
    try:
        settings = Settings(**values)
    except ValidationError as refused:
        lines = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in refused.errors()]
        raise SettingsWrong("; ".join(lines)) from refused
    _refuse_what_is_unsafe(settings)
    return settings


def _refuse_what_is_unsafe(settings: Settings) -> None:
    wrong = []
    if settings.host("portal") == settings.host("agent"):
        wrong.append("LVPORTAL_PORTAL_ORIGIN and LVPORTAL_AGENT_ORIGIN must name two hosts")
    if not settings.encryption_keys.get_secret_value():
        wrong.append("LVPORTAL_ENCRYPTION_KEYS is missing: make a key with 'lvportal keys new'")
    wrong += _mail_wrong(settings)
    if settings.environment == "production":
        plain = [a for a in ("portal", "agent") if settings.origin(a).startswith("http:")]
        if plain and not settings.unsafe_allow_http_origins_in_production:
            wrong.append("production needs https in LVPORTAL_PORTAL_ORIGIN and LVPORTAL_AGENT_ORIGIN")
        if (
            settings.unsafe_provider_addresses
            and not settings.unsafe_allow_unsafe_provider_addresses_in_production
        ):
            wrong.append("production refuses LVPORTAL_UNSAFE_PROVIDER_ADDRESSES")
    if wrong:
        raise SettingsWrong("; ".join(wrong))


def _mail_wrong(settings: Settings) -> list[str]:
    if not settings.smtp_host:
        return []
    wrong = []
    if not _ADDRESS.fullmatch(settings.mail_sender):
        wrong.append("LVPORTAL_MAIL_SENDER must be an email address such as portal@example.com")
    if settings.smtp_port > 65535:
        wrong.append("LVPORTAL_SMTP_PORT must be at most 65535")
    if bool(settings.smtp_user) != bool(settings.smtp_password.get_secret_value()):
        wrong.append("LVPORTAL_SMTP_USER and LVPORTAL_SMTP_PASSWORD belong together")
    if settings.smtp_security == "none" and not settings.unsafe_send_mail_and_its_password_in_clear:
        wrong.append("LVPORTAL_SMTP_SECURITY none sends messages and the password in clear")
    if settings.smtp_ca_bundle and not os.path.isfile(settings.smtp_ca_bundle):
        wrong.append("LVPORTAL_SMTP_CA_BUNDLE names no file")
    return wrong
