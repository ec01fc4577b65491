"""``lvportal troubleshooting``: every cause of a refused sign-in, made from the errors' own words."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import click

import lvportal
from lvportal.cli.program import RefusingGroup
from lvportal.errors import STEPS, PortalError, SignInRefused, tree

HEAD = """# Troubleshooting

Every refusal of a sign-in has a code, which stands on the page beside the reference. The page of a test
sign-in and the record under Monitor > Sign-ins name the same code, with what arrived. Below, by the step at
which a sign-in stops: what the person sees and may do, and what the administrator does. A word in braces is
filled in on the page.

Stopped at the provider, with an error of its own on the screen? Then nobody ever came back to us: paste its
text at Configure > Client > Security, step 4.

<!-- Made by `lvportal troubleshooting docs`; edit the errors' words in the code instead. -->
"""


@click.group(cls=RefusingGroup)
def troubleshooting() -> None:
    """Explain the refusals."""


@troubleshooting.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def docs(output: Path | None) -> None:
    """Print the table of every cause in Markdown; docs/troubleshooting.md is this text."""
    if output is None:
        click.echo(manual(), nl=False)
    else:
        output.write_text(manual(), "utf-8")


def manual() -> str:
    """Return docs/troubleshooting.md."""
    found = causes()
    parts = [HEAD]
    for number, step in enumerate(STEPS, start=1):
        here = [cause for cause in found if cause.step == number]
        parts.append(
            f"\n## Step {number}: {step}\n\n| Code | The person sees | The administrator |\n|---|---|---|\n"
        )
        parts += [_row(cause) for cause in sorted(here, key=lambda cause: cause.code)]
    return "".join(parts)


def causes() -> list[type[SignInRefused]]:
    """Return every cause of a refused sign-in, one for each code."""
    _load_everything()
    found: dict[str, type[SignInRefused]] = {}
    for cause in tree(SignInRefused):
        if issubclass(cause, SignInRefused):
            found.setdefault(cause.code, cause)
    return list(found.values())


def _load_everything() -> None:
    # A cause exists once its module is imported; the table must not depend on which command ran.
    for part in ("protocols", "services"):
        package = importlib.import_module(f"{lvportal.__name__}.{part}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def _row(cause: type[PortalError]) -> str:
    person = f"{cause.user_message} {cause.next_step}"
    step = cause.administrator_step
    return f"| `{cause.code}` | {_cell(person)} | {_cell('Nothing to do.' if step == 'None.' else step)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
