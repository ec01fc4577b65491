"""Tables and constraints. Importing this package loads every table into ``Base.metadata``."""

from lvportal.models.accounts import Account, IdentityLink
from lvportal.models.base import Base
from lvportal.models.connections import Connection, Revision
from lvportal.models.records import AuditEvent, SignInRecord
from lvportal.models.sessions import PersonSession
from lvportal.models.tenants import EmailDomain, Feature, Tenant

__all__ = [
    "Account",
    "AuditEvent",
    "Base",
    "Connection",
    "EmailDomain",
    "Feature",
    "IdentityLink",
    "PersonSession",
    "Revision",
    "SignInRecord",
    "Tenant",
]
