"""Where a report is written: whole or not at all, whatever the file is and whoever else writes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.files import write_whole

from tests.support.drawn import made_up_log, made_up_run
from tests.support.small_disk import in_namespace, small


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_up_run(tmp_path / "run", [("one", made_up_log({9.0: 5}), {"series": "v4"})])


def test_a_full_disk_leaves_the_report_that_was_there(run: Path, tmp_path: Path) -> None:
    def work() -> None:
        with small(tmp_path / "disk", 64) as large:
            file = tmp_path / "disk" / "report.html"
            file.write_text("old")
            command = ["report", str(run), "-o", str(file)]
            assert main(command) == 2
            assert file.read_text() == "old" and list(file.parent.iterdir()) == [file]
            large()
            assert main(command) == 0
            assert "</html>" in file.read_text()

    in_namespace(work)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    def work() -> None:
        with small(tmp_path / "disk", 16), pytest.raises(InputError) as caught:
            write_whole(tmp_path / "disk" / "file", b"x" * 100_000)
        assert "cannot be written: No space left on device" in str(caught.value)

    in_namespace(work)


def test_a_link_stays_and_a_mode_too(run: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert main(["report", str(run), "-o", str(link)]) == 0
    assert link.is_symlink() and "one" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    fresh = tmp_path / "fresh.md"
    mask = os.umask(0o027)
    try:
        assert main(["report", str(run), "-o", str(fresh)]) == 0
    finally:
        os.umask(mask)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o640
    loop = tmp_path / "loop.md"
    loop.symlink_to(loop)
    assert main(["report", str(run), "-o", str(loop)]) == 2


def test_two_that_write_one_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    texts = [bytes([65 + n]) * (200_000 + n) for n in range(2)]
    seen: set[bytes] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            if file.exists():
                seen.add(file.read_bytes())

    reader = threading.Thread(target=read)

    def write(text: bytes) -> None:
        for _ in range(50):
            write_whole(file, text)

    writers = [threading.Thread(target=write, args=[text]) for text in texts]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    reader.join()
    assert seen <= set(texts) and file.read_bytes() in texts
    assert list(tmp_path.iterdir()) == [file]


def test_a_reader_of_the_file_name_that_is_gone(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    words = [sys.executable, "-m", "memnotify", "report", str(run), "-o", str(file)]
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(theirs)
    assert (done.returncode, done.stderr) == (141, "") and "one" in file.read_text()
