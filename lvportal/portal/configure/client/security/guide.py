"""Step 2 of the set-up: the chosen provider's guide, with this client's own addresses in it."""

from __future__ import annotations

from dataclasses import dataclass

from lvportal.models import Revision
from lvportal.providers import KNOWN
from lvportal.settings import Settings


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider and a type of application, as the address or the newest revision names them."""

    provider: str
    application_type: str


@dataclass(frozen=True, slots=True)
class Tab:
    """One guide among those that can be chosen."""

    words: str
    query: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One act at the provider; each line of a row to paste has its copy button."""

    key: str
    where: str
    action: str
    lines: tuple[str, ...]

    @property
    def is_pasted(self) -> bool:
        """Tell whether the lines are values of ours."""
        return self.action == "Paste"


def choose(provider: str | None, application_type: str | None, newest: Revision | None) -> Choice:
    """Return what was asked for, else what the newest revision has, else the first guide."""
    if provider not in KNOWN:
        provider = newest.provider if newest and newest.provider in KNOWN else next(iter(KNOWN))
        application_type = application_type or (newest.application_type if newest else None)
    types = KNOWN[provider].application_types
    return Choice(provider, application_type if application_type in ("web", "native") else types[0])


def addresses(settings: Settings, client_code: str) -> dict[str, str]:
    """Return this client's addresses by the names the guides use."""
    found = {}
    for name, audience in (("user", "portal"), ("agent", "agent")):
        found[f"{name}_url"] = f"{settings.origin(audience)}/sso/{client_code}"
        found[f"signed_out_{name}_url"] = f"{settings.origin(audience)}/signed-out"
    return found


def tabs(here: Choice) -> list[Tab]:
    """Return every guide there is, the chosen one marked."""
    found = []
    for known in KNOWN.values():
        for guide in known.guides:
            words = guide.title if len(known.guides) > 1 else known.choice
            is_here = known.key == here.provider and guide is known.guide_for(here.application_type)
            found.append(Tab(words, f"provider={known.key}&type={guide.application_type}", is_here))
    return found


def rows(here: Choice, client_addresses: dict[str, str]) -> list[Row]:
    """Return the chosen guide's rows, filled in."""
    guide = KNOWN[here.provider].guide_for(here.application_type)
    return [
        Row(f"guide-{place}", row.where, row.action, row.lines(client_addresses))
        for place, row in enumerate(guide.rows, start=1)
    ]


def traps(here: Choice) -> tuple[str, ...]:
    """Return what goes wrong most often with this provider."""
    known = KNOWN[here.provider]
    return (*known.guide_for(here.application_type).traps, *known.traps)
