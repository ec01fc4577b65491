"""What all forms share: shapes, conversions and how a refusal reaches its field."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field
from wtforms.validators import ValidationError

from lvportal.errors import ChangeRefused
from lvportal.services.folding import HIDDEN_CHARACTERS

STALE = "This page was open too long, or in another browser. Nothing was done yet: send it again."


class PortalForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A form that checks its own CSRF token and comes back filled in when that is stale.

    Its view is exempt from the global check, which would lose what was typed,
    and must call ``validate_on_submit``: without it nothing is checked.
    """

    @property
    def is_stale(self) -> bool:
        """Tell whether the form was refused because it was not sent by a page of ours in this session."""
        return "csrf_token" in self.errors

    def problems(self) -> list[tuple[str, str]]:
        """Return ``(id of the field, sentence)`` for the summary, in the order of the page."""
        found = [
            (field.id, f"{field.label.text}: {_small_start(str(field.errors[0]))}")
            for field in self
            if field.errors and field.name != "csrf_token"
        ]
        return [("main", STALE), *found] if self.is_stale else found

    def refuse(self, refused: ChangeRefused, name: str | None) -> None:
        """Put a service's refusal beside the field ``name``; one without a field stands above the form."""
        if name in self._fields:
            sentence = f"{refused.words(refused.user_message)} {refused.words(refused.next_step)}"
            self._fields[name].errors = [sentence]


def _small_start(sentence: str) -> str:
    # "Issuer URL: enter …", but "Issuer URL: HTTPS is needed" keeps its capitals.
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def filled(field: Any) -> str:
    """Return what was typed, an empty text for nothing."""
    return str(field.data or "")


def trimmed(value: Any) -> Any:
    """Drop the spaces a paste brings along."""
    return value.strip() if isinstance(value, str) else value


def no_control_characters(form: Any, field: Field) -> None:
    """Refuse characters that nobody sees: they come from pastes and hide differences."""
    if field.data and HIDDEN_CHARACTERS.search(str(field.data)):
        raise ValidationError("Leave out the invisible characters: type it instead of pasting.")
