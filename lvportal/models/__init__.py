"""Tables and constraints. Importing this package loads every table into ``Base.metadata``."""

from lvportal.models.accounts import Account, IdentityLink
from lvportal.models.base import Base
from lvportal.models.connections import Connection, Revision
from lvportal.models.records import AuditEvent, SignInRecord
from lvportal.models.sessions import PersonSession
from lvportal.models.setup import SetupLink, TestSignIn
from lvportal.models.tenants import DomainClaim, EmailDomain, Feature, Tenant
from lvportal.models.work import MailMessage, PeopleImport, PeopleImportPart

__all__ = [
    "Account",
    "AuditEvent",
    "Base",
    "Connection",
    "DomainClaim",
    "EmailDomain",
    "Feature",
    "IdentityLink",
    "MailMessage",
    "PeopleImport",
    "PeopleImportPart",
    "PersonSession",
    "Revision",
    "SetupLink",
    "SignInRecord",
    "Tenant",
    "TestSignIn",
]
