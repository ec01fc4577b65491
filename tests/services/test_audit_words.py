"""Every action that is written anywhere has words on the audit page."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from lvportal.errors import PortalError, tree
from lvportal.services.audit_reading import ACTIONS, KINDS, label_of, words_of

ROOT = Path(__file__).parents[2] / "lvportal"
WRITERS = {"audit.record": 9, "audit.Change": 0, "self._event": 1}  # and where the action stands


def actions_in(source: str) -> Iterator[str | None]:
    """Yield each action that a program writes; None for one that cannot be read off it."""
    program = ast.parse(source)
    for node in ast.walk(program):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name not in WRITERS:
            continue
        for keyword in node.keywords:
            if keyword.arg == "action":
                yield from values_of(keyword.value, constants_of(program))
        for argument in node.args[WRITERS[name] :][:1]:
            yield from values_of(argument, constants_of(program))


def constants_of(program: ast.Module) -> dict[str, str]:
    """Return the texts that the program gives names to at its top."""
    return {
        target.id: node.value.value
        for node in program.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def values_of(node: ast.expr, constants: dict[str, str]) -> Iterator[str | None]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from values_of(node.body, constants)
        yield from values_of(node.orelse, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.Name) and node.id == "action":
        return  # a helper that hands it on: its callers are found by what reads like an action
    else:
        yield None


def words_like_actions(source: str) -> Iterator[str]:
    """Yield every text that reads like an action of a kind we know, names of log events aside."""
    program = ast.parse(source)
    logged = {
        id(argument)
        for node in ast.walk(program)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.")
        for argument in node.args
    }
    for node in ast.walk(program):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in logged:
            kind, dot, rest = node.value.partition(".")
            if dot and kind in KINDS and rest.isidentifier() and rest.islower():
                yield node.value


# Texts that read so and are names of files.
NO_ACTIONS_END = (".html", ".csv", ".json", ".py")


def codes() -> set[str]:
    """Return the code of every refusal: they read like actions."""
    importlib.import_module("lvportal.factory")  # which imports every module that has errors
    importlib.import_module("lvportal.cli")
    return {error.code for error in tree(PortalError)}


def programs() -> Iterator[tuple[Path, str]]:
    for file in sorted(ROOT.rglob("*.py")):
        if file.name not in ("audit.py", "audit_reading.py") and "migrations" not in file.parts:
            yield file.relative_to(ROOT), file.read_text("utf-8")


def test_every_action_has_words() -> None:
    written = {(str(file), action) for file, source in programs() for action in actions_in(source)}
    refusals = codes()
    written |= {
        (str(file), text)
        for file, source in programs()
        for text in words_like_actions(source)
        if text not in refusals and not text.endswith(NO_ACTIONS_END)
    }

    wordless = sorted((file, str(action)) for file, action in written if action not in ACTIONS)

    assert written
    assert wordless == []


def test_every_action_is_of_a_kind_that_can_be_filtered() -> None:
    assert {action.partition(".")[0] for action in ACTIONS} <= set(KINDS)


def test_an_action_without_words_is_found() -> None:
    source = (
        'audit.record(s, action="connection.melted" if hot else "connection.live")\naudit.Change(f"x.{y}")'
    )

    assert list(actions_in(source)) == ["connection.melted", "connection.live", None]


def test_an_unknown_action_is_still_shown_as_words() -> None:
    assert words_of("gadget.made_anew") == "Gadget made anew"
    assert label_of("home_agent") == "Home agent"
