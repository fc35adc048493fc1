"""The report of a run for all readers: on phones and paper, in the dark, without scripts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from playwright.sync_api import Browser, expect

from tests.support.browser import PHONE, reading
from tests.support.drawn import CAMPAIGN, made_up_run
from tests.support.report_pages import EXPECT, guests, violations


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_run(
        tmp_path_factory.mktemp("page") / "run", guests(), campaign=CAMPAIGN + EXPECT
    )


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    assert main(["report", str(run)]) == 0
    return run / "report.html"


def test_a_phone_says_what_is_wider_than_it(browser: Browser, file: Path) -> None:
    with reading(browser, file, viewport=PHONE) as reader:
        page = reader.ready()
        expect(page.locator("#cells .scroll.sideways")).to_be_visible()
        reader.open_cell("v4-64-2")
        expect(page.locator("#timeline .picture.sideways svg")).to_be_visible(timeout=60_000)


@pytest.mark.parametrize(
    "options", [{}, {"color_scheme": "dark"}, {"viewport": PHONE}], ids=["light", "dark", "phone"]
)
def test_everybody_can_read_it(browser: Browser, file: Path, options: dict[str, Any]) -> None:
    with reading(browser, file, **options) as reader:
        page = reader.ready()
        assert violations(page) == []
        assert reader.overflow() <= 0
        reader.open_cell("v6-oom")
        expect(page.locator("#timeline .picture svg")).to_be_visible(timeout=60_000)
        assert violations(page) == []
        assert reader.overflow() <= 0


def test_dark_paper_has_light_ink(browser: Browser, file: Path) -> None:
    shades = []
    for scheme in ("light", "dark"):
        with reading(browser, file, color_scheme=scheme) as reader:
            page = reader.ready()
            style = "getComputedStyle(document.body)"
            shades.append(page.evaluate(f"[{style}.color, {style}.backgroundColor]"))
            black = "document.querySelector('.picture [fill=\"#000000\"]')"
            ink = page.evaluate(f"getComputedStyle({black}).fill")
            assert ink == ("rgb(0, 0, 0)" if scheme == "light" else "rgb(244, 244, 244)")
    assert shades[0] != shades[1]


def test_print_cuts_no_column(browser: Browser, file: Path, tmp_path: Path) -> None:
    with reading(browser, file) as reader:
        page = reader.ready()
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 1032, "height": 700})  # A4 across, without its margins
        cut = page.evaluate(
            "[...document.querySelectorAll('table')].filter(table => "
            "table.getBoundingClientRect().right > innerWidth + 1)"
            ".map(table => table.dataset.table)"
        )
        assert cut == []
        printed = tmp_path / "report.pdf"
        page.pdf(path=printed, prefer_css_page_size=True)
    if shutil.which("pdftotext"):
        done = subprocess.run(
            ["pdftotext", "-layout", printed, "-"], capture_output=True, text=True, check=True
        )
        assert "outcome" in done.stdout and "finding:oom-kill" in done.stdout


def test_without_scripts_all_tables_are_there(browser: Browser, file: Path) -> None:
    with reading(browser, file, java_script_enabled=False) as reader:
        page = reader.page
        expect(page.locator("noscript p")).to_be_visible()
        assert len(page.locator("#table tbody tr").all()) == 13
        expect(page.locator("#matrix")).to_be_hidden()
        expect(page.locator("#expected td.outcome")).to_contain_text("NOT met")
