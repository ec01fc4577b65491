"""The provider's published keys (RFC 7517), as far as they can verify a signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from lvportal.protocols.oidc.errors import KeySetMalformed
from lvportal.protocols.oidc.values import read_json_object

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192  # verification grows with the square: larger ones are a burden, not a protection
MAX_KEYS = 100
MAX_TRIED_KEYS = 10  # without a kid; nobody signs with more keys of one kind at a time

_EC_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_ED25519_ALGORITHMS = frozenset({"EdDSA", "Ed25519"})
_NAME = re.compile(r"[A-Za-z0-9 ._+-]{1,40}")

PublicKey = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One usable public key, imported once and kept."""

    kid: str | None
    algorithms: frozenset[str]  # those it may verify: by its kind, narrowed by its ``alg``
    key: PublicKey = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of a document, and in words why others were left out."""

    keys: tuple[VerificationKey, ...]
    left_out: tuple[str, ...] = ()

    def candidates(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        """Return the keys that may have made a signature; empty when none fits.

        With a ``kid`` only keys of that name, without one every key of the right
        kind, at most ``MAX_TRIED_KEYS``. OpenID Connect Core 1.0, section 10.1.
        """
        found = (key for key in self.keys if algorithm in key.algorithms and (kid is None or key.kid == kid))
        return tuple(found)[:MAX_TRIED_KEYS]

    @property
    def algorithms(self) -> frozenset[str]:
        """Every algorithm that some key of the set can verify."""
        return frozenset().union(*(key.algorithms for key in self.keys))


class _LeftOut(Exception):
    """Why one key is not usable; never leaves this module."""


def judge_key_set(document: bytes) -> KeySet:
    """Read a JSON Web Key Set, key by key: a malformed one costs only itself.

    Raises KeySetMalformed when the document is no key set at all; a set without
    usable keys is not an error here. RFC 7517, section 5.
    """
    what = "the key document"
    entries = read_json_object(document, what=what, refused=KeySetMalformed).get("keys")
    if not isinstance(entries, list):
        raise KeySetMalformed(f"{what}: keys is not an array")
    if len(entries) > MAX_KEYS:
        raise KeySetMalformed(f"{what}: over {MAX_KEYS} keys")
    keys, left_out = [], []
    for position, entry in enumerate(entries, start=1):
        try:
            keys.append(_judge_key(entry))
        except _LeftOut as reason:
            left_out.append(f"key {position}: {reason}")
    return KeySet(tuple(keys), tuple(left_out))


def _judge_key(entry: object) -> VerificationKey:
    if not isinstance(entry, dict):
        raise _LeftOut("not an object")
    kid = entry.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise _LeftOut("kid is not a string")
    if entry.get("use", "sig") != "sig":
        raise _LeftOut("not for signatures (use)")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _LeftOut("not for verifying (key_ops)")
    if "d" in entry or "k" in entry:
        # Whoever reads the document could sign with it.
        raise _LeftOut("a private or symmetric key, published")
    key, algorithms = _import_public_key(entry)
    designed_for = entry.get("alg")
    if designed_for is not None:
        if not isinstance(designed_for, str) or designed_for not in algorithms:
            raise _LeftOut("alg does not fit the key")
        # One key, two names: a set that says EdDSA serves a token that says Ed25519.
        algorithms = _ED25519_ALGORITHMS if designed_for in _ED25519_ALGORITHMS else frozenset({designed_for})
    return VerificationKey(kid, algorithms, key)


def _import_public_key(entry: Mapping[str, Any]) -> tuple[PublicKey, frozenset[str]]:
    kind = entry.get("kty")
    try:
        # Only the members that make the key are handed on: certificates and
        # the like in odd forms must not cost us the key.
        match kind:
            case "RSA":
                _check_rsa_size(entry)
                return RSAKey.import_key(_members(entry, "n", "e")), _RSA_ALGORITHMS
            case "EC" if entry.get("crv") in _EC_ALGORITHMS:
                algorithm = _EC_ALGORITHMS[entry["crv"]]
                return ECKey.import_key(_members(entry, "crv", "x", "y")), frozenset({algorithm})
            case "OKP" if entry.get("crv") == "Ed25519":
                return OKPKey.import_key(_members(entry, "crv", "x")), _ED25519_ALGORITHMS
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, OverflowError) as error:
        raise _LeftOut("malformed") from error
    shown = kind if isinstance(kind, str) and _NAME.fullmatch(kind) else "unknown"
    raise _LeftOut(f"kind {shown} or its curve is not supported")


def _members(entry: Mapping[str, Any], *names: str) -> dict[str, Any]:
    members = {name: entry.get(name) for name in ("kty", *names)}
    if not all(isinstance(value, str) and value for value in members.values()):
        raise ValueError("a member is missing or not a string")
    return members


def _check_rsa_size(entry: Mapping[str, Any]) -> None:
    members = _members(entry, "n", "e")
    bits = int.from_bytes(urlsafe_b64decode(members["n"].encode("ascii"))).bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise _LeftOut(f"RSA of {bits} bits")
    # A huge exponent makes one verification cost seconds.
    if int.from_bytes(urlsafe_b64decode(members["e"].encode("ascii"))).bit_length() > 33:
        raise _LeftOut("RSA with an oversized exponent")
