"""``lvportal settings``: the settings' manual, made from their docstrings."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from lvportal.cli.program import RefusingGroup, output_option, put_out
from lvportal.settings import PREFIX, Settings

HEAD = """# Settings

Read once, from the environment, when a process starts. An unknown name that begins with `{prefix}`, or a
missing or wrong value, stops the start with a sentence that names it. A change needs a restart.

<!-- Made by `lvportal settings docs`; edit lvportal/settings.py instead. -->
"""


@click.group(cls=RefusingGroup)
def settings() -> None:
    """Explain the settings."""


@settings.command()
@output_option
def docs(output: Path | None) -> None:
    """Print the manual of every setting in Markdown; docs/settings.md is this text."""
    put_out(manual(), output)


def manual() -> str:
    """Return docs/settings.md."""
    parts = [HEAD.format(prefix=PREFIX)]
    for name, field in Settings.model_fields.items():
        kind = _kind(field.annotation, name)
        parts.append(f"\n## `{PREFIX}{name.upper()}`\n\n{kind}. {_default(field)}\n\n{_text(field)}\n")
    return "".join(parts)


def _text(field: FieldInfo) -> str:
    return re.sub(r"\s*\n\s*", "\n", field.description or "")


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", (), frozenset()):
        return "Empty by default."
    return f"Default: `{str(value).lower() if isinstance(value, bool) else value}`."


def _kind(annotation: Any, name: str) -> str:
    """Return what a value looks like, for people."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0], name)
    if origin is Literal:
        return "One of " + ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in get_args(annotation) if one is not type(None)), name)
    if origin in (tuple, frozenset):
        return "A list, comma-separated"
    if annotation is SecretStr:
        return "A text, never shown or logged"
    kinds = {bool: "`true` or `false`", int: "A whole number", float: "A number", str: "A text"}
    unit = next((unit for unit in ("seconds", "minutes", "hours") if name.endswith("_" + unit)), None)
    return kinds[annotation] + (f" ({unit})" if unit else "")
