"""How long `memnotify report` takes over 1,000 cells, and how fast Chromium shows and filters them.

The run is made up, but written by the functions that write real ones. The page is opened in a new
context each time: what counts is when the browser has painted something, when the page can be used,
and how long a choice of a series takes until the next frame is painted. A busy host only adds time,
so the best of several rounds counts.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from compare import CELLS, RECORDS_EACH, SERIES, made_up_cell, made_up_log, make_run
from guests import Figure, parser, publish, say
from memnotify import process
from memnotify.environment import PYTHON
from memnotify.errors import InfrastructureError
from memnotify.results.folder import CAMPAIGN
from memnotify.store import Store
from playwright.sync_api import Browser, sync_playwright

ROUNDS = 5
PATIENCE_S = 1_800.0
MIB, PAINT_S, FILTER_S = 15.0, 2.0, 0.1
CAMPAIGN_TEXT = """\
name = "made-up"
kernel = { base = "6.1" }
matrix = { series = ["v3", "v4", "v5", "v6"], memory_mib = 64, machine = "pc", scenario = "grow" }

[scenario.grow]
duration_s = 60.0

[[scenario.grow.step]]
at_s = 0.0
clients = { kind = "poll", count = 200 }
"""
PAINTED = """() => new Promise(found => new PerformanceObserver(list => {
    for (const one of list.getEntries())
        if (one.name === 'first-contentful-paint') found(one.startTime);
}).observe({ type: 'paint', buffered: true }))"""
FILTERED = """() => new Promise(done => {
    const select = document.querySelector('#filters select[name=series]');
    select.value = select.value ? '' : 'v5';
    const started = performance.now();
    select.dispatchEvent(new Event('change'));
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - started)));
})"""
OPENED = """() => new Promise(done => {
    const cells = [...document.querySelectorAll('#table a')];
    const started = performance.now();
    location.hash = cells[cells.length >> 1].getAttribute('href');
    const look = () => document.querySelector('#timeline svg')
        ? done(performance.now() - started) : setTimeout(look, 5);
    look();
})"""


def page_figures(browser: Browser, file: Path) -> dict[str, float]:
    """Return the times in seconds of one reader who opens the page."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    started = time.monotonic()
    page.goto(file.as_uri(), wait_until="commit", timeout=PATIENCE_S * 1000)
    page.wait_for_selector("html[data-ready]", timeout=PATIENCE_S * 1000)
    ready = time.monotonic() - started
    painted = float(page.evaluate(PAINTED)) / 1000
    filters = [float(page.evaluate(FILTERED)) / 1000 for _ in range(4)]
    opened = float(page.evaluate(OPENED)) / 1000
    page.close()
    return {"painted": painted, "ready": ready, "filter": max(filters), "opened": opened}


def main() -> int:
    args = parser(__doc__).parse_args()
    program = shutil.which("chromium")
    if program is None:
        raise InfrastructureError("missing", "there is no chromium", hint="make setup-dev")
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        folder = Path(name)
        random = np.random.default_rng(2008)
        cells = [made_up_cell(series, seed) for seed in range(CELLS // 4) for series in SERIES]
        make_run(folder / "run", cells, lambda: made_up_log(random))
        (folder / "run" / CAMPAIGN).write_text(CAMPAIGN_TEXT)
        file = folder / "report.html"
        words = [sys.executable, "-m", "memnotify", "report", str(folder / "run"), "-o", str(file)]
        started = time.monotonic()
        process.run(words, timeout=PATIENCE_S, allow=[PYTHON])
        written = time.monotonic() - started
        size = file.stat().st_size / 2**20
        say(f"{CELLS} cells of {RECORDS_EACH} records: {size:.1f} MiB in {written:.1f} s")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            rounds = [page_figures(browser, file) for _ in range(ROUNDS)]
            browser.close()
    least: Callable[[str], float] = lambda key: min(one[key] for one in rounds)  # noqa: E731
    publish(
        [
            Figure(f"report of {CELLS} cells, its size", size, "MiB", MIB),
            Figure("first paint in Chromium", least("painted"), "s", PAINT_S),
            Figure("the same, until it can be used", least("ready"), "s"),
            Figure("a filter, the slowest of four", least("filter"), "s", FILTER_S),
            Figure("the view of a cell, with its timeline", least("opened"), "s"),
            Figure("memnotify report, to write it", written, "s"),
        ],
        args.json,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
