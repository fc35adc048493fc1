"""Pictures: what their titles answer, and that everybody can read them."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair
import jsonschema
import numpy as np
import pytest
from memnotify.check.distance import Curve, Distance
from memnotify.model import Outcome
from memnotify.report.plots import palette, reactions
from memnotify.report.plots.answers import at_once, sentence
from memnotify.report.plots.drawing import drawn
from memnotify.report.plots.overlay import overlay
from memnotify.report.plots.page import page
from memnotify.report.plots.picture import Picture
from memnotify.report.plots.spreads import USUAL, spreads
from memnotify.report.plots.svg import svg
from memnotify.report.plots.timeline import Parting, timeline
from memnotify.results.comparison import compare_runs
from memnotify.results.course import Wakeups
from memnotify.results.reacted import Reacted
from memnotify.scenario import ClientKind

from tests.support.drawn import made_up_course, made_up_log, made_up_run

NS = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\x1b[31m\x00'\""


def one() -> Picture:
    return timeline([made_up_course()], ["v4"])


def several() -> Picture:
    courses = [
        made_up_course({9.0: size}, cell=f"c{size}", point={"series": series})
        for series, size in (("v3", 1), ("v4", 16), ("v5", 3), ("v6", 3))
    ]
    return timeline(courses, [course.series for course in courses])


def reacted(series: str, clients: int, sizes: tuple[int, ...], part: float = 1.0) -> Reacted:
    told = np.linspace(0.5, 2.5, round(clients * part))
    point: dict[str, str | int] = {
        "series": series,
        "clients": clients,
        "base": "6.1",
        "arch": "x86_64",
    }
    point |= {"arch": "x86_64", "machine": "pc", "memory_mib": 64, "scenario": "s", "repeat": 1}
    return Reacted(
        id=f"{series}-{clients}",
        point=point,
        clients=clients,
        woken=told.size,
        latencies=told,
        batches=sizes,
    )


GROUPS = {
    "v3": [reacted("v3", n, (1, 1), 0.1) for n in (1, 50, 200)],
    "v4": [reacted("v4", n, (min(n, 100),) * 2) for n in (1, 50, 200)],
}


def curve(label: str = "v3", of_range: float = 0.07) -> Curve:
    t = np.arange(5.0)
    return Curve(
        file="a.csv",
        says="free memory",
        column="free",
        unit="MiB",
        cell="c",
        label=label,
        moments=(),
        published_s=t,
        published=t,
        ours_s=t,
        ours=t + 1,
        hold_s=1.0,
        distance=Distance(apart=1.0, of_range=of_range, compared=1.0),
    )


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Picture:
    guests = [
        (f"{series}-{seed}", made_up_log({9.0: size + seed}), {"series": series, "repeat": seed})
        for series, size in (("v3", 1), ("v4", 9))
        for seed in (1, 2, 3)
    ]
    run = made_up_run(tmp_path_factory.mktemp("figures") / "run", guests)
    return spreads(compare_runs([run], by="series"), by="series", chosen=USUAL)


@pytest.fixture(scope="module")
def pictures(figures: Picture) -> dict[str, Picture]:
    return {
        "timeline": one(),
        "side by side": several(),
        "figures": figures,
        "latency": reactions.latencies(GROUPS, "series"),
        "batches": reactions.batches(GROUPS, "series"),
        "herd": reactions.herds(GROUPS, "series"),
        "published": overlay([curve()], source="somebody, 2008", assumed=["nothing"]),
    }


KINDS = ("timeline", "side by side", "figures", "latency", "batches", "herd", "published")


def test_titles_are_the_answer(pictures: dict[str, Picture]) -> None:
    assert {kind: picture.title for kind, picture in pictures.items()} == {
        "timeline": "v4 wakes 10 of 20 clients at once, 250 ms after the gate opens",
        "side by side": "v4 wakes 16 at once, v5 and v6 at most 3, v3 at most 1",
        "figures": "v4 wakes 11 at once, v3 at most 3 (medians of 3 runs)",
        "latency": "v4 wakes half of the clients within 1.49 s of the gate's opening; "
        "v3 never does",
        "batches": "v4 wakes 100 at once, v3 at most 1",
        "herd": "Of 200 clients, v4 wakes 100 at once, v3 at most 1",
        "published": "Reproduced free (v3) is 7% of the published range away",
    }


def test_how_many_wake_at_once() -> None:
    told = at_once([("v3", 1), ("v4", 12.5), ("v5", 1), ("none", 0)])
    assert told == "v4 wakes 12.5 at once, v3 and v5 at most 1, the unpatched kernel nobody"
    assert sentence(at_once([("none", 0)])) == "The unpatched kernel wakes nobody"
    assert at_once([("v3", 0), ("v4", 0)]) == "v3 and v4 wake nobody"


def test_a_client_that_is_woken_again_and_again() -> None:
    picture = timeline([made_up_course({9.0: 50}, clients=1, point={"clients": 1})], ["v4"])
    assert picture.title == "v4 wakes 1 of 1 client 50 times at once, 250 ms after the gate opens"
    assert picture.subtitle.partition(";")[0].endswith(", 1 client")


def test_titles_when_nobody_wakes() -> None:
    quiet = timeline([made_up_course({}, point={"series": "none"})], ["none"])
    low = "though memory is at or below the gate for 1.1 s"
    assert quiet.title == f"The unpatched kernel wakes nobody, {low}"
    both = timeline(
        [made_up_course({}, point={"series": "none"}), made_up_course({9.0: 4})], ["none", "v4"]
    )
    assert both.title == "v4 wakes 4 at once, the unpatched kernel nobody"
    ended = timeline([made_up_course(outcome="finding:panic")], ["v4"])
    assert ended.title.endswith("; the guest ends with panic")
    slow = {"v3": [reacted("v3", 50, (1,), 0.2)], "none": [reacted("none", 50, (), 0.0)]}
    found = reactions.latencies(slow, "series")
    told = "v3 has woken 20 %, the unpatched kernel 0 % of the clients"
    assert found.title == f"2.55 s after the gate opens, {told}"


def test_the_nearest_of_several_series_and_the_median() -> None:
    some = [curve("v3", 0.07), curve("v4", 0.3), curve("v5", 677.0)]
    moments = dataclasses.replace(some[0], moments=("before", "b", "c", "d", "e"))
    found = overlay([moments, *some[1:]], source="s", assumed=[])
    nearest = "Reproduced free (v3) is 7% of the published range away"
    assert found.title == f"{nearest}, the median of 3 series 30%"
    assert found.left > 250  # there is room for the names of moments
    assert overlay([], source="s", assumed=[]).title.startswith("No reproduced series can be")


def test_where_two_logs_part_is_marked_and_said() -> None:
    courses = [made_up_course(cell=name) for name in ("a", "b")]
    parted = timeline(courses, ["a", "b"], parting=Parting(record=7, kind="ZONE", t=(5.0, 5.5)))
    assert (
        "The logs part at record 7 (ZONE), where the line of dots and dashes is." in parted.caption
    )
    assert "logs part" in svg(parted)
    early = timeline(courses, ["a", "b"], parting=Parting(record=1, kind="BOOT", t=(-5.0, -5.0)))
    assert early.caption[-1] == "The logs part at record 1 (BOOT), before the scenario starts."


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a description."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


UNITS = r"(MiB|s|ms|pages/s|pages|tasks|number|wakeups|clients|% of all|% )( \(logarithmic\))?$"


@pytest.mark.parametrize("kind", KINDS)
def test_every_axis_has_a_unit(kind: str, pictures: dict[str, Picture]) -> None:
    titles: set[Any] = set()
    for zoomable in (False, True):
        for channel in walk(pictures[kind].spec(zoomable=zoomable)):
            if channel.get("type") != "quantitative" or "scale" not in channel:
                continue
            if isinstance(axis := channel.get("axis", {}), dict):
                titles.add(axis.get("title", channel.get("title")))
    titles -= {None}
    assert len(titles) >= (1 if kind == "batches" else 2)
    wrong = [title for title in titles if not re.search(UNITS, title.partition(";")[0])]
    aligned = "seconds since the event that both series are aligned at"
    assert [title for title in wrong if title != aligned] == []


@pytest.mark.parametrize("kind", KINDS)
def test_descriptions_are_valid_vega_lite(kind: str, pictures: dict[str, Picture]) -> None:
    schema = Path(altair.__file__).parent / "vegalite" / "v6" / "schema" / "vega-lite-schema.json"
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))
    for zoomable in (False, True):
        spec = json.loads(json.dumps(pictures[kind].spec(zoomable=zoomable)))
        for inner in walk(spec):  # the schema takes long for many rows
            if "values" in inner and isinstance(inner["values"], list):
                inner["values"] = inner["values"][:2]
        errors = [error.message[:300] for error in validator.iter_errors(spec)]
        assert errors == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_can_be_read(kind: str, pictures: dict[str, Picture]) -> None:
    picture = pictures[kind]
    text = svg(picture)
    root = ET.fromstring(text)
    assert root.get("width") == "700"
    found = [
        float(str(size).removesuffix("px")) for size in re.findall(r'font-size="([^"]*)"', text)
    ]
    assert len(found) > 5 and min(found) >= palette.FONT >= 11
    # Text is words, not shapes, and all of it is inside.
    words = " ".join("".join(element.itertext()) for element in root.iter(f"{NS}text"))
    assert picture.title.split()[0] in words
    assert (root.findtext(f"{NS}title"), root.findtext(f"{NS}desc")) == (picture.title, picture.alt)
    assert root.get("role") == "img"
    assert picture.alt.startswith("v3: v3 wakes 1 " if kind == "side by side" else picture.title)
    inks = {palette.INK.light, palette.SOFT.light}
    assert set(re.findall(r'<text [^>]*fill="([^"]*)"', text)) <= inks
    # Each colour is one that has a counterpart on dark paper.
    known = {one.light for one in palette.ALL} | {"none"}
    used = {colour for _, colour in re.findall(r'(fill|stroke)="([^"]*)"', text)}
    assert used - known == set()


def test_the_same_picture_is_the_same_file() -> None:
    assert svg(one()) == svg(one())
    assert svg(several()) == svg(several())


def test_five_curves_never_differ_by_colour_alone() -> None:
    """On the panel of memory, each curve has a label of its own at its end."""
    text = svg(one())
    for name in ("page cache", "anonymous", "swap in use", "balloon target", "actual"):
        assert f">{name}</text>" in text
    kinds = [made_up_course({9.0: 5}, kind=kind) for kind in (ClientKind.POLL, ClientKind.FASYNC)]
    marks = [
        mark["shape"]
        for course in kinds
        for mark in walk(timeline([course], ["x"]).spec())
        if "shape" in mark and mark.get("type") == "point"
    ]
    assert len(marks) == len(set(marks)) == 2


def hostile() -> Picture:
    course = made_up_course(
        zone=b"<b>&\x1b\x07", point={"series": HOSTILE, "machine": HOSTILE, "scenario": HOSTILE}
    )
    return timeline([course, course], [HOSTILE, "]]>-->"])


def test_hostile_text_stays_text_in_a_drawing() -> None:
    text = svg(hostile())
    root = ET.fromstring(text)  # control characters would not be XML
    assert {element.tag.removeprefix(NS) for element in root.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "text", "tspan", "g", "path", "line"),
        *("defs", "clipPath"),
    }
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text


def test_hostile_text_stays_text_on_a_page() -> None:
    text = page(hostile())
    assert "<script>alert" not in text and "</text><script>" not in text
    assert text.count("<script") == 2 and text.count("</script>") == 2
    assert "\x1b" not in text and "\x00" not in text
    (data,) = re.findall(r'<script type="application/json" id="spec">(.*?)</script>', text, re.S)
    assert "<" not in data
    assert HOSTILE.partition("\x1b")[0] in json.loads(data)["description"]


def test_a_page_needs_no_network_and_allows_one_script() -> None:
    text = page(one())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for element, source in (("script", "script-src"), ("style", "style-src")):
        (body,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in policy
    seen = text.partition("<script>")[0]
    assert not re.search(r"<(?:link|img|iframe|script)[^>]*(?:src|href)=", seen)
    assert ' style="' not in seen  # the policy would drop it
    assert 'aria-label="v4 wakes 10 of 20 clients' in text


def test_a_large_guest_makes_a_file_of_bounded_size() -> None:
    """12,500 clients woken twenty times over, and 290,000 records."""
    course = made_up_course({}, every_s=0.0005)
    clients = 12_500
    t = np.repeat(np.linspace(1, 9, 20), clients)
    crowd = Wakeups(
        t=t,
        client=np.tile(np.arange(clients), 20),
        kind=("POLLIN",) * t.size,
        record=np.arange(t.size),
    )
    large = dataclasses.replace(course, wakeups=crowd, clients=clients, outcome=Outcome())
    picture = timeline([large], ["v4"])
    assert len(svg(picture)) < 1_500_000
    assert any("250000 wakeups" in line for line in picture.caption)
    assert "Of curves with more points than pixels, the extremes are drawn." in picture.caption
    shown = json.dumps(picture.spec(zoomable=True))
    assert len(shown) < 1_500_000


def test_forms(pictures: dict[str, Picture]) -> None:
    picture = pictures["timeline"]
    height = float(re.findall(r'height="([\d.]+)"', svg(picture))[0])
    png = drawn(picture, ".png")
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 1400
    assert int.from_bytes(png[20:24], "big") == pytest.approx(2 * height, abs=2)
    pdf = drawn(picture, ".pdf")
    assert pdf.startswith(b"%PDF-") and b"/Font" in pdf and b"/ToUnicode" in pdf
