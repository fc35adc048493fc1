"""The words of a picture stay inside it, as a browser draws them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from memnotify.report.plots.svg import svg
from memnotify.report.plots.timeline import timeline

from tests.support.browser import chromium
from tests.support.drawn import made_up_course

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "plots"
TITLE = "v4 wakes 12.5 at once, v5 and v6 at most 10, v3 at most 1 (medians of 10 runs). "
WIDEST = (
    "Math.max(...[...document.querySelectorAll('text')].map(t => t.getBoundingClientRect().right))"
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    long = tmp_path_factory.mktemp("width") / "long.svg"
    picture = timeline([made_up_course()], ["v4"])
    long.write_text(
        svg(
            dataclasses.replace(
                picture, title=TITLE * 3, subtitle=TITLE * 3, caption=(TITLE.lower() * 4,)
            )
        ),
        encoding="utf-8",
    )
    return [long, *sorted(PICTURES.glob("*.svg"))]


def test_words_end_before_the_edge(pictures: list[Path]) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for file in pictures:
            page.goto(file.as_uri())
            width = page.evaluate("document.documentElement.getBoundingClientRect().width")
            assert 0 < page.evaluate(WIDEST) <= width, file.name
