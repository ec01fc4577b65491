"""Step 3 of the set-up: the shape of a connection's values, and what they become."""

from __future__ import annotations

from datetime import date
from typing import Any

from wtforms import (
    BooleanField,
    DateField,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    URLField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import (
    AnyOf,
    DataRequired,
    InputRequired,
    Length,
    NumberRange,
    Optional,
    ValidationError,
)

from lvportal.models import Revision
from lvportal.protocols.oidc.configuration import ClientAuthentication
from lvportal.providers import KNOWN
from lvportal.providers.credentials import advise_credentials
from lvportal.services.connections import FIELD_LABELS, PLAIN_FIELDS, ConnectionValues, provisioning_of
from lvportal.web.forms import PortalForm, filled, no_control_characters, trimmed

APPLICATION_TYPES = {"web": "Web Application", "native": "Native Application"}
METHODS = {
    ClientAuthentication.CLIENT_SECRET_BASIC.value: "In the header (client_secret_basic)",
    ClientAuthentication.CLIENT_SECRET_POST.value: "In the body (client_secret_post)",
}
RESPONSE_MODES = {"query": "In the address (query)", "form_post": "By a form (form_post)"}

# Names that the protocol uses for what people know as these fields.
_FIELD_OF = {"client_secret": "secret", "allowed_algorithms": "allows_hs256"}


def _choices(words: dict[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in words.items()]


def _known_provider(value: str) -> str:
    return value if value in KNOWN else "other"


class SecurityForm(PortalForm):
    """What an administrator pastes from the provider."""

    provider = HiddenField(filters=[lambda value: _known_provider(value or "")])
    standard = SelectField("Authentication Standard", choices=[SelectChoice("oidc", "OIDC")], default="oidc")
    application_type = SelectField(FIELD_LABELS["application_type"], choices=_choices(APPLICATION_TYPES))
    client_id = StringField(
        FIELD_LABELS["client_id"],
        filters=[trimmed],
        validators=[
            DataRequired("Paste the ID your provider shows."),
            Length(max=255, message="At most 255 characters."),
            no_control_characters,
        ],
    )
    secret = PasswordField(
        FIELD_LABELS["secret"],
        filters=[trimmed],
        validators=[Length(max=2000, message="At most 2000 characters."), no_control_characters],
    )
    removes_secret = BooleanField("Remove the stored secret")
    secret_expires_on = DateField(FIELD_LABELS["secret_expires_on"], validators=[Optional()])
    issuer = URLField(
        FIELD_LABELS["issuer"],
        filters=[trimmed],
        validators=[
            DataRequired("Paste the issuer your provider shows."),
            Length(max=500, message="At most 500 characters."),
            no_control_characters,
        ],
    )
    email_claim = StringField(
        FIELD_LABELS["email_claim"],
        filters=[trimmed],
        validators=[
            DataRequired("Name the claim that carries the email, for instance email."),
            Length(max=120, message="At most 120 characters."),
            no_control_characters,
        ],
    )
    client_authentication = SelectField(
        FIELD_LABELS["client_authentication"],
        choices=_choices(METHODS),
        default=ClientAuthentication.CLIENT_SECRET_BASIC.value,
    )
    scopes = StringField(
        FIELD_LABELS["scopes"],
        filters=[trimmed],
        default="openid email profile",
        validators=[
            DataRequired("Enter at least openid."),
            Length(max=500, message="At most 500 characters."),
        ],
    )
    response_mode = SelectField(
        FIELD_LABELS["response_mode"], choices=_choices(RESPONSE_MODES), default="query"
    )
    matches_case = BooleanField(FIELD_LABELS["matches_case"])
    accepts_unverified_email = BooleanField(FIELD_LABELS["accepts_unverified_email"])
    accepts_email_verified_as_text = BooleanField(FIELD_LABELS["accepts_email_verified_as_text"])
    allows_hs256 = BooleanField(FIELD_LABELS["allows_hs256"])
    required_hosted_domain = StringField(
        FIELD_LABELS["required_hosted_domain"],
        filters=[trimmed],
        validators=[Length(max=253, message="At most 253 characters.")],
    )
    based_on = IntegerField(validators=[InputRequired(), NumberRange(min=0)])
    act = HiddenField(validators=[Optional(), AnyOf(["save", "check", ""])])

    def validate_secret(self, field: PasswordField) -> None:
        """Refuse what is surely not the secret: no provider would take it."""
        if field.data:
            found = advise_credentials(filled(self.provider), filled(self.client_id), field.data)
            if found:
                raise ValidationError(found[0])

    def validate_scopes(self, field: StringField) -> None:
        """Refuse a list without openid: what comes back would be no sign-in."""
        if "openid" not in filled(field).split():
            raise ValidationError("Add openid: without it the provider sends no ID token.")

    def validate_required_hosted_domain(self, field: StringField) -> None:
        """Demand the domain where one issuer stands for every organisation."""
        known = KNOWN[filled(self.provider)]
        if known.needs_hosted_domain and not field.data:
            raise ValidationError(
                f"Enter your own domain: {known.label}'s issuer is the same for every organisation."
            )

    def refuse_past(self, today: date) -> bool:
        """Refuse a new secret that has expired already; tell whether it has not."""
        expires_on = self.secret_expires_on.data
        if not self.secret.data or expires_on is None or expires_on >= today:
            return True
        self.secret_expires_on.errors = [
            "This day has passed: make a new secret at the provider and paste that, with its date."
        ]
        return False

    def pasted(self) -> tuple[str, str, str]:
        """Return Authorization ID, secret and issuer as they came, stray spaces included."""
        raw = [(field.raw_data or [""])[0] for field in (self.client_id, self.secret, self.issuer)]
        return raw[0], raw[1], raw[2]

    def to_values(self, newest: Revision | None) -> ConnectionValues:
        """Return what was typed; the rest stays as ``newest`` has it.

        A native application without any secret proves itself by PKCE alone.
        """
        removes = bool(self.removes_secret.data) and not self.secret.data
        has_secret = bool(self.secret.data) or (bool(newest and newest.sealed_secret) and not removes)
        is_public = self.application_type.data == "native" and not has_secret
        return ConnectionValues(
            provider=filled(self.provider),
            application_type=self.application_type.data,
            issuer=filled(self.issuer),
            client_id=filled(self.client_id),
            client_authentication=(
                ClientAuthentication.NONE.value if is_public else self.client_authentication.data
            ),
            email_claim=filled(self.email_claim),
            scopes=filled(self.scopes),
            response_mode=self.response_mode.data,
            secret_expires_on=None if is_public else self.secret_expires_on.data,
            matches_case=bool(self.matches_case.data),
            accepts_unverified_email=bool(self.accepts_unverified_email.data),
            accepts_email_verified_as_text=bool(self.accepts_email_verified_as_text.data),
            required_hosted_domain=self.required_hosted_domain.data or None,
            allows_hs256=bool(self.allows_hs256.data),
            secret=self.secret.data or None,
            removes_secret=removes,
            **provisioning_of(newest),
        )

    def field_of(self, name: str | None) -> str | None:
        """Return the name here of a field that a refusal names."""
        return _FIELD_OF.get(name or "", name)

    def forgive_all_but(self, *names: str) -> bool:
        """Drop the refusals of fields that a check does not need; tell whether none is left."""
        for field in self:
            if field.name not in (*names, "csrf_token"):
                field.errors = []
        return not any(field.errors for field in self)


def filled_from(revision: Revision | None, provider: str, application_type: str) -> SecurityForm:
    """Return the form as the page first shows it: the newest revision, or the provider's own defaults."""
    known = KNOWN[provider]
    if revision is None:
        return SecurityForm(
            formdata=None,
            provider=provider,
            application_type=application_type,
            client_authentication=known.default_client_authentication,
            email_claim=known.default_email_claim,
            scopes=known.default_scopes,
            response_mode=known.default_response_mode,
        )
    data: dict[str, Any] = {name: getattr(revision, name) for name in PLAIN_FIELDS}
    if revision.client_authentication == ClientAuthentication.NONE:
        del data["client_authentication"]
    data |= {"provider": provider, "application_type": application_type}
    if provider != revision.provider:
        data |= {
            "client_authentication": known.default_client_authentication,
            "email_claim": known.default_email_claim,
            "scopes": known.default_scopes,
            "response_mode": known.default_response_mode,
        }
    return SecurityForm(formdata=None, data=data)


def shown(name: str, value: Any) -> str:
    """Return a value of a connection as people read it."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if not value:
        return "None"
    if isinstance(value, dict):
        return ", ".join(f"{group}: {role}" for group, role in sorted(value.items()))
    words: dict[str, dict[str, str]] = {
        "application_type": APPLICATION_TYPES,
        "client_authentication": METHODS | {"none": "None, PKCE alone"},
        "response_mode": RESPONSE_MODES,
        "provider": {key: known.label for key, known in KNOWN.items()},
    }
    return words.get(name, {}).get(str(value), str(value))
