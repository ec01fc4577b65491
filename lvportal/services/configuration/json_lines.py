"""JSON as RFC 8259 has it and no more; every value's line can be found again.

The standard library's parser reads the file; it is fast and forgets lines. Only
when something is wrong does the slow parser below walk the text once more.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from json.decoder import scanstring  # type: ignore[attr-defined]  # undocumented, as old as the module
from typing import Any, NoReturn

from lvportal.services.configuration.problems import FileRefused, Path, Problem

MAX_DEPTH = 32

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?[0-9.eE+-]+|true|false|null")


class _Repeated(Exception):
    pass


def read_json(data: bytes) -> tuple[Any, str]:
    """Return the document and its text.

    Raises FileRefused for anything that is not UTF-8 JSON, for a name that comes
    twice in one object (which one counts would be a guess), for NaN and for
    nesting deeper than any of our files.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        raise FileRefused([Problem(line, "", "is not UTF-8")]) from wrong
    try:
        return _load(text), text
    except json.JSONDecodeError as wrong:
        raise FileRefused([Problem(wrong.lineno, "", f"is not JSON: {wrong.msg}")]) from wrong
    except RecursionError as wrong:
        raise FileRefused([Problem(1, "", "is nested too deeply")]) from wrong
    except ValueError as wrong:  # NaN, or a number of thousands of digits
        raise FileRefused([Problem(1, "", "has a number that JSON does not know")]) from wrong


def _load(text: str) -> Any:
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except _Repeated:
        # The hook stopped in the middle: the rest must be JSON before it is walked.
        json.loads(text, parse_constant=_refuse_constant)
        raise FileRefused(
            [
                Problem(line, "", f'"{name[:40]}" comes twice in one object')
                for line, name in Lines(text).repeated
            ]
        ) from None
    _refuse_half_characters(document, text)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Repeated
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse_half_characters(document: Any, text: str) -> None:
    # "\ud800" is half a character: no database stores it.
    if "\\u" not in text:
        return
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as wrong:
        line = next(
            (n for n, part in enumerate(text.split("\n"), 1) if re.search(r"\\u[dD][89a-fA-F]", part)), 1
        )
        raise FileRefused([Problem(line, "", "has half a character (a lone surrogate)")]) from wrong


class Lines:
    """Where every value of a text stands. ``repeated`` lists (line, name) of names that come again."""

    def __init__(self, text: str) -> None:
        """``text`` is JSON that ``json.loads`` has read. Raises FileRefused for deep nesting."""
        self.repeated: list[tuple[int, str]] = []
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._places: dict[Path, int] = {}
        self._value(self._skip(0), (), 0)

    def of(self, path: Path) -> int:
        """Return the line of the value; of what holds it when the value itself is missing."""
        while path and path not in self._places:
            path = path[:-1]
        return self._line(self._places[path])

    def _line(self, position: int) -> int:
        return bisect_right(self._starts, position)

    def _skip(self, position: int) -> int:
        found = _SPACE.match(self._text, position)
        return found.end() if found else position

    def _value(self, position: int, path: Path, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise FileRefused([Problem(self._line(position), "", "is nested too deeply")])
        self._places[path] = position
        first = self._text[position]
        if first == "{":
            return self._members(position, path, depth)
        if first == "[":
            return self._items(position, path, depth)
        if first == '"':
            return int(scanstring(self._text, position + 1)[1])
        found = _SCALAR.match(self._text, position)
        if found is None:
            raise ValueError("not JSON")  # standing still here would be for ever
        return found.end()

    def _members(self, position: int, path: Path, depth: int) -> int:
        seen: set[str] = set()
        position = self._skip(position + 1)
        while self._text[position] != "}":
            start = position
            name, position = scanstring(self._text, position + 1)
            if name in seen:
                self.repeated.append((self._line(start), name))
            seen.add(name)
            position = self._skip(self._skip(position) + 1)  # past the colon
            position = self._skip(self._value(position, (*path, name), depth + 1))
            if self._text[position] == ",":
                position = self._skip(position + 1)
        return position + 1

    def _items(self, position: int, path: Path, depth: int) -> int:
        index = 0
        position = self._skip(position + 1)
        while self._text[position] != "]":
            position = self._skip(self._value(position, (*path, index), depth + 1))
            index += 1
            if self._text[position] == ",":
                position = self._skip(position + 1)
        return position + 1
