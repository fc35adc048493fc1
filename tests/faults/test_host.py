"""A host short of memory, damaged files, stale locks, and a clock that jumps."""

from __future__ import annotations

import errno
import json
import mmap
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memnotify.guest import balloon, qemu
from memnotify.guest.session import run_cell
from memnotify.run.campaign import hold
from memnotify.store import Store

from tests.support.lab import CLIENT, QUIET, Lab, MadeUp, as_ourselves, campaign


def test_memory_that_the_orchestrator_does_not_get(
    lab: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = mmap.mmap, [1]

    def short(*args: Any, **options: Any) -> mmap.mmap:
        if left:
            left.pop()
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return real(*args, **options)

    monkeypatch.setattr("memnotify.guest.region.mmap.mmap", short)
    told = lab.run("--cold", runner=run_cell)
    assert told.status == 0
    assert "Cannot allocate memory" in told.out
    assert sorted(lab.outcomes().values()) == [["infrastructure:io", "ok"], ["ok"]]


@pytest.mark.guest
def test_memory_that_qemu_does_not_get(
    real_lab: Callable[..., Lab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = real_lab()
    lab.file.write_text(campaign(only=QUIET).replace("memory_mib = 64", "memory_mib = 512"))
    program = tmp_path / "bin" / qemu.QEMU
    program.parent.mkdir()
    real = shutil.which(qemu.QEMU)
    program.write_text(f'#!/bin/sh\nulimit -v 524288\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    as_ourselves(monkeypatch)
    told = lab.run("--cold", runner=run_cell)
    assert told.status == 3
    assert told.out.count("trying again: QEMU exited by itself") == 2
    assert "Cannot allocate memory" in told.out or "cannot set up guest memory" in told.out


def flip(file: Path) -> None:
    text = bytearray(file.read_bytes())
    text[len(text) // 2] ^= 1
    file.write_bytes(text)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def unreadable(file: Path) -> None:
    """Make it unreadable for everybody, even root."""
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [flip, cut, unreadable])
@pytest.mark.parametrize("name", ["records.parquet", "verdict.json", "manifest.json"])
def test_a_damaged_result_is_made_anew_and_the_others_stay(
    lab: MadeUp, damage: Callable[[Path], None], name: str
) -> None:
    assert lab.run("--cold", runner=run_cell).status == 0
    damaged, sound = (lab.run_folder.cell(row.id) for row in lab.run_folder.plan())
    before = (sound / "manifest.json").read_bytes()
    damage(damaged / name)
    told = lab.run("--cold", runner=run_cell)
    assert told.status == 0
    assert "2 cells, 1 of them already finished" in told.out
    assert lab.outcomes() == {"first": ["ok"], "second": ["ok"]}
    assert (sound / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("damage", [flip, cut, unreadable])
def test_a_damaged_artifact_of_the_store_is_made_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = Store(tmp_path)

    def build(folder: Path) -> dict[str, Any]:
        (folder / "bzImage").write_bytes(bytes(1000))
        return {"version": "6.1"}

    for name in ("bzImage", "artifact.json"):
        made = store.publish("kernel", {"base": "6.1"}, build)
        damage(made.file(name))
        assert store.get("kernel", made.key) is None
        again = store.publish("kernel", {"base": "6.1"}, build)
        assert again.file("bzImage").read_bytes() == bytes(1000)
        assert [path.name for path in (tmp_path / "kernel").iterdir()] == [made.key]


def test_a_bit_that_is_flipped_in_what_is_told_of_an_artifact_is_seen(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.publish("kernel", {"base": "6.1"}, lambda folder: {"version": "6.1"})
    told = made.file("artifact.json")
    told.write_text(told.read_text().replace('"version": "6.1"', '"version": "6.0"'))
    assert store.get("kernel", made.key) is None


def test_a_plan_that_is_damaged_is_written_anew(lab: MadeUp) -> None:
    lab.run("--cold", runner=run_cell)
    cut(lab.run_folder.path / "plan.json")
    assert lab.memnotify("show").status == 2
    assert lab.run("--cold", runner=run_cell).status == 0
    assert len(lab.run_folder.plan()) == 2


def test_what_the_dead_left_locked_holds_nobody_up(lab: MadeUp) -> None:
    lab.run("--cold", runner=run_cell)
    locks = lab.store.folder("locks")
    for path in locks.iterdir():
        path.write_text(json.dumps({"pid": 1}))
    (lab.store.folder("ledger") / "claim-of-the-dead").write_text("[999999, 999999]")
    (lab.run_folder.cells / ".new-of-the-dead").mkdir()
    told = lab.run("--cold", "--again", runner=run_cell)
    assert told.status == 0
    with hold(lab.run_folder, store=lab.store, warn=pytest.fail):
        pass


@pytest.mark.guest
@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_meanwhile_makes_no_difference(
    jump: float,
    real_lab: Callable[..., Lab],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = real_lab()
    lab.file.write_text(
        campaign(only=("4", CLIENT, "at_s = 1\nballoon = { mib = 60, settle_s = 2 }"))
    )
    now = time.time

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def time() -> float:
            return now() + jump

    monkeypatch.setattr(balloon, "time", Clock)
    assert lab.run("--cold", runner=run_cell).status == 0
    (cell,) = lab.cells().values()
    assert cell["outcome"] == "ok"
    (move,) = cell["balloon"]
    assert 0 < move["query_seconds"] < 60
