"""Canaille in a process of its own: its extensions and contexts stay out of the tests.

``python -m tests.providers.canaille_server`` prints one line of JSON,
``{"issuer": ...}``, and serves until it is ended. POST /_test/clients and
/_test/persons add to its tables; only loopback can reach them.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import uuid
from typing import Any

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from flask import Flask, request
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

from tests.support.ports import free_port


def configuration(port: int) -> dict[str, Any]:
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    return {
        "TESTING": False,
        "ENV_FILE": None,
        "SECRET_KEY": str(uuid.uuid4()),
        "WTF_CSRF_ENABLED": False,
        "PREFERRED_URL_SCHEME": "http",
        "SERVER_NAME": f"localhost:{port}",
        "CANAILLE": {
            "DATABASE": "memory",
            "JAVASCRIPT": False,
            "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}},
            "LOGGING": {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {},
                "handlers": {"null": {"class": "logging.NullHandler"}},
                "loggers": {"canaille": {"level": "ERROR", "handlers": ["null"]}},
            },
        },
        # A client whose site is in a trusted domain needs no consent page.
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [key.as_dict(private=True)],
            "TRUSTED_DOMAINS": [".localhost"],
        },
    }


def add_controls(app: Flask) -> None:
    @app.post("/_test/clients")
    def add_client() -> tuple[str, int]:
        entry = request.get_json()
        client = models.Client(
            client_id=entry["client_id"],
            client_name=entry["client_id"],
            client_secret=entry.get("client_secret"),
            client_uri="http://portal.localhost",
            client_id_issued_at=datetime.datetime.now(datetime.UTC),
            redirect_uris=entry["redirect_uris"],
            post_logout_redirect_uris=[],
            token_endpoint_auth_method=entry["token_endpoint_auth_method"],
            grant_types=["authorization_code"],
            response_types=["code"],
            scope=["openid", "email", "profile"],
        )
        Backend.instance.save(client)
        client.audience = [client]  # whom its tokens are for; registering by protocol does the same
        Backend.instance.save(client)
        return "", 204

    @app.post("/_test/persons")
    def add_person() -> tuple[str, int]:
        entry = request.get_json()
        Backend.instance.save(
            models.User(
                formatted_name=entry["sub"],
                family_name=entry["sub"],
                user_name=entry["sub"],
                emails=[entry["email"]],
                password=entry["password"],
            )
        )
        return "", 204


def main() -> None:
    port = free_port()
    app = create_app(config=configuration(port), env_file=".canaille-tests.env", env_prefix="CANAILLE_TESTS_")
    add_controls(app)
    server = make_server("127.0.0.1", port, app, threaded=True)
    sys.stdout.write(json.dumps({"issuer": f"http://localhost:{port}"}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
