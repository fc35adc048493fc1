"""The report of a run in a real browser: what a reader sees and does."""

from __future__ import annotations

import csv
import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from memnotify.cli.main import main
from memnotify.results.folder import RunFolder
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import reading
from tests.support.drawn import CAMPAIGN, made_up_run
from tests.support.report_pages import EXPECT, guest, guests, name_of, violations

SVG = "{http://www.w3.org/2000/svg}svg"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_run(
        tmp_path_factory.mktemp("page") / "run", guests(), campaign=CAMPAIGN + EXPECT
    )


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    assert main(["report", str(run)]) == 0
    return run / "report.html"


def visible(page: Page) -> list[str]:
    return page.locator("#table tbody tr:visible th").all_inner_texts()


def test_overview(browser: Browser, file: Path) -> None:
    with reading(browser, file) as reader:
        page = reader.ready()
        expect(page.locator("#verdict")).to_contain_text("Failed: 1 of 1 expectation not met")
        for part in ("wrong", "expected", "matrix", "cells", "compare", "origin"):
            expect(page.locator(f"#{part} h2")).to_be_visible()
        expect(page.locator("#compare figcaption")).to_contain_text("Medians: v3 2, v4 17")
        assert page.locator("#compare td", has_text=re.compile(r"17 \[16, 18\] \(3 runs\)")).count()
        edges = page.locator("#compare :is(th, td)").evaluate_all(
            "cells => cells.map((cell) => [cell.cellIndex, getComputedStyle(cell).textAlign])"
        )
        assert len(edges) > 10
        assert all(edge == ("left" if column == 0 else "right") for column, edge in edges)


@pytest.mark.parametrize("width", [1000, 1200, 1280])
def test_headings_of_cells_do_not_run_into_each_other(
    browser: Browser, file: Path, width: int
) -> None:
    with reading(browser, file, viewport={"width": width, "height": 900}) as reader:
        edges = (
            reader.ready()
            .locator("#table thead th")
            .evaluate_all(
                """heads => heads.map((head) => {
                const text = document.createRange();
                text.selectNodeContents(head);
                const { left, right } = text.getBoundingClientRect();
                return [left, right];
            })"""
            )
        )
    assert len(edges) > 8
    assert [pair for pair in itertools.pairwise(edges) if pair[0][1] >= pair[1][0]] == []


def test_filters_sorting_and_search(browser: Browser, file: Path) -> None:
    with reading(browser, file) as reader:
        page = reader.ready()
        assert len(visible(page)) == 13
        page.get_by_label("search").fill("v3-96")
        assert len(visible(page)) == 3
        page.get_by_role("button", name="show all").click()
        page.locator("#filters select[name=series]").select_option("v4")
        assert set(visible(page)) == {f"v4-{m}-{s}" for m in (64, 96) for s in (1, 2, 3)}
        assert page.locator(".heat thead th").all_inner_texts() == ["setting", "v4"]
        page.get_by_role("button", name="show all").click()
        page.locator("#filters select[name=outcome]").select_option("failed")
        assert visible(page) == ["v6-oom"]
        page.get_by_role("button", name="show all").click()
        by_batch = page.locator("#table th[data-name=max_batch] button")
        by_batch.focus()
        for order in ("ascending", "descending"):
            page.keyboard.press("Enter")
            column = page.locator("#table th[data-name=max_batch]")
            assert column.get_attribute("aria-sort") == order
            at = page.evaluate("document.querySelector('th[data-name=max_batch]').cellIndex")
            texts = page.locator(f"#table tbody tr td:nth-child({at + 1})").all_inner_texts()
            numbers = [float(text) for text in texts if text != "-"]
            assert numbers == sorted(numbers, reverse=order == "descending")


def test_a_tile_of_the_matrix_leads_to_the_cell(browser: Browser, file: Path) -> None:
    with reading(browser, file) as reader:
        page = reader.ready()
        marked = page.locator(".heat td.marked a")
        assert marked.count() == 1 and "oom-kill" in str(marked.get_attribute("aria-label"))
        marked.press("Enter")
        expect(page.locator("#cell-title")).to_be_focused()
        expect(page.locator("#overview")).to_be_hidden()
        page.go_back()
        expect(page.locator("#overview")).to_be_visible()
        page.get_by_label("rows").select_option("memory_mib")
        page.get_by_label("columns").select_option("series")
        tile = page.locator(".heat tbody tr").first.locator("a").first
        assert "×3" in tile.inner_text()
        tile.click()
        assert set(visible(page)) == {"v3-64-1", "v3-64-2", "v3-64-3"}


def test_the_timeline_of_a_cell_can_be_zoomed(browser: Browser, file: Path) -> None:
    with reading(browser, file) as reader:
        reader.ready()
        page = reader.open_cell("v4-64-2")
        picture = page.locator("#timeline .picture svg")
        expect(picture).to_be_visible(timeout=60_000)
        ticks = picture.locator("text", has_text=re.compile(r"^8\.2$"))
        assert ticks.count() == 0
        page.get_by_label("from, s").fill("8")
        page.get_by_label("from, s").press("Enter")
        expect(ticks.first).to_be_visible(timeout=60_000)
        page.get_by_role("button", name="show the whole run").click()
        expect(ticks).to_have_count(0, timeout=60_000)
        drawn = ET.parse(reader.saved(f"{name_of(page)}-timeline.svg")).getroot()
        assert drawn.tag == SVG and "free memory" in "".join(drawn.itertext())


def test_the_timeline_is_zoomed_by_dragging(browser: Browser, file: Path) -> None:
    with reading(browser, file) as reader:
        reader.ready()
        page = reader.open_cell("v4-64-2")
        picture = page.locator("#timeline .picture svg")
        expect(picture).to_be_visible(timeout=60_000)
        # As wide as there is room for: 1280 pixels without the margins of the page.
        assert picture.evaluate("svg => svg.clientWidth") > 1150
        strip = picture.locator(".zoom_brush_bg, .brush_bg, [class*=brush] path").last
        expect(strip).to_be_attached()
        box = picture.bounding_box()
        assert box is not None
        y = box["y"] + box["height"] - 50  # in the strip, above its axis
        page.mouse.move(0, 0)
        page.evaluate("y => window.scrollBy(0, y)", y - 450)
        box = picture.bounding_box()
        assert box is not None
        y = box["y"] + box["height"] - 50
        ticks = picture.locator("text", has_text=re.compile(r"^8\.2$"))
        assert ticks.count() == 0
        page.mouse.dblclick(box["x"] + 300, y)  # nothing is chosen, so all is shown
        page.mouse.move(box["x"] + 0.8 * box["width"], y)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.85 * box["width"], y, steps=4)
        page.mouse.up()
        start = page.get_by_label("from, s")
        expect(start).not_to_have_value("0", timeout=60_000)
        low, high = (float(page.get_by_label(at).input_value()) for at in ("from, s", "to, s"))
        assert 5 < low < high < 10 and high - low < 3
        page.get_by_role("button", name="show the whole run").click()
        expect(start).to_have_value("0", timeout=60_000)


def test_of_many_rows_the_first_are_laid_out(browser: Browser, tmp_path: Path) -> None:
    many = [guest(f"c{n}", 1, series="v3" if n % 4 else "v4", repeat=n) for n in range(130)]
    run = made_up_run(tmp_path / "run", many)
    page_file = tmp_path / "many.html"
    assert main(["report", str(run), "-o", str(page_file)]) == 0
    with reading(browser, page_file) as reader:
        page = reader.ready()
        assert len(visible(page)) == 100
        expect(page.locator("#more")).to_contain_text("The first 100 of 130 rows.")
        assert len(list(csv.DictReader(reader.saved("cells.csv").open()))) == 130
        page.locator("#filters select[name=series]").select_option("v4")
        assert len(visible(page)) == 33
        expect(page.locator("#more")).to_be_hidden()
        page.get_by_role("button", name="show all", exact=True).click()
        page.locator("#table th[data-name=id] button").press("Enter")
        page.locator("#table th[data-name=id] button").press("Enter")
        assert visible(page)[:2] == ["c129", "c128"] and len(visible(page)) == 100
        page.get_by_role("button", name="show all rows").click()
        assert len(visible(page)) == 130
        page.emulate_media(media="print")
        assert len(visible(page)) == 130


def test_the_view_of_a_cell(browser: Browser, file: Path, run: Path) -> None:
    with reading(browser, file) as reader:
        reader.ready()
        page = reader.open_cell("v6-oom")
        expect(page.locator("#cell .badge").first).to_have_text("finding:oom-kill")
        commands = page.locator("#cell .command code").all_inner_texts()
        for words in ("show", "replay", "gdb", "plot"):
            assert any(one.startswith(f"memnotify {words} {run} v6-oom") for one in commands)
        assert re.search(r"--record \d+$", commands[0])
        for link in page.locator("#cell .files a").all():
            assert (file.parent / str(link.get_attribute("href"))).is_file()
        page.get_by_role("link", name="previous cell").click()
        expect(page.locator("#cell-title")).to_contain_text("v4")


def test_tables_as_csv_and_parquet(browser: Browser, file: Path) -> None:
    with reading(browser, file) as reader:
        page = reader.ready()
        page.locator("#filters select[name=series]").select_option("v4")
        rows = list(csv.DictReader(reader.saved("cells.csv").open()))
        table = pq.read_table(reader.saved("cells.parquet"))
        assert [row["id"] for row in rows] == table["id"].to_pylist() == visible(page)
        assert table["wakeups"].to_pylist() == [int(row["wakeups"]) for row in rows]
        assert table["wakeups"].type == "int64" and table["wall_seconds"].type == "double"
        assert set(table["wall_seconds"].to_pylist()) == {1.25}
        page.get_by_role("button", name="show all").click()
        texts = [
            row["gate_to_first_ms"] for row in csv.DictReader(reader.saved("cells.csv").open())
        ]
        values = pq.read_table(reader.saved("cells.parquet"))["gate_to_first_ms"].to_pylist()
        assert values == [float(text) if text else None for text in texts]
        assert values.count(None) == 1  # nobody was woken
        for name in ("comparison", "expected", "origins"):
            text = list(csv.reader(reader.saved(f"{name}.csv").open()))
            found = pq.read_table(reader.saved(f"{name}.parquet"))
            assert found.column_names == text[0] and found.num_rows == len(text) - 1


@pytest.mark.parametrize("name", ["matrix", "comparison"])
def test_pictures_as_svg(browser: Browser, file: Path, name: str) -> None:
    with reading(browser, file) as reader:
        reader.ready()
        assert ET.parse(reader.saved(f"{name}.svg")).getroot().tag == SVG


def test_trend_of_several_runs(browser: Browser, tmp_path: Path) -> None:
    one = made_up_run(tmp_path / "one", guests())
    other = made_up_run(tmp_path / "other", guests(v4=12))
    started = '{"started": %.1f}\n'
    (one / "commands.jsonl").write_text(started % 1.7e9)
    (other / "commands.jsonl").write_text(started % 1.71e9)
    page_file = tmp_path / "trend.html"
    # The order of the words does not matter: the oldest run comes first.
    assert main(["report", str(other), str(one), "-o", str(page_file)]) == 0
    with reading(browser, page_file) as reader:
        page = reader.ready()
        rows = page.locator("#trend table[data-table=runs] tbody tr")
        assert rows.nth(0).locator("td").nth(0).inner_text() == str(one)
        assert "7 identical; 6 different" in rows.nth(1).inner_text()
        expect(page.locator("#trend")).to_contain_text("7 of 13 cells are identical in all runs")
        changed = page.locator("#trend table[data-table=trend] tbody tr")
        assert changed.count() == 6
        assert changed.nth(0).locator("td").all_inner_texts()[1:] == ["16", "12", "different"]
        expect(page.locator("#trend figcaption")).to_contain_text("v4: 17, 13")
        table = pq.read_table(reader.saved("trend.parquet"))
        assert table.num_rows == 26
        assert violations(page) == []


def test_runs_of_several_campaigns_have_no_trend(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = CAMPAIGN.replace("made-up", "another")
    other = made_up_run(tmp_path / "other", guests(), campaign=named)
    assert main(["report", str(run), str(other), "-o", str(tmp_path / "x.html")]) == 2
    assert "made-up" in (said := capsys.readouterr().err) and "another" in said
    assert main(["report", str(run), str(run / ".." / run.name), "-o", str(tmp_path / "x.md")]) == 2
    assert "of one run" in capsys.readouterr().err
    for again in (run, run / ".." / run.name):
        assert main(["report", str(run), str(again), "-o", str(tmp_path / "x.html")]) == 2
        assert f"{run} is named twice" in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()


def test_pages_of_plots_have_no_fault(browser: Browser, run: Path, tmp_path: Path) -> None:
    words = {"timeline": ["v4-64-1"], "figures": [], "herd": ["--kind", "herd"]}
    for name, more in words.items():
        page_file = tmp_path / f"{name}.html"
        assert main(["plot", str(run), *more, "-o", str(page_file)]) == 0
        with reading(browser, page_file) as reader:
            expect(reader.page.locator("#picture svg.marks")).to_be_visible(timeout=60_000)


def test_without_what_draws_it_says_how_to_get_it(
    browser: Browser, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.extras.installed", lambda name: name != "vl_convert")
    page_file = tmp_path / "report.html"
    assert main(["report", str(run), "-o", str(page_file)]) == 0
    with reading(browser, page_file) as reader:
        reader.ready()
        page = reader.open_cell(RunFolder(run).plan()[0].id)
        expect(page.locator("#timeline")).to_contain_text("memnotify[report]")
