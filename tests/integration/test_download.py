"""Downloads that break off, continue, start again, and are refused."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.kernel.download import Web, download

from tests.support.website import Request, Site, serve

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()
Answer = Callable[[Site, Request], None]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serve(tmp_path / "site") as site:
        site.put("file", DATA)
        yield site


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads/file"


def part(target: Path, url: str, data: bytes, *, size: int = len(DATA), sha: str = SHA256) -> None:
    """Leave the files of an interrupted download."""
    target.with_name("file.part").write_bytes(data)
    note = {"url": url, "validator": f'"{sha[:16]}"', "size": size}
    target.with_name("file.part.json").write_text(json.dumps(note))


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_connection_that_ends_early_is_taken_up_where_it_broke(site: Site, target: Path) -> None:
    site.cut["file"] = 3000
    assert download(site.address + "file", target, SHA256) == SHA256
    assert target.read_bytes() == DATA
    assert site.asked == [("/file", None), ("/file", "bytes=3000-")]
    assert site.sent["file"] == len(DATA)
    assert left(target) == ["file"]


def test_a_later_run_goes_on_where_an_earlier_one_was_killed(site: Site, target: Path) -> None:
    part(target, site.address + "file", DATA[:5000])
    download(site.address + "file", target, None)
    assert target.read_bytes() == DATA
    assert site.sent["file"] == len(DATA) - 5000


@pytest.mark.parametrize("length", [0, 10, len(DATA)])
def test_a_part_of_an_earlier_state_of_the_file_is_dropped(
    site: Site, target: Path, length: int
) -> None:
    part(target, site.address + "file", b"x" * length, size=len(DATA) + 1, sha="0" * 64)
    download(site.address + "file", target, SHA256)
    assert target.read_bytes() == DATA


def test_a_server_without_ranges_sends_the_whole_file_again(site: Site, target: Path) -> None:
    site.ranges = False
    site.cut["file"] = 3000
    download(site.address + "file", target, SHA256)
    assert target.read_bytes() == DATA
    assert site.sent["file"] == 3000 + len(DATA)


def test_a_part_from_another_address_is_not_used(site: Site, target: Path) -> None:
    part(target, "http://elsewhere/file", DATA[:5000])
    download(site.address + "file", target, SHA256)
    assert site.asked == [("/file", None)]


def test_what_always_breaks_off_is_an_error_and_is_kept_for_later(
    site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, "answer", always_cut(Site.answer))
    with pytest.raises(InfrastructureError, match="closed after 300 bytes"):
        download(site.address + "file", target, SHA256)
    assert left(target) == ["file.part", "file.part.json"]
    monkeypatch.undo()
    site.cut.clear()
    download(site.address + "file", target, SHA256)
    assert site.asked[-1] == ("/file", "bytes=300-")


def always_cut(answer: Answer) -> Answer:
    def cut(site: Site, request: Request) -> None:
        site.cut["file"] = 100 * (len(site.asked) + 1)
        answer(site, request)

    return cut


def test_a_resumed_file_that_is_another_one_is_thrown_away(site: Site, target: Path) -> None:
    part(target, site.address + "file", b"x" * 5000)
    with pytest.raises(InfrastructureError, match=f"but {SHA256} was expected") as caught:
        download(site.address + "file", target, SHA256)
    assert caught.value.kind == "checksum"
    assert left(target) == []
    download(site.address + "file", target, SHA256)


def test_a_host_that_cannot_be_reached_is_asked_once(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def urlopen(request: urllib.request.Request, timeout: float) -> None:
        asked.append(request.full_url)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    web = Web()
    for name in ("file", "other"):
        with pytest.raises(InfrastructureError, match=f"http://far/{name}: no route to host"):
            download(f"http://far/{name}", target, SHA256, web=web)
    assert asked == ["http://far/file"]
