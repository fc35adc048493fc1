"""The report of a run in a real browser: what a guest wrote, and names, are only text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from memnotify import host
from memnotify.cli.main import main
from memnotify.results.folder import read_json, seal_results
from playwright.sync_api import Browser, expect

from tests.support.browser import chromium, reading
from tests.support.drawn import CAMPAIGN, made_up_run
from tests.support.hostile_run import HOSTILE, hostile_run
from tests.support.report_pages import EXPECT, guest


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run, a guest of which has printed much that a browser must not take for markup."""
    run = hostile_run(tmp_path_factory.mktemp("hostile"))
    consoles = run.glob("cells/*/console.log")
    console = next(path for path in consoles if b"script" in path.read_bytes())
    line = HOSTILE.replace("\0", "") + "</script><img src=x onerror=alert(1)>\n"
    console.write_text(line * 3000)
    manifest = read_json(console.with_name("manifest.json"))
    del manifest["seal"]
    seal_results(console.parent, manifest)
    return run


@pytest.fixture(scope="module")
def browser(hostile: Path) -> Iterator[Browser]:
    """Return the browser. No campaign can run beside its loop of events."""
    with chromium() as found:
        yield found


def test_what_a_guest_wrote_is_only_text(browser: Browser, hostile: Path, tmp_path: Path) -> None:
    page_file = tmp_path / "report.html"
    assert main(["report", str(hostile), "-o", str(page_file)]) == 0
    consoles = hostile.glob("cells/*/console.log")
    cell = next(path.parent.name for path in consoles if b"script" in path.read_bytes())
    with reading(browser, page_file) as reader:
        page = reader.ready()
        assert page.locator("img").count() == 0
        expect(page.locator(".facts")).to_contain_text(str(host.machine()))
        reader.open_cell(cell)
        text = page.locator("#cell .console pre").inner_text()
        assert "</script><img src=x onerror=alert(1)>" in text
        assert "\u202e" not in text and "\\u202e" in text and "\x1b" not in text
        assert page.locator("img").count() == 0
        expect(page.locator("#timeline")).not_to_contain_text("cannot be drawn")


MARKUP = '"><img src=x onerror=alert(1)>'


def test_names_are_only_text(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = (CAMPAIGN + EXPECT).replace('"the later one wakes few"', f"'{MARKUP}'")
    made = [
        guest(f"c{n}", 2, series=f"{MARKUP}{n}", scenario=MARKUP, name=MARKUP) for n in range(2)
    ]
    run = made_up_run(tmp_path / f"run {MARKUP}", made, campaign=campaign)
    (run / "cells" / "c0" / MARKUP).write_text("x")
    page_file = tmp_path / "report.html"
    assert main(["report", str(run), "-o", str(page_file)]) == 0
    with reading(browser, page_file) as reader:
        page = reader.ready()
        for place in ("#expected", ".facts", "#filters", ".heat", "#compare"):
            expect(page.locator(place).first).to_contain_text("onerror=alert(1)")
        reader.open_cell("c0")
        expect(page.locator("#timeline .picture svg")).to_be_visible(timeout=60_000)
        link = page.locator("#cell .files a", has_text="onerror")
        assert (page_file.parent / unquote(str(link.get_attribute("href")))).is_file()
        assert page.locator("img").count() == 0
    # The campaign's own name is one that is safe anywhere, or there is no report.
    (run / "campaign.toml").write_text(CAMPAIGN.replace('"made-up"', f"'{MARKUP}'"))
    assert main(["report", str(run), "-o", str(page_file)]) == 2
    assert "is not a name" in capsys.readouterr().err
