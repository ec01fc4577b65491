"""A client's single sign-on in one pill and one sentence: Home and Security say the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy.orm import Session

from lvportal.models import Connection, Feature, Revision
from lvportal.protocols.oidc.documents import ProviderDocuments
from lvportal.providers import KNOWN
from lvportal.services import billing, connections, warnings
from lvportal.services.sessions import LiveSession
from lvportal.web.views import clock_time, day, short_moment, today

WARNED_BEFORE_DAYS = 60


@dataclass(frozen=True, slots=True)
class Pill:
    """A state as an icon and a word. ``tone``: ok, warn, danger, info or none."""

    word: str
    icon: str
    tone: str = ""


OFF = Pill("Off", "dash")
DRAFT = Pill("Draft", "pencil")
LIVE = Pill("Live", "done", "ok")
FAILING = Pill("Failing", "stop", "danger")
SECRET_EXPIRING = Pill("Secret expiring", "clock", "warn")
ON = Pill("On", "check", "ok")
TO_DO = Pill("To do", "dash")
DONE = Pill("Done", "check", "ok")
PROBLEM = Pill("Problem", "alert", "danger")


@dataclass(frozen=True, slots=True)
class SecretExpiry:
    """When the live secret ends. ``days`` counts from today and is negative afterwards."""

    on: date
    days: int

    @property
    def words(self) -> str:
        """``expires in 14 days``, ready for a sentence."""
        if self.days < 0:
            return "has expired"
        return {0: "expires today", 1: "expires tomorrow"}.get(self.days, f"expires in {self.days} days")


@dataclass(frozen=True, slots=True)
class Failing:
    """Since when nobody gets in through the provider, why, and what mends it."""

    since: datetime
    cause: str
    fix: str
    code: str | None = None  # None: seen by this process alone, by asking for the provider's documents


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """Everything a page says about how single sign-on stands. Built once per request."""

    pill: Pill
    sentence: str
    feature_on: bool
    feature: Feature | None
    connection: Connection | None
    live: Revision | None
    newest: Revision | None
    provider: str
    expiry: SecretExpiry | None
    next_expiry: SecretExpiry | None
    failing: Failing | None
    differing: tuple[str, ...]

    @property
    def failing_since(self) -> datetime | None:
        """Since when nobody gets in, or None."""
        return self.failing.since if self.failing else None

    @property
    def provider_choice(self) -> str:
        """The provider as lists name it."""
        shown = self.live or self.newest
        return KNOWN[shown.provider].choice if shown and shown.provider in KNOWN else "Another provider"

    @property
    def is_enabled(self) -> bool:
        """Tell whether the switch is on, whatever the feature says."""
        return bool(self.connection and self.connection.enabled)

    @property
    def signs_in(self) -> bool:
        """Tell whether the provider signs people in at this moment."""
        return self.is_enabled and self.feature_on

    @property
    def draft(self) -> Revision | None:
        """The newest revision when it is not the live one."""
        return self.newest if self.newest is not self.live else None


def read(
    session: Session, person: LiveSession, documents: ProviderDocuments, now: datetime
) -> ConnectionState:
    """Return how the person's client stands."""
    feature = billing.feature(session, person.tenant_id)
    feature_on = bool(feature and feature.enabled)
    connection = connections.of_tenant(session, person.tenant_id)
    live = connection.live_revision if connection else None
    newest = connections.newest_revision(session, connection) if connection else None
    shown = live or newest
    provider = connections.label_of(shown.provider) if shown else "your provider"
    works = bool(connection and connection.enabled and feature_on)
    zone = person.client_time_zone
    failing = expiry = next_expiry = None
    if works and connection and live:
        failing = _failing(person, connection, live, provider, documents)
        expiry = _expiry(live.secret_expires_on, zone, now)
        has_next = connection.next_sealed_secret is not None
        next_expiry = _expiry(connection.next_secret_expires_on if has_next else None, zone, now)
    pill, sentence = _say(person, connection, feature_on, shown, provider, failing, expiry, now)
    differing = tuple(connections.differences(live, newest)) if live and newest and live is not newest else ()
    return ConnectionState(
        pill=pill,
        sentence=sentence,
        feature_on=feature_on,
        feature=feature,
        connection=connection,
        live=live,
        newest=newest,
        provider=provider,
        expiry=expiry,
        next_expiry=next_expiry,
        failing=failing,
        differing=differing,
    )


def _say(
    person: LiveSession,
    connection: Connection | None,
    feature_on: bool,
    shown: Revision | None,
    provider: str,
    failing: Failing | None,
    expiry: SecretExpiry | None,
    now: datetime,
) -> tuple[Pill, str]:
    if connection is None or shown is None:
        waits = "" if feature_on else " Only the last step waits for Customer Care to turn the feature on."
        return OFF, f"Not set up yet: everybody signs in with a password.{waits}"
    if not connection.enabled and connection.live_revision_id is None:
        return DRAFT, f"Nobody signs in through {provider} yet, and nothing changes until you enable it."
    if not connection.enabled:
        return OFF, "Switched off: people sign in with a password. Every setting is kept."
    if not feature_on:
        return OFF, "Customer Care has turned the feature off. Every setting is kept."
    zone = person.client_time_zone
    if failing is not None:
        is_today = today(zone, failing.since) == today(zone, now)
        since = (clock_time if is_today else short_moment)(failing.since, zone)
        return FAILING, f"Authentication failing since {since}. {failing.cause}"
    since = f" since {day(connection.live_since, zone)}" if connection.live_since else ""
    sentence = f"Users and agents of {person.client_name} sign in through {provider}{since}."
    return (SECRET_EXPIRING if expiry else LIVE), sentence


def _failing(
    person: LiveSession,
    connection: Connection,
    live: Revision,
    provider: str,
    documents: ProviderDocuments,
) -> Failing | None:
    if connection.failing_since is not None and connection.failing_code is not None:
        words = warnings.words_of(connection.failing_code, client=person.client_name, provider=provider)
        return Failing(connection.failing_since, words.cause, words.fix, connection.failing_code)
    since = documents.status(live.issuer).failing_since
    if since is None:
        return None
    words = warnings.words_of("sign_in.unreachable", client=person.client_name, provider=provider)
    return Failing(datetime.fromtimestamp(since, tz=UTC), words.cause, words.fix)


def _expiry(on: date | None, zone: str, now: datetime) -> SecretExpiry | None:
    if on is None:
        return None
    days = (on - today(zone, now)).days
    return SecretExpiry(on, days) if days <= WARNED_BEFORE_DAYS else None
