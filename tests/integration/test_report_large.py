"""The report of a run of many cells: all figures of all cells, few views, and what is left out."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from memnotify.check.reaction import UNITS
from memnotify.cli.main import main
from memnotify.report.page import compared, gather, large
from memnotify.report.page import page as markup
from memnotify.results import dataset, folder, looked
from playwright.sync_api import Browser, expect

from tests.support.browser import reading
from tests.support.drawn import Guest, made_up_log, made_up_run

CELLS = 40
WALL_SECONDS = (0.25, 2.25, 12, 0.35, 100.5, 101.5, 99.95)
"""Halves to round, 0.35, which is less as a float, and a whole number among the decimals."""


def guests() -> list[Guest]:
    made: list[Guest] = []
    for n in range(CELLS):
        series = "v4" if n % 2 else "v3"
        point: dict[str, Any] = {
            "series": series,
            "memory_mib": 64 + 32 * (n % 4 // 2),
            "repeat": n,
            "wall_seconds": WALL_SECONDS[n % len(WALL_SECONDS)],
        }
        if n == 17:
            point["outcome"] = "finding:oom-kill"
        made.append((f"c{n:02}", made_up_log({9.0: 1 + n % 2}), {**point, "max_batch": n}))
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "MANY", 5)
        patch.setattr(dataset, "_AT_ONCE", CELLS)
        return made_up_run(tmp_path_factory.mktemp("large") / "run", guests())


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "MANY", 30)
        patch.setattr(large, "VIEWS", 3)
        patch.setattr(large, "ROWS", 7)
        assert main(["report", str(run)]) == 0
    return run / "report.html"


def test_what_is_left_out_is_said(file: Path) -> None:
    text = file.read_text()
    assert "Worth a look" in text and "promises not checked in 37 cells" in text
    said = re.search(r"<dt>Left out</dt><dd>(.*?)</dd>", text)
    assert said is not None
    assert "all but 3 cells" in said[1] and "memnotify check" in said[1]
    assert "comparisons of more than 7 settings" in said[1] and "200 dots" in said[1]
    assert "The first 7 of 40 cells" in text
    assert text.count('<tr class="passed"><th') == 7  # in the table of cells
    views = re.findall(r'id="data-(c\d+)"', text)
    assert len(views) == 3 and "c17" in views  # the finding is looked at first


def test_all_cells_can_be_found_and_taken_out(browser: Browser, file: Path) -> None:
    with reading(browser, file) as reader:
        page = reader.ready()
        rows = page.locator("#table tbody tr")
        expect(rows).to_have_count(CELLS)
        page.locator("#filters select[name=series]").select_option("v4")
        expect(rows).to_have_count(CELLS // 2)
        expect(page.locator("#count")).to_have_text(f"20 of {CELLS} cells")
        saved = list(csv.DictReader(reader.saved("cells.csv").open()))
        assert {row["series"] for row in saved} == {"v4"} and len(saved) == 20
        assert [row["max_batch"] for row in saved] == [str(n) for n in range(1, CELLS, 2)]
        page.get_by_role("button", name="show all", exact=True).click()
        by_batch = page.locator("#table th[data-name=max_batch] button")
        by_batch.press("Enter")
        by_batch.press("Enter")
        assert rows.locator("th").all_inner_texts()[:3] == ["c39", "c38", "c37"]
        page.get_by_label("search").fill("oom-kill")
        expect(rows).to_have_count(1)
        assert rows.locator("th").all_inner_texts() == ["c17"]
    assert reader.faults == []


def test_rows_read_the_same_with_scripts_and_without(browser: Browser, file: Path) -> None:
    found = []
    for scripts in (False, True):
        with reading(browser, file, java_script_enabled=scripts) as reader:
            page = reader.ready() if scripts else reader.page
            rows = page.locator("#table tbody tr").all()[:7]
            found.append([row.locator("th, td").all_inner_texts() for row in rows])
    assert found[0] == found[1]
    assert [row[-3] for row in found[0]] == ["0.3", "2.3", "12.0", "0.3", "101", "102", "100.0"]


def test_figures_are_rounded_the_same_with_scripts_and_without(browser: Browser) -> None:
    script = (Path(markup.__file__).parent / "js" / "base.js").read_text()
    values = [n / 1000 for n in range(-1_000, 130_000, 25)]
    assert {0.125, 0.25, 0.35, 12.25, 100.5, 101.5} <= set(values)
    tab = browser.new_page()
    written = tab.evaluate(f"values => {{ {script}\n return values.map(decimal); }}", values)
    tab.close()
    ours = [markup._figure(value, decimals=True) for value in values]
    assert dict(zip(values, ours, strict=True)) == dict(zip(values, written, strict=True))


def test_each_cell_has_an_outline_or_a_view(browser: Browser, file: Path, run: Path) -> None:
    with reading(browser, file) as reader:
        reader.ready()
        page = reader.open_cell("c30")
        expect(page.locator("#cell")).to_contain_text("too large for a page with the timeline")
        expect(
            page.locator("#cell dd[title=repeat], #cell dt", has_text="repeat").first
        ).to_be_visible()
        commands = page.locator("#cell .command code").all_inner_texts()
        assert f"memnotify show {run} c30" in commands
        link = page.locator("#cell .files a")
        assert (file.parent / str(link.get_attribute("href"))).resolve() == run / "cells" / "c30"
        page = reader.open_cell("c17")
        expect(page.locator("#cell h3", has_text="Console")).to_be_visible()
        page.get_by_role("link", name="previous cell").click()
        expect(page.locator("#cell-title")).to_contain_text("c16")
    assert reader.faults == []


def test_columns_keep_every_value_and_its_type() -> None:
    rows = [
        {"a": 1, "b": "x", "c": [1], "d": n, "e": True, "f": None} | ({"g": 1.0} if n else {"g": 1})
        for n in range(8)
    ]
    packed = json.loads(json.dumps(large.columns(rows)))
    assert packed["columns"]["a"] == {"of": [1]} and packed["columns"]["d"] == list(range(8))
    for name, column in packed["columns"].items():
        of, at = (
            (column, range(8)) if isinstance(column, list) else (column["of"], column.get("at"))
        )
        values = [of[place] for place in (at if at is not None else [0] * 8)]
        assert list(map(repr, values)) == [repr(row[name]) for row in rows]


def test_a_group_keeps_its_extremes() -> None:
    many = [float(n * 7919 % 1000) for n in range(1000)]
    some = compared._some(many)
    assert len(some) == compared.DOTS and (some[0], some[-1]) == (0.0, 999.0)
    assert compared._some(many[:50]) == many[:50]


def test_no_file_of_a_cell_is_read_for_the_overview(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("read_verdict", "read_manifest"):
        monkeypatch.setattr(looked, name, lambda path: pytest.fail(f"{path} is read"))
    seen = looked.Looked.at(folder.RunFolder(run))
    outlines = list(gather.outline(seen, seen.run.plan()))
    assert [cell.report.row["max_batch"] for cell in outlines] == list(range(CELLS))
    assert all(cell.unchecked and cell.reaction.keys() == UNITS.keys() for cell in outlines)
    assert outlines[0].manifest is outlines[1].manifest
