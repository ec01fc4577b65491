"""``python -m lvportal.demo``: serve the demo provider on loopback until it is ended."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from pathlib import Path

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from lvportal.demo.provider import create_demo_provider
from lvportal.demo.store import WEB, Application, Store

ACME_CLIENT_ID = "lv-portal-acme"
ACME_NAME = "LV Portal (acme)"


class Quiet(WSGIRequestHandler):
    """Logs nothing: queries hold codes."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


def acme_application(store: Store, secret: str, redirect_uris: tuple[str, ...]) -> None:
    """Register the demo data's own application, or bring it up to date with this start's addresses."""
    store.put(Application(ACME_CLIENT_ID, ACME_NAME, WEB, secret, redirect_uris))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lvportal.demo", description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("instance/demo-provider.json"))
    parser.add_argument("--host", default="provider.localhost", help="the name in the issuer")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--secret-file", type=Path, help="the secret of the demo data's application")
    parser.add_argument("--redirect-uri", action="append", default=[], help="one of its redirect URIs")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    store = Store(given.store)
    if given.secret_file is not None:
        acme_application(store, given.secret_file.read_text("utf-8").strip(), tuple(given.redirect_uri))
    app = create_demo_provider(store, f"http://{given.host}:{given.port}")
    try:
        # Loopback only: at this provider anybody may sign in as anybody.
        server = ThreadedWSGIServer("127.0.0.1", given.port, app, handler=Quiet)
    except OSError:
        sys.stderr.write(f"Port {given.port} is taken: end what uses it, or choose another.\n")
        return 1
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
