"""Pages of a real browser: desktop or phone, light or dark, each with cookies of its own."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page

SIZES = {"desktop": (1280, 900), "phone": (360, 740), "narrow": (320, 640)}


class Browsing:
    """Opens pages, and closes what it opened."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []

    def new_page(
        self,
        size: Literal["desktop", "phone", "narrow"] = "desktop",
        scheme: Literal["light", "dark"] = "light",
        *,
        has_script: bool = True,
    ) -> Page:
        """Open a page in a new context: nobody's cookies are in it."""
        width, height = SIZES[size]
        context = self._chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            has_touch=size != "desktop",
            java_script_enabled=has_script,
            reduced_motion="reduce",
        )
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        return context.new_page()

    def close(self) -> None:
        for context in self._contexts:
            context.close()
