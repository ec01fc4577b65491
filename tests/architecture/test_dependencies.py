"""What the package imports is what its lock installs, hashed and without anybody's address."""

from __future__ import annotations

import ast
import re
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements" / name for name in ("runtime.txt", "dev.txt")]


def named(requirement: str) -> str:
    """Return a requirement's name as PyPI compares it."""
    name = re.split(r"[ \[<>=;~!]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(file: Path) -> set[str]:
    return {named(line) for line in file.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)}


def required(option: str, section: str = "options") -> set[str]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config[section][option].splitlines()
    return {named(line) for line in lines if line.strip() and not line.strip().startswith("#")}


def imported_modules() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "lvportal").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"lvportal", "__future__", "_typeshed"}


def test_every_imported_module_belongs_to_a_named_or_brought_dependency():
    # The libraries of the platform's own kind come with a named one and move with it.
    brought = {"werkzeug", "jinja2", "markupsafe", "itsdangerous", "pydantic", "wtforms", "limits"}
    extras = required("postgres", "options.extras_require")
    allowed = required("install_requires") | brought | extras
    distributions = packages_distributions()

    strangers = {
        module
        for module in imported_modules()
        if not {named(name) for name in distributions.get(module, [module])} & allowed
    }

    assert strangers == set()


def test_the_runtime_lock_holds_every_named_dependency():
    assert required("install_requires") - locked(LOCKS[0]) == set()


def test_the_development_lock_holds_the_runtimes_versions():
    pins = [
        {line.split()[0] for line in file.read_text().splitlines() if re.match(r"[a-z0-9].*==", line)}
        for file in LOCKS
    ]

    assert pins[0] - pins[1] == set()


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.name)
def test_a_lock_names_no_address_and_no_folder(file):
    text = file.read_text()

    assert not re.search(r"://|^-|file:|/home|/tmp", text, re.M)


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.name)
def test_every_locked_version_has_hashes(file):
    entries = re.findall(r"^[a-z0-9][^\n]*==[^\n]*\n((?:    [^\n]*\n)*)", file.read_text(), re.M)

    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_npms_lock_names_no_registry():
    text = (ROOT / "tests/providers/node/package-lock.json").read_text()

    assert '"integrity"' in text
    assert '"resolved"' not in text
