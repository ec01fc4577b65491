"""Rules of the house that neither ruff nor mypy can see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [p for p in sorted((ROOT / "lvportal").rglob("*.py")) if "versions" not in p.parts]
TEMPLATES = sorted([*(ROOT / "templates").rglob("*.html"), *(ROOT / "lvportal").rglob("templates/**/*.html")])

# Each with a piece that breaks the rule, so that a rule that sees nothing is noticed.
TEMPLATE_RULES = {
    "no |safe": (r"\|\s*safe\b", "{{ name|safe }}"),
    "no autoescape switch": (r"\{%-?\s*autoescape", "{% autoescape false %}"),
    "no inline script": (r"<script(?![^>]*\bsrc=)", "<script>alert(1)</script>"),
    "no inline style element": (r"<style\b", "<style>p{}</style>"),
    "no style attribute": (r"<[^>]*\sstyle\s*=", '<p style="color:red">'),
    "no event attribute": (r"<[^>]*\son[a-z]+\s*=", '<p onclick="x()">'),
    "no script URL": (r"javascript:", '<a href="javascript:x()">'),
    "nothing from another host": (
        r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=\"(?:https?:)?//",
        '<script src="//cdn.example/x.js"></script>',
    ),
}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_go_down_only():
    # In a process of its own: the linter sets logging up anew and silences every logger it does not know.
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("rule", TEMPLATE_RULES)
def test_templates(rule):
    pattern, bad = TEMPLATE_RULES[rule]

    offenders = [relative(p) for p in TEMPLATES if re.search(pattern, p.read_text("utf-8"), re.I)]

    assert re.search(pattern, bad, re.I)
    assert TEMPLATES
    assert offenders == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("layer", ["protocols", "services", "models"])
def test_time_is_an_argument(layer):
    offenders = []
    for path in (ROOT / "lvportal" / layer).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "datetime.now",
                "datetime.utcnow",
                "datetime.today",
                "date.today",
                "time.time",
            ):
                offenders.append(f"{relative(path)}:{node.lineno}")

    assert offenders == []


def test_authlibs_deprecated_jose_is_not_used():
    offenders = [relative(p) for p in SOURCES if re.search(r"authlib\.jose", p.read_text("utf-8"))]

    assert offenders == []


def test_certificates_are_verified_everywhere():
    pattern = r"CERT_NONE|verify\s*=\s*False|check_hostname\s*=\s*False|_create_unverified_context"

    offenders = [relative(p) for p in SOURCES if re.search(pattern, p.read_text("utf-8"))]

    assert offenders == []


def test_no_code_of_an_error_is_used_twice():
    import lvportal.factory  # noqa: F401  brings every error class in
    from lvportal.errors import tree

    by_code: dict[str, set[str]] = {}
    for cls in tree():
        if "code" in vars(cls):
            by_code.setdefault(cls.code, set()).add(cls.__name__)

    assert {code: names for code, names in by_code.items() if len(names) > 1} == {}
