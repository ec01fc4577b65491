"""What makes the same work cheaper in a test's own process; a live portal is not touched."""

from __future__ import annotations

from typing import Any

from argon2 import PasswordHasher
from flask.templating import Environment
from jinja2.bccache import Bucket, BytecodeCache

from lvportal.services import passwords

PRODUCTION_HASHER = passwords._HASHER


def use_cheap_passwords() -> None:
    """Hash with the smallest cost: the real one takes 100 ms and 64 MiB each time."""
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class _InMemory(BytecodeCache):
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


def keep_compiled_templates() -> None:
    """Let all apps of a process share compiled templates: each test builds an app of its own."""
    shared, original = _InMemory(), Environment.__init__

    def build(environment: Environment, app: Any, **options: Any) -> None:
        original(environment, app, **{"bytecode_cache": shared, **options})

    Environment.__init__ = build  # type: ignore[method-assign,assignment]
