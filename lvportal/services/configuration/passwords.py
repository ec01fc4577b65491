"""Passwords named in a file: checked and hashed before anything is locked.

One check takes 100 ms and 64 MiB. SQLite has one writer, so a file with thirty
passwords would hold every sign-in up for seconds; therefore the slow part runs
beforehand and its results are kept here until the writing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lvportal.services.configuration.stored import PersonKey, Stored
from lvportal.services.configuration.wanted import PasswordHash, PlainPassword, Wanted
from lvportal.services.passwords import PasswordChecker, hash_password

NEW_CLIENT = 0  # stands for the id of a client that is made by the same file


class PasswordResults:
    """What is known of every (person, stored hash): right already, or which new hash to store."""

    def __init__(self, checker: PasswordChecker, *, at_once: int = 2) -> None:
        self._checker = checker
        self._at_once = at_once
        self._new: dict[tuple[str, PersonKey, str | None], str | None] = {}

    def prepare(self, wanted: Wanted, stored: Stored) -> None:
        """Do the slow part for every password in ``wanted``."""
        work = []
        for client in wanted.clients:
            tenant = stored.tenants.get(client.code)
            for person in client.people:
                if isinstance(person.password, PlainPassword):
                    key = (tenant.id if tenant else NEW_CLIENT, person.audience, person.folded_login_name)
                    row = stored.people.get(key)
                    work.append((client.code, key, person.password, row["password_hash"] if row else None))
        with ThreadPoolExecutor(self._at_once) as threads:
            list(threads.map(lambda one: self.change(*one), work))

    def change(
        self,
        code: str,
        key: PersonKey,
        password: PlainPassword | PasswordHash,
        stored_hash: str | None,
    ) -> PasswordHash | None:
        """Return the hash to store, or None when the stored one fits already."""
        if isinstance(password, PasswordHash):
            return None if password.text == stored_hash else password
        memory = (code, key, stored_hash)
        if memory not in self._new:
            fits = stored_hash is not None and self._checker.is_right(password.text, stored_hash)
            self._new[memory] = None if fits else hash_password(password.text)
        new = self._new[memory]
        return None if new is None else PasswordHash(new)
