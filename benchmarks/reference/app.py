"""A relying party as Authlib's documentation shows it: what a careful team writes in an afternoon.

Flask, ``OAuth.register`` with ``server_metadata_url``, Flask-Login, a table of
users in SQLite. Nothing is tuned here and nothing is spoilt: it is the measure.

Settings by environment: REFERENCE_DATABASE_URL, REFERENCE_METADATA_URL,
REFERENCE_CLIENT_ID, REFERENCE_CLIENT_SECRET, REFERENCE_SECRET_KEY.
"""

from __future__ import annotations

import os

from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, redirect, render_template, url_for
from flask_login import LoginManager, UserMixin, login_required, login_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.wrappers import Response


class Base(DeclarativeBase):
    pass


class User(Base, UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100))


db = SQLAlchemy(model_class=Base)
login_manager = LoginManager()
oauth = OAuth()


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load_user(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))


def create_app() -> Flask:
    """Build the app; the table of users is made when it is missing."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["REFERENCE_SECRET_KEY"],
        SQLALCHEMY_DATABASE_URI=os.environ["REFERENCE_DATABASE_URL"],
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    db.init_app(app)
    login_manager.init_app(app)
    login_manager.login_view = "login"
    oauth.init_app(app)
    oauth.register(
        name="acme",
        overwrite=True,
        server_metadata_url=os.environ["REFERENCE_METADATA_URL"],
        client_id=os.environ["REFERENCE_CLIENT_ID"],
        client_secret=os.environ["REFERENCE_CLIENT_SECRET"],
        client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
    )
    with app.app_context():
        db.create_all()

    @app.get("/")
    @login_required  # type: ignore[untyped-decorator]
    def home() -> str:
        return render_template("home.html")

    @app.get("/login")
    def login() -> Response:
        redirect_uri = url_for("callback", _external=True)
        answer: Response = oauth.acme.authorize_redirect(redirect_uri)
        return answer

    @app.get("/callback")
    def callback() -> Response:
        token = oauth.acme.authorize_access_token()
        user = db.session.scalar(select(User).where(User.email == token["userinfo"]["email"]))
        if user is None:
            abort(403)
        login_user(user)
        return redirect(url_for("home"))

    return app
