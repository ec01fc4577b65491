"""The shared Authlib OAuth registry: one client object per (connection, revision).

A revision never changes, so a client object never goes stale; when another
revision goes live, it has another name. Old ones drop out of a bounded store.
"""

from __future__ import annotations

import threading
from typing import Any

from authlib.integrations.flask_client import OAuth
from cachetools import LRUCache
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from lvportal.key_ring import KeyRing
from lvportal.protocols.http import Fetcher
from lvportal.protocols.oidc.configuration import RelyingPartyConfiguration
from lvportal.protocols.oidc.documents import ProviderDocuments
from lvportal.protocols.oidc.relying_party import OidcSignIn
from lvportal.services import connections, matching
from lvportal.services.connections import LiveConnection
from lvportal.services.matching import MatchingRules
from lvportal.services.next_secret import WaitingSecret

# A client object is a few kilobytes: this many stay below 20 MB.
KEPT = 5000


class ConnectionClient:
    """What the registry keeps for one revision: our own class in the place of Authlib's.

    Authlib's client would fetch metadata by itself, judge the token loosely and
    open a connection per call; docs/decisions/0002-own-client-class.md has the list.
    """

    OAUTH_APP_CONFIG: dict[str, Any] | None = None

    def __init__(
        self, framework: Any, name: str, *, sign_in: OidcSignIn, matching: MatchingRules, **_: Any
    ) -> None:
        self.name = name
        self.matching = matching
        self._sign_in = sign_in
        self.depart = sign_in.depart
        self.arrive = sign_in.arrive
        self.arrive_watched = sign_in.arrive_watched

    @property
    def configuration(self) -> RelyingPartyConfiguration:
        """The revision's values, its secret opened."""
        return self._sign_in.configuration

    @property
    def issuer(self) -> str:
        """The provider's exact issuer."""
        return self._sign_in.configuration.issuer

    @property
    def provider_label(self) -> str:
        """The provider's name as people read it."""
        return self._sign_in.configuration.provider_label


class ConnectionRegistry(OAuth):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's registry, bounded, and filled from the database."""

    def __init__(self, key_ring: KeyRing, fetcher: Fetcher, documents: ProviderDocuments) -> None:
        super().__init__()
        self._key_ring = key_ring
        self._fetcher = fetcher
        self._documents = documents
        self._lock = threading.Lock()
        self._registry: dict[str, Any] = {}
        self._clients: LRUCache[str, ConnectionClient] = LRUCache(KEPT)

    def protocol_for(self, engine: Engine, connection: LiveConnection) -> ConnectionClient:
        """Return the client object of the connection's live revision, made at its first use."""
        name = f"connection_{connection.connection_id}_revision_{connection.revision_id}"
        with self._lock:
            found = self._clients.get(name)
        if found is not None:
            return found
        with Session(engine) as session:
            configuration = connections.load_configuration(session, self._key_ring, connection.revision_id)
            rules = matching.rules_of(session, connection.revision_id)
        waiting = WaitingSecret(engine, self._key_ring, connection.connection_id, connection.revision_id)
        sign_in = OidcSignIn(configuration, self._documents, self._fetcher, waiting)
        with self._lock:
            # Authlib keeps every registration for ever, and hands out the old
            # client when a name comes again: so only what is kept is registered.
            self._registry.clear()
            client: ConnectionClient = self.register(
                name, client_cls=ConnectionClient, sign_in=sign_in, matching=rules
            )
            self._registry.clear()
        return client
