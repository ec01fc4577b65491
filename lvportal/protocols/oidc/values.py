"""Reading what a provider sent: JSON, typed values and text, all of it hostile.

A reader gives a typed value or raises the refusal it was told to raise;
nothing a provider can send makes it raise anything else.
"""

from __future__ import annotations

import hmac
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn

from joserfc.util import urlsafe_b64decode

from lvportal.errors import SignInRefused
from lvportal.protocols.oidc.errors import DocumentMalformed

MAX_DOCUMENT_BYTES = 512 * 1024
MAX_DEPTH = 20  # the deepest documents seen in the field (claims with nested roles) stay under 8
MAX_TEXT_CHARACTERS = 200
MAX_INTEGER = 2**53  # beyond it JSON numbers of different readers disagree (RFC 8259, section 6)

JsonObject = dict[str, Any]

# The closing quotation mark is optional and every repetition possessive: an
# unterminated string is consumed once, so that the scan stays linear.
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _Unreadable(ValueError):
    """A reason why JSON is refused; never leaves this module."""


def read_json_object(
    data: bytes,
    *,
    what: str,
    max_bytes: int = MAX_DOCUMENT_BYTES,
    max_depth: int = MAX_DEPTH,
    refused: type[SignInRefused] = DocumentMalformed,
) -> JsonObject:
    """Read one JSON object strictly. ``what`` names it in the detail.

    Refuses duplicate names, nesting deeper than ``max_depth``, numbers that are
    not finite, lone surrogates, text that is not UTF-8, and any other top level.
    Raises ``refused``. RFC 8259; RFC 8725, section 2.4.
    """
    if len(data) > max_bytes:
        raise refused(f"{what}: over {max_bytes} bytes", what=what)
    if _depth_exceeds(data, max_depth):
        raise refused(f"{what}: nested deeper than {max_depth}", what=what)
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        if _SURROGATE_ESCAPE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise refused(f"{what}: not UTF-8", what=what) from error
    except _Unreadable as error:
        raise refused(f"{what}: {error}", what=what) from error
    except ValueError:
        # Without "from": the decoder's exception holds the whole document.
        raise refused(f"{what}: not JSON", what=what) from None
    if not isinstance(value, dict):
        raise refused(f"{what}: not a JSON object", what=what)
    return value


def decode_base64url(segment: str, *, what: str, refused: type[SignInRefused]) -> bytes:
    """Decode unpadded base64url (RFC 7515, section 2). Raises ``refused``."""
    try:
        return urlsafe_b64decode(segment.encode("ascii"))
    except ValueError:
        raise refused(f"{what}: not base64url") from None


def read_string(
    document: Mapping[str, Any],
    name: str,
    *,
    what: str,
    max_length: int = 2000,
    refused: type[SignInRefused] = DocumentMalformed,
) -> str | None:
    """Return a string of 1 to ``max_length`` characters without control characters.

    ``None`` when the name is absent or null. Raises ``refused`` otherwise.
    """
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise refused(f"{what}: {name} is not a string or is empty", what=what)
    if len(value) > max_length:
        raise refused(f"{what}: {name} is over {max_length} characters", what=what)
    if _CONTROL.search(value):
        raise refused(f"{what}: {name} has control characters", what=what)
    return value


def require_string(
    document: Mapping[str, Any],
    name: str,
    *,
    what: str,
    max_length: int = 2000,
    refused: type[SignInRefused] = DocumentMalformed,
) -> str:
    """Like ``read_string``, and raises ``refused`` when the name is absent too."""
    value = read_string(document, name, what=what, max_length=max_length, refused=refused)
    if value is None:
        raise refused(f"{what}: {name} is missing", what=what)
    return value


def read_strings(
    document: Mapping[str, Any],
    name: str,
    *,
    what: str,
    max_items: int = 200,
    max_length: int = 2000,
    refused: type[SignInRefused] = DocumentMalformed,
) -> tuple[str, ...] | None:
    """Return an array of strings; ``None`` when absent or null. Raises ``refused``."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > max_items:
        raise refused(f"{what}: {name} is not an array of at most {max_items}", what=what)
    if not all(isinstance(item, str) and len(item) <= max_length for item in value):
        raise refused(f"{what}: {name} does not hold strings only", what=what)
    return tuple(value)


def read_number(
    document: Mapping[str, Any],
    name: str,
    *,
    what: str,
    refused: type[SignInRefused] = DocumentMalformed,
) -> int | float | None:
    """Return a finite number within 2**53; ``None`` when absent. JSON true is no number.

    Null counts as present: a time that is null is a mistake, not an absence.
    Raises ``refused``.
    """
    if name not in document:
        return None
    value = document[name]
    # bool is a subclass of int: true would pass as 1 second after 1970.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"{what}: {name} is not a number", what=what)
    if not math.isfinite(value) or abs(value) > MAX_INTEGER:
        raise refused(f"{what}: {name} is out of range", what=what)
    return value


def read_boolean(
    document: Mapping[str, Any],
    name: str,
    *,
    what: str,
    refused: type[SignInRefused] = DocumentMalformed,
) -> bool | None:
    """Return JSON true or false; ``None`` when absent or null. Raises ``refused``."""
    value = document.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise refused(f"{what}: {name} is not true or false", what=what)


def is_true(value: object) -> bool:
    """Tell whether a value is JSON true: not 1, not "true"."""
    return value is True


def are_equal(expected: str, got: str) -> bool:
    """Compare two strings in a time that tells nothing about where they differ."""
    return hmac.compare_digest(_to_bytes(expected), _to_bytes(got))


def cut(text: object, max_characters: int = MAX_TEXT_CHARACTERS) -> str:
    """Make a provider's text fit to be shown as data.

    At most ``max_characters``; line ends become spaces; control, format (those
    that turn the writing direction, among others), surrogate, private and
    unassigned characters go.
    """
    raw = str(text)[: 4 * max_characters]
    spaced = " ".join(raw.split())
    shown = spaced if spaced.isascii() and spaced.isprintable() else _without_controls(spaced)
    return shown if len(shown) <= max_characters else shown[: max_characters - 1] + "…"


def has_hidden_characters(text: str) -> bool:
    """Tell whether a text holds white space or a character that cannot be seen."""
    return any(unicodedata.category(character)[0] in "CZ" for character in text)


def is_visible_ascii(text: str) -> bool:
    """Tell whether a text is printable ASCII without spaces; the empty text is not."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _without_controls(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character)[0] != "C")


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _depth_exceeds(data: bytes, max_depth: int) -> bool:
    # Most documents have fewer brackets than the limit: two counts decide.
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return False
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(data):
        token = found.group()
        if token in (b"[", b"{"):
            depth += 1
            if depth > max_depth:
                return True
        elif token in (b"]", b"}"):
            depth -= 1
    return False


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    # Two readers that take different ones of two equal names can be played
    # off against each other.
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Unreadable("a name occurs twice in one object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _Unreadable(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Unreadable("a number is not finite")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_without_duplicates,
    parse_constant=_refuse_constant,
    parse_float=_finite_float,
)
