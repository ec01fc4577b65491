"""The Flask extensions, one object each, bound to the app by the factory."""

from __future__ import annotations

from flask import current_app, request
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from lvportal.models.base import Base


class FormProtection(CSRFProtect):  # type: ignore[misc]  # Flask-WTF ships no types
    """Flask-WTF's, which looks for exemptions before it asks whether the request changes anything."""

    def protect(self, apply_exemptions: bool = False) -> None:
        if request.method in current_app.config["WTF_CSRF_METHODS"]:
            super().protect(apply_exemptions)


# Our models stand on a plain declarative base: type checkers and services need no Flask.
db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()
csrf = FormProtection()
login_manager = LoginManager()
limiter = Limiter(key_func=lambda: str(request.environ["lvportal.client_address"]))
