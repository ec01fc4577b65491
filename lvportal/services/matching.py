"""What a connection adds to the matching of people: the case rule, roles by group, new accounts.

docs/decisions/0016-roles-and-accounts-by-the-provider.md says why these rules and no others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from lvportal.models import Revision

MAPPABLE_ROLES = ("SUPERUSER", "MANAGER", "IT_USER", "CLIENT_AUDITOR")
"""What a group may give, the first one that applies. SYSADMIN and CARE are given by people alone."""

LEAST_ROLE = "CLIENT_AUDITOR"
"""What a new user has whom no group gives a role: reads, and changes nothing."""

MOST_MAPPINGS = 100
LONGEST_GROUP = 256  # characters; a longer one is left out when it arrives (protocols/oidc/identity.py)

_LOGON_ID = re.compile(r"[^a-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class MatchingRules:
    """One revision's rules. ``creates`` names the audiences in which an account may be made."""

    matches_case: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)  # {group: role}
    creates: frozenset[str] = frozenset()

    def may_change(self, audience: str) -> bool:
        """Tell whether a sign-in on this host can change more than when it was last seen."""
        return audience in self.creates or (bool(self.roles) and audience == "portal")


def rules_of(session: Session, revision_id: int) -> MatchingRules:
    """Return a revision's rules."""
    revision = session.get_one(Revision, revision_id)
    creates = {"portal": revision.creates_users, "agent": revision.creates_agents}
    return MatchingRules(
        matches_case=revision.matches_case,
        roles=revision.role_mapping if revision.groups_claim else {},
        creates=frozenset(audience for audience, switch in creates.items() if switch),
    )


def mapped_role(groups: Collection[str] | None, roles: Mapping[str, str]) -> str | None:
    """Return the first of MAPPABLE_ROLES that a group gives, compared exactly; None when none does.

    ``groups`` None: the claim did not arrive. A role that no group may give is
    never returned, whatever a stored mapping says.
    """
    given = {roles[group] for group in groups or () if group in roles}
    return next((role for role in MAPPABLE_ROLES if role in given), None)


def login_names(email: str, longest: int) -> list[str]:
    """Return names for a new account in the order to try them: the same for two who try at once."""
    local = _LOGON_ID.sub("_", email.rpartition("@")[0].lower()).strip("_.") or "person"
    return [local[:longest], *(f"{local[: longest - len(str(n))]}{n}" for n in range(2, 100))]
