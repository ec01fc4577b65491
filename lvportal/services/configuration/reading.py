"""From a file's bytes to what it asks for: schema, repetitions, secrets. No database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path as FilePath
from typing import Any
from zoneinfo import available_timezones

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from lvportal.services.configuration.json_lines import Lines, read_json
from lvportal.services.configuration.problems import Fault, FileRefused, Path, Problem, describe
from lvportal.services.configuration.quick_check import compile_check, end_at_the_end
from lvportal.services.configuration.wanted import (
    PasswordHash,
    PlainPassword,
    Wanted,
    WantedClient,
    WantedConnection,
    WantedFeature,
    WantedPerson,
)
from lvportal.services.folding import fold
from lvportal.services.local_sign_in import LONGEST_PASSWORD

LARGEST_SECRET_FILE = 64 * 1024
CLIENT_COLUMNS = ("name", "kind", "time_zone", "max_failed_portal", "max_failed_agent")


def read(data: bytes, *, schema: Mapping[str, Any], folder: FilePath, environ: Mapping[str, str]) -> Wanted:
    """Return what the file asks for.

    ``folder`` is where relative paths of secrets start. Raises FileRefused with
    every problem that shows without a database; no secret stands in any.
    """
    document, text = read_json(data)
    faults = _judge_by_schema(document, schema)
    if faults:
        refuse(faults, text)
    reader = _Reader(folder, environ)
    clients = tuple(reader.client(entry, ("clients", at)) for at, entry in enumerate(document["clients"]))
    faults = [*reader.faults, *_repetitions(clients)]
    if faults:
        refuse(faults, text)
    return Wanted(clients, text)


def refuse(faults: list[Fault], text: str) -> None:
    """Raise FileRefused with the faults' lines."""
    lines = Lines(text)
    raise FileRefused([Problem(lines.of(f.path), describe(f.path), f.reason) for f in faults])


# --- Schema -----------------------------------------------------------------


def _judge_by_schema(document: Any, schema: Mapping[str, Any]) -> list[Fault]:
    inlined = inline(schema, schema.get("$defs", {}))
    if compile_check(inlined)(document):
        return []
    return list(dict.fromkeys(_fault(error) for error in _VALIDATOR(inlined).iter_errors(document)))


def inline(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return the schema with every reference replaced."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            return inline(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
        return {name: inline(value, definitions) for name, value in schema.items() if name != "$defs"}
    return [inline(part, definitions) for part in schema] if isinstance(schema, list) else schema


_compiled = cache(end_at_the_end)


def _check_pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _compiled(pattern).search(value):
        yield ValidationError("pattern")


_VALIDATOR: Any = extend(Draft202012Validator, {"pattern": _check_pattern})  # type: ignore[no-untyped-call]


def _fault(error: ValidationError) -> Fault:
    """Put an error into words. Never with the value: it may be a secret in the wrong place."""
    path: Path = tuple(error.absolute_path)
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "required":
        missing = [name for name in schema["required"] if name not in instance]
        return Fault(path, f"needs {', '.join(missing)}")
    if error.validator == "additionalProperties" and not _is_secret(path):
        known = schema["properties"]
        unknown = next(name for name in instance if name not in known)
        return Fault((*path, unknown), f"is not a name we know; known are {', '.join(sorted(known))}")
    return Fault(path, f"must be {schema.get('description', 'something else')}")


def _is_secret(path: Path) -> bool:
    return bool(path) and path[-1] in ("password", "secret")


# --- Values -----------------------------------------------------------------


class _Reader:
    """Turns entries that fit the schema into values; collects what the schema cannot see."""

    def __init__(self, folder: FilePath, environ: Mapping[str, str]) -> None:
        self.faults: list[Fault] = []
        self._folder = folder
        self._environ = environ
        self._known: dict[tuple[str, str], str | Fault] = {}

    def client(self, entry: Mapping[str, Any], path: Path) -> WantedClient:
        zone = entry.get("time_zone")
        if zone is not None and zone not in available_timezones():
            self.faults.append(Fault((*path, "time_zone"), 'is no time zone; one is "Europe/London"'))
        people = [
            self._person(p, "portal", (*path, "users", n)) for n, p in enumerate(entry.get("users", ()))
        ]
        people += [
            self._person(p, "agent", (*path, "agents", n)) for n, p in enumerate(entry.get("agents", ()))
        ]
        return WantedClient(
            code=entry["code"],
            values={name: entry[name] for name in CLIENT_COLUMNS if name in entry},
            features=tuple(
                self._feature(name, value, (*path, "features", name))
                for name, value in entry.get("features", {}).items()
            ),
            email_domains=tuple(
                (domain, (*path, "email_domains", n))
                for n, domain in enumerate(entry.get("email_domains", ()))
            ),
            people=tuple(people),
            connection=self._connection(entry["connection"], (*path, "connection"))
            if "connection" in entry
            else None,
            path=path,
        )

    def _feature(self, name: str, value: bool | Mapping[str, Any], path: Path) -> WantedFeature:
        if isinstance(value, bool):
            return WantedFeature(name, value, "", path)
        return WantedFeature(name, value["enabled"], value.get("ticket", ""), path)

    def _person(self, entry: Mapping[str, Any], audience: str, path: Path) -> WantedPerson:
        values = dict(entry)
        login_name = values.pop("user_name" if audience == "portal" else "logon_id")
        password = (
            self._password(values.pop("password"), (*path, "password")) if "password" in values else None
        )
        if "email" in values:
            values["folded_email"] = fold(values["email"]) if values["email"] else None
        return WantedPerson(audience, login_name, fold(login_name), values, password, path)

    def _password(self, entry: Mapping[str, str] | None, path: Path) -> PlainPassword | PasswordHash | None:
        if entry is None:
            return PasswordHash(None)
        if "argon2" in entry:
            return PasswordHash(entry["argon2"])
        text = self._secret(entry, path)
        if text is not None and len(text) > LONGEST_PASSWORD:
            self.faults.append(Fault(path, f"is longer than {LONGEST_PASSWORD} characters"))
        return None if text is None else PlainPassword(text)

    def _connection(self, entry: Mapping[str, Any], path: Path) -> WantedConnection:
        values = dict(entry)
        enabled = values.pop("enabled", None)
        goes_live = values.pop("goes_live_without_a_test_sign_in", False)
        secret = self._secret(values.pop("secret"), (*path, "secret")) if "secret" in values else None
        if values.get("secret_expires_on"):
            try:
                values["secret_expires_on"] = date.fromisoformat(values["secret_expires_on"])
            except ValueError:
                self.faults.append(Fault((*path, "secret_expires_on"), "is no day of the calendar"))
        if "role_mapping" in values:
            values["role_mapping"] = self._roles(values["role_mapping"], (*path, "role_mapping"))
        return WantedConnection(values, secret, enabled, goes_live, path)

    def _roles(self, entries: Sequence[Mapping[str, str]], path: Path) -> dict[str, str]:
        roles: dict[str, str] = {}
        for number, entry in enumerate(entries):
            if entry["group"] in roles:
                self.faults.append(Fault((*path, number, "group"), "comes twice in this connection"))
            roles[entry["group"]] = entry["role"]
        return roles

    def _secret(self, entry: Mapping[str, str], path: Path) -> str | None:
        """Return the secret that ``entry`` points to; each place is read once."""
        ((kind, name),) = entry.items()
        if (kind, name) not in self._known:
            self._known[kind, name] = (
                self._from_file(name) if kind == "file" else self._from_environment(name)
            )
        found = self._known[kind, name]
        if isinstance(found, Fault):
            self.faults.append(Fault(path, found.reason))
            return None
        return found

    def _from_environment(self, name: str) -> str | Fault:
        text = self._environ.get(name, "")
        return text if text else Fault((), f"the environment variable {name} is not set or is empty")

    def _from_file(self, name: str) -> str | Fault:
        file = self._folder / name
        try:
            with file.open("rb") as stream:
                data = stream.read(LARGEST_SECRET_FILE + 1)
            text = data.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as wrong:
            why = wrong.strerror if isinstance(wrong, OSError) else "not UTF-8"
            return Fault((), f"the file {name} cannot be read: {why}")
        if not text or len(data) > LARGEST_SECRET_FILE or any(ord(c) < 0x20 or ord(c) == 0x7F for c in text):
            return Fault((), f"the file {name} must hold one line, the secret, and nothing else")
        return text


def _repetitions(clients: tuple[WantedClient, ...]) -> Iterator[Fault]:
    codes: set[str] = set()
    domains: set[str] = set()
    for client in clients:
        if client.code in codes:
            yield Fault((*client.path, "code"), "comes twice in this file")
        codes.add(client.code)
        for domain, path in client.email_domains:
            if domain in domains:
                yield Fault(path, "comes twice in this file: a domain belongs to one client")
            domains.add(domain)
        names: set[tuple[str, str]] = set()
        for person in client.people:
            key = (person.audience, person.folded_login_name)
            if key in names:
                name = "user_name" if person.audience == "portal" else "logon_id"
                yield Fault((*person.path, name), "comes twice in this client")
            names.add(key)
