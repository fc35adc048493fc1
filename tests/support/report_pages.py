"""What tests of reports in a browser share: runs, and what is read from a page."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.support.drawn import Guest, made_up_log

EXPECT = """
[[expect]]
says = "the later one wakes few"
series = "v4"
what = "max_batch < 3"
"""


def guest(cell: str, size: int, **point: Any) -> Guest:
    return cell, made_up_log({9.0: size} if size else {}), point


def guests(v4: int = 16) -> list[Guest]:
    made = [
        guest(
            f"{series}-{memory}-{seed}",
            size + seed - 1,
            series=series,
            memory_mib=memory,
            repeat=seed,
            max_batch=size,
            wall_seconds=1.25,
        )
        for series, size in (("v3", 1), ("v4", v4))
        for memory in (64, 96)
        for seed in (1, 2, 3)
    ]
    return [*made, guest("v6-oom", 0, series="v6", outcome="finding:oom-kill")]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def name_of(page: Page) -> str:
    return page.locator("#cell-title").inner_text()
