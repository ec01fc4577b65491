"""What a text means that a provider showed: pasted by a person, judged here, kept nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

from . import KNOWN, OTHER
from .known import KnownError, KnownProvider

MAX_CHARACTERS = 4000
SHOWN_CHARACTERS = 300

_ENTRA_PAGE = re.compile(r"/error\?(?:[^\s#]*&)?code=(\d{4,8})")
_ENTRA_CODE = re.compile(r"\bAADSTS[\s:]*(\d{4,8})", re.IGNORECASE)
_ADFS_CODE = re.compile(r"\bMSIS[\s:]*(\d{4,5})", re.IGNORECASE)
_BARE_NUMBER = re.compile(r"\s*#?(\d{4,8})\s*")
_APOSTROPHES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a1-\ud7ff\uf900-\ufffd]+")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cause and what to do. ``is_known`` False: nobody here knows the text, ``fix`` says whom to ask.

    ``provider`` is whose words they are, empty when many share them;
    ``pasted`` is what was judged, cut and printable.
    """

    is_known: bool
    code: str
    meaning: str
    fix: str
    provider: str
    pasted: str


def explain_pasted(text: str, provider: str | None = None) -> Explanation:
    """Say what a provider's pasted error means and what mends it.

    ``provider`` is the key of the one in use: its own words are asked first,
    then everybody's. Never raises, whatever was pasted.
    """
    shown = _printable(text[:MAX_CHARACTERS])
    chosen = KNOWN.get(provider or "", OTHER)
    readings = _readings(shown, chosen)
    for one, error in _matching(readings, chosen):
        label = "" if one is OTHER else one.label
        return Explanation(True, error.fragment, error.meaning, error.fix, label, shown[:SHOWN_CHARACTERS])
    if not shown:
        return Explanation(False, "", "Nothing was pasted.", "Copy the whole text of the error page.", "", "")
    code = _unknown_code(readings)
    return Explanation(
        False,
        code,
        f"We do not know {code}." if code else "We do not know this text.",
        "Send it to Customer Care with your client code, the time, and the page's address up to the first ?. "
        "Leave out passwords and secrets.",
        "",
        shown[:SHOWN_CHARACTERS],
    )


def _printable(text: str) -> str:
    return " ".join(_UNPRINTABLE.sub(" ", text.translate(_APOSTROPHES)).split())


def _readings(shown: str, chosen: KnownProvider) -> str:
    """Return the text as it stands and as an address bar would have hidden it, codes in one spelling."""
    decoded = _printable(unquote_plus(shown, errors="replace"))
    both = f"{shown}\n{decoded}"
    codes = [f"AADSTS{number}" for number in (*_ENTRA_PAGE.findall(both), *_ENTRA_CODE.findall(both))]
    codes += [f"MSIS{number}" for number in _ADFS_CODE.findall(both)]
    if bare := _BARE_NUMBER.fullmatch(shown):
        codes += {"entra": [f"AADSTS{bare[1]}"], "adfs": [f"MSIS{bare[1]}"]}.get(chosen.key, [])
    return "\n".join((both, *codes))


def _matching(readings: str, chosen: KnownProvider) -> list[tuple[KnownProvider, KnownError]]:
    """Return what fits, best first: the chosen provider's words, then anybody's, then the protocol's."""
    found = [
        (one, error)
        for one in KNOWN.values()
        for error in one.errors
        if (one is chosen or not error.is_common) and error.is_in(readings)
    ]

    def rank(pair: tuple[KnownProvider, KnownError]) -> tuple[bool, bool, bool, int]:
        one, error = pair
        is_own = one is chosen and one is not OTHER
        # A sentence says more than a code that many send; so a shared code of one's own comes after it.
        return (
            is_own and not error.is_common,
            one is not OTHER and not error.is_common,
            is_own,
            len(error.fragment),
        )

    return sorted(found, key=rank, reverse=True)


def _unknown_code(readings: str) -> str:
    found = re.search(r"AADSTS\d{4,8}|MSIS\d{4,5}|\bE0000\d{3}\b", readings, re.IGNORECASE)
    return found[0].upper() if found else ""
