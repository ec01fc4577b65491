"""The Flask extensions, one object each, bound to the app by the factory."""

from __future__ import annotations

from flask import request
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from lvportal.models.base import Base

# Our models stand on a plain declarative base: type checkers and services need no Flask.
db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()
csrf = CSRFProtect()
login_manager = LoginManager()
limiter = Limiter(key_func=lambda: str(request.environ["lvportal.client_address"]))
