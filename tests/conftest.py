"""Fixtures of all tests: real providers, real browser, the real portal, PostgreSQL.

With CI=true a skipped test is a failed one: what cannot run there must be said.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

from tests.providers.fixtures import (
    _hostile_server,
    canaille,
    hostile,
    oidc_provider,
    oidc_provider_with_full_tokens,
)
from tests.support import cheap
from tests.support.fixtures import (
    _chromium,
    _migrated_database,
    _postgres_server,
    browser,
    make_portal,
    postgres_url,
)

__all__ = [
    "_chromium",
    "_hostile_server",
    "_migrated_database",
    "_postgres_server",
    "browser",
    "canaille",
    "hostile",
    "make_portal",
    "oidc_provider",
    "oidc_provider_with_full_tokens",
    "postgres_url",
]

cheap.use_cheap_passwords()
cheap.keep_compiled_templates()

hypothesis.settings.register_profile("fast", max_examples=20)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

NOTHING_IS_SKIPPED = os.environ.get("CI") == "true"


def _refuse_skipping(report: Any) -> None:
    # An expected failure also counts as skipped, and is none.
    if NOTHING_IS_SKIPPED and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped with CI=true. {reason}"


LONGEST_ID = 40


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long values by their argument.

    Keys and hashes are drawn anew by every process, and pytest-xdist wants the same names in each.
    """
    return argname if isinstance(val, str | bytes) and len(val) > LONGEST_ID else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    _refuse_skipping(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    _refuse_skipping(report)
    return report
