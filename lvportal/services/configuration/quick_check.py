"""A quick yes: whether a document surely fits a schema.

jsonschema explains well and takes 0.2 ms for one agent, which is minutes for a
large platform. Almost every file is right, so this asks first, from the same
schema; whatever gets a no here goes to jsonschema, whose word counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]

SILENT = frozenset(("$schema", "$id", "$defs", "$comment", "title", "description"))

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "boolean": lambda value: type(value) is bool,
    "integer": lambda value: type(value) is int,
    "null": lambda value: value is None,
}


def compile_check(schema: Mapping[str, Any]) -> Check:
    """Return a function that says yes only to what the schema accepts.

    ``schema`` has no references. Raises NotImplementedError for a keyword that
    is not known here: leaving one out would accept too much.
    """
    checks = [_KEYWORDS[name](value, schema) for name, value in schema.items() if _is_heard(name)]
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


def end_at_the_end(pattern: str) -> re.Pattern[str]:
    """Compile a schema's pattern: Python's "$" also matches before a newline at the end."""
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _is_heard(name: str) -> bool:
    if name in SILENT or name in ("then", "else", "additionalProperties"):
        return False
    if name not in _KEYWORDS:
        raise NotImplementedError(name)
    return True


def _type(names: str | list[str], _schema: Mapping[str, Any]) -> Check:
    tests = [_TYPES[name] for name in ([names] if isinstance(names, str) else names)]
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _enum(choices: list[str], _schema: Mapping[str, Any]) -> Check:
    known = frozenset(choices)
    return lambda value: type(value) is str and value in known


def _pattern(pattern: str, _schema: Mapping[str, Any]) -> Check:
    search = end_at_the_end(pattern).search
    return lambda value: type(value) is not str or search(value) is not None


def _length(
    test: Callable[[int, int], bool], kind: type[str] | type[list[Any]] | type[dict[str, Any]]
) -> Callable[[int, Mapping[str, Any]], Check]:
    return lambda limit, _schema: lambda value: not isinstance(value, kind) or test(len(value), limit)


def _bound(test: Callable[[int, int], bool]) -> Callable[[int, Mapping[str, Any]], Check]:
    return lambda limit, _schema: lambda value: type(value) is not int or test(value, limit)


def _required(names: list[str], _schema: Mapping[str, Any]) -> Check:
    return lambda value: type(value) is not dict or all(name in value for name in names)


def _properties(members: Mapping[str, Any], schema: Mapping[str, Any]) -> Check:
    if schema.get("additionalProperties") is not False:
        raise NotImplementedError("an object that takes any name")
    checks = {name: compile_check(member) for name, member in members.items()}

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return True
        for name, member in value.items():
            known = checks.get(name)
            if known is None or not known(member):
                return False
        return True

    return check


def _items(schema_of_one: Mapping[str, Any], _schema: Mapping[str, Any]) -> Check:
    check = compile_check(schema_of_one)
    return lambda value: type(value) is not list or all(map(check, value))


def _if(condition: Mapping[str, Any], schema: Mapping[str, Any]) -> Check:
    test, then, otherwise = map(compile_check, (condition, schema["then"], schema["else"]))
    return lambda value: then(value) if test(value) else otherwise(value)


_KEYWORDS: dict[str, Callable[[Any, Mapping[str, Any]], Check]] = {
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "minLength": _length(lambda size, limit: size >= limit, str),
    "maxLength": _length(lambda size, limit: size <= limit, str),
    "minProperties": _length(lambda size, limit: size >= limit, dict),
    "maxProperties": _length(lambda size, limit: size <= limit, dict),
    "maxItems": _length(lambda size, limit: size <= limit, list),
    "minimum": _bound(lambda number, limit: number >= limit),
    "maximum": _bound(lambda number, limit: number <= limit),
    "required": _required,
    "properties": _properties,
    "items": _items,
    "if": _if,
}
