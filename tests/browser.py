"""A real browser over the console: every page opened, nothing said on its console, nothing asked of elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# The flags that keep Chromium from calling its maker.
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, headless, as the system has it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail("Chromium is needed: deploy/setup.sh browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield started
        started.close()


def serious(page: Page) -> list[str]:
    """What of a page keeps people out, by axe's names."""
    found = Axe().run(page).response["violations"]
    return [one["id"] for one in found if one["impact"] in ("serious", "critical")]


class Watched:
    """A page whose complaints and requests are kept."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: self._is_ours(asked.url) or self.elsewhere.append(asked.url))

    def open(self, address: str) -> Page:
        """The page behind `#/address`, drawn."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/#/{address}")
        self.page.wait_for_selector("[data-ready]")
        return self.page

    def _is_ours(self, url: str) -> bool:
        return url.startswith((self.base, "about:", "data:", "blob:"))
