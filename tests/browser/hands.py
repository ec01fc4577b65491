"""How a person works a page: by mouse, or by keyboard alone. Journeys are written once for both."""

from __future__ import annotations

from typing import Protocol

from playwright.sync_api import Locator, Page

MOST_STOPS = 200
# What a person sees of the focus: an outline of two pixels and more on the element that has it.
_FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    name: element.outerHTML.slice(0, 160),
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


class Hands(Protocol):
    """What journeys need of them."""

    def press(self, target: Locator) -> None:
        """Press a button, follow a link, open a fold."""

    def write(self, target: Locator, text: str) -> None:
        """Put ``text`` into a field in place of what stands there."""

    def choose(self, target: Locator, label: str) -> None:
        """Choose from a list."""

    def tick(self, target: Locator) -> None:
        """Tick a box."""


class Mouse:
    """Points and clicks. Needs no script on the page."""

    def press(self, target: Locator) -> None:
        target.click()

    def write(self, target: Locator, text: str) -> None:
        target.fill(text)

    def choose(self, target: Locator, label: str) -> None:
        target.select_option(label=label)

    def tick(self, target: Locator) -> None:
        target.check()


class Keyboard:
    """Tab, Enter, Space and letters. Every stop on the way must show the focus."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.stops = 0

    def press(self, target: Locator) -> None:
        self._reach(target)
        self._page.keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        self._reach(target)
        self._page.keyboard.press("ControlOrMeta+a")
        # As pasting does: secrets are not typed letter by letter.
        self._page.keyboard.insert_text(text)

    def choose(self, target: Locator, label: str) -> None:
        self._reach(target)
        self._page.keyboard.type(label)

    def tick(self, target: Locator) -> None:
        self._reach(target)
        self._page.keyboard.press("Space")

    def _reach(self, target: Locator) -> None:
        target.wait_for()
        # Whoever comes to a page starts wherever its script or address put the focus.
        for _ in range(MOST_STOPS):
            if target.evaluate("element => element === document.activeElement"):
                return
            self._page.keyboard.press("Tab")
            self._look()
        raise AssertionError(f"Tab does not reach {target}")

    def _look(self) -> None:
        focus = self._page.evaluate(_FOCUS)
        if focus is None:  # between the last element and the first: the browser's own bar
            return
        self.stops += 1
        assert focus["outline"] >= 2, f"no visible focus on {focus['name']}"
        assert focus["isInView"], f"the focus is out of view on {focus['name']}"
