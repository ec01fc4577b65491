"""Make the pictures of the documents: ``python -m tests.browser.screenshots [FOLDER [NAME ...]]``.

Without names: those that the documents show, into docs/pictures. With ``all``
or names of views (tests/browser/pages.py): those, for looking through, at
desktop and phone width, light and dark. PORT and PROVIDER_PORT as for ./run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import demo_journey, pages, stage
from tests.browser.someone import CONFIDENTIAL, SECURITY, Someone
from tests.browser.stage import Demo
from tests.support import browser as chromium
from tests.support.browsing import Browsing
from tests.support.live_portal import ROOT

PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 200_000
OF_THE_DOCUMENTS = {
    "sign-in.png": "agent-sign-in-remembered",
    "agent-home.png": "agent-home",
    "failure.png": "failure",
}


@contextmanager
def _open(*, ports: tuple[int, int] | None = None) -> Iterator[tuple[Demo, Browsing]]:
    path = chromium.find_chromium()
    if path is None:
        raise SystemExit(chromium.MISSING)
    with (
        tempfile.TemporaryDirectory() as folder,
        stage.demo(Path(folder), ports=ports) as demo,
        sync_playwright() as playwright,
    ):
        running = playwright.chromium.launch(executable_path=path, args=chromium.arguments())
        yield demo, Browsing(running)
        running.close()


def _take(page: Page, file: Path, *, whole: bool = False) -> None:
    # Nothing a person did not ask for: no hover, no focus of the last press.
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    page.screenshot(path=file, full_page=whole)


def _for_the_documents(folder: Path) -> None:
    # The ports of ./run, so that the pictures show what a reader will see.
    ports = (int(os.environ.get("PORT", "8000")), int(os.environ.get("PROVIDER_PORT", "9000")))
    with _open(ports=ports) as (demo, browsing):
        someone = Someone(browsing.new_page(), demo.portal)
        someone.page.set_viewport_size({"width": 1280, "height": 1500})
        _security(demo, someone)
        _take(someone.page, folder / "security.png")
        for file, name in OF_THE_DOCUMENTS.items():
            visitor = Someone(browsing.new_page(), demo.portal)
            visitor.page.set_viewport_size({"width": 1280, "height": 760})
            next(view for view in pages.EVERY if view.name == name).reach(demo, visitor)
            _take(visitor.page, folder / file)
        browsing.close()
    for picture in folder.glob("*.png"):
        size = picture.stat().st_size
        if size > MOST_BYTES:
            raise SystemExit(f"{picture.name} has {size} bytes, more than {MOST_BYTES}.")


def _security(demo: Demo, someone: Someone) -> None:
    """Show the set-up half done: the application exists, its values are typed in and checked."""
    someone.sign_in_with_password("portal", "operator", "care")
    someone.turn_single_sign_on("Globex", on=True, ticket=demo_journey.TICKET)
    someone.sign_out()
    someone.sign_in_with_password("portal", "globex", "sysadmin")
    someone.visit("portal", SECURITY)
    someone.read_instructions(CONFIDENTIAL)
    application = demo_journey.create_application(demo, someone, someone.copy_urls())
    someone.visit("portal", SECURITY)
    someone.read_instructions(CONFIDENTIAL)
    someone.paste_values(application, demo.issuer)
    someone.check()
    # Steps 1 and 2 are folded, as somebody does who has followed them.
    for step in (1, 2):
        someone.page.locator(f"#step-{step} > details > summary").click()
    someone.page.evaluate("scrollTo(0, 0)")


def _for_looking(folder: Path, names: set[str]) -> None:
    with _open() as (demo, browsing):
        for view in pages.EVERY:
            if "all" not in names and view.name not in names:
                continue
            for size, scheme in (
                ("desktop", "light"),
                ("desktop", "dark"),
                ("phone", "light"),
                ("phone", "dark"),
            ):
                someone = Someone(browsing.new_page(size, scheme), demo.portal)  # type: ignore[arg-type]
                view.reach(demo, someone)
                _take(someone.page, folder / f"{view.name}-{size}-{scheme}.png", whole=True)
            browsing.close()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        _for_looking(folder, set(sys.argv[2:]))
    else:
        _for_the_documents(folder)


if __name__ == "__main__":
    main()
