"""Debian's Chromium, headless: opens a page as a reader does, and notes what it should not do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Download, Page, sync_playwright

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser. A machine without it skips the test."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium: make setup-dev installs Debian's")
    with sync_playwright() as playwright:
        # Its sandbox refuses to run as root.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """A page in a browser. `faults` has whatever its console says and whatever it asks for."""

    def __init__(self, browser: Browser, file: Path, **options: Any) -> None:
        self.faults: list[str] = []
        self.context = browser.new_context(**{"viewport": WIDE, **options})
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.on("request", lambda request: self._asked(request.url))
        self._own = file.as_uri()
        self.page.goto(self._own)

    def _asked(self, url: str) -> None:
        # A picture in the page, and what the reader saves, come from the page itself.
        if url.partition("#")[0] != self._own and not url.startswith(("data:", "blob:")):
            self.faults.append(f"asked for {url}")

    def ready(self) -> Page:
        self.page.wait_for_selector("html[data-ready]", timeout=120_000)
        return self.page

    def open_cell(self, cell: str) -> Page:
        self.page.evaluate("name => { location.hash = name }", cell)
        self.page.wait_for_selector("#cell-title", timeout=60_000)
        return self.page

    def saved(self, button: str) -> Path:
        """Press a button that saves a file, and return the file."""
        with self.page.expect_download() as caught:
            self.page.get_by_role("button", name=button, exact=True).first.click()
        download: Download = caught.value
        return Path(download.path())

    def overflow(self) -> int:
        """Return how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def close(self) -> None:
        self.context.close()


@contextmanager
def reading(browser: Browser, file: Path, **options: Any) -> Iterator[Reader]:
    reader = Reader(browser, file, **options)
    try:
        yield reader
    finally:
        reader.close()
    if reader.faults:
        pytest.fail(f"the page has faults: {reader.faults}")
