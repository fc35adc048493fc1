"""A full disk: at any byte of a run's folder or of the store, in every stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from memnotify.errors import MemnotifyError
from memnotify.guest.session import run_cell
from memnotify.image.build import ensure_image
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.results.folder import RunFolder
from memnotify.store import Store

from tests.support.fakekernel import Lab as KernelLab
from tests.support.lab import QUIET, Lab, MadeUp, Told, campaign, children
from tests.support.small_disk import in_namespace, small


def is_said(told: Told) -> None:
    """Check that the user is told of a full disk, in one line or as a failure of cells."""
    assert told.status == 3, told
    assert told.err.count("\n") <= 1, told.err
    assert "No space left" in told.err + told.out or "disk-full" in told.out, told


def goes_on(lab: Lab, large: Callable[[], None]) -> None:
    """Check that, once there is room, the next run does what is left, and no more."""
    kept = {name for name, cell in lab.cells().items() if cell["outcome"] == "ok"}
    before = {name: cell["attempts"] for name, cell in lab.cells().items()}
    large()
    told = lab.run("--cold", runner=run_cell)
    assert told.status == 0, told
    after = lab.outcomes()
    assert set(after) == {"first", "second"}
    assert all(attempts[-1] == "ok" for attempts in after.values())
    assert all(lab.cells()[name]["attempts"] == before[name] for name in kept)


def test_a_child_that_does_not_end_is_killed_and_told() -> None:
    before = children()
    with pytest.raises(pytest.fail.Exception, match=r"timed out after 0\.5 s, killed"):
        in_namespace(lambda: time.sleep(1000), seconds=0.5)
    assert children() == before


def test_in_the_folder_of_a_run(lab: MadeUp, tmp_path: Path) -> None:
    kept: set[int] = set()

    def work() -> None:
        lab.run_folder = RunFolder(tmp_path / "disk" / "run")
        for kib in range(4, 220, 24):
            with small(tmp_path / "disk", kib) as large:
                told = lab.run("--cold", runner=run_cell)
                kept.add(told.out.count(": ok"))
                if told.status:
                    is_said(told)
                goes_on(lab, large)
        assert kept == {0, 1, 2}

    in_namespace(work)


def test_in_the_store(lab: MadeUp, tmp_path: Path) -> None:
    def work() -> None:
        lab.store = Store(tmp_path / "disk" / "store")
        with small(tmp_path / "disk", 4) as large:
            (tmp_path / "disk" / "filler").write_bytes(bytes(4096))
            is_said(lab.run("--cold", runner=run_cell))
            goes_on(lab, large)

    in_namespace(work)


def fails_for_want_of_room(build: Callable[[], object]) -> bool:
    """Build, and return whether that failed; the error must be one that `main` reports."""
    try:
        build()
    except (MemnotifyError, OSError) as error:
        # A compiler's output is lost if it goes to the full disk.
        assert "No space left" in str(error) or "is the disk full?" in str(error), error
        return True
    return False


def test_while_a_kernel_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        failed = []
        for kib in (8, 16, 32, 64, 128):
            kernels = KernelLab(tmp_path / str(kib)).set_up()
            kernels.add_series("v2", mm__extra_c="int extra;\n")
            with small(kernels.root / "store", kib) as large:
                failed.append(fails_for_want_of_room(partial(kernels.build, "v2")))
                assert not list(kernels.store.root.glob("*/.draft-*"))
                large()
                assert "extra" in kernels.build("v2").file("System.map").read_text()
        assert failed[0]

    in_namespace(work)


def test_while_an_image_is_built(tmp_path: Path, user_store: Store) -> None:
    def work() -> None:
        with small(tmp_path / "disk", 64) as large:
            full = Store(tmp_path / "disk")
            full.folder(".").joinpath("zig-cache").symlink_to(user_store.folder("zig-cache"))
            build = partial(ensure_image, Arch.X86_64, store=full, log=CommandLog())
            assert fails_for_want_of_room(build)
            assert not list(full.folder("image").iterdir())
            large()
            assert build().file("agent").exists()

    in_namespace(work)


@pytest.mark.guest
def test_while_a_template_is_made(real_lab: Callable[..., Lab], tmp_path: Path) -> None:
    def work() -> None:
        disk = tmp_path / "disk"
        lab = real_lab(store=disk)
        lab.file.write_text(campaign(only=QUIET))
        with small(disk, 4096) as large:
            is_said(lab.run(runner=run_cell))
            assert lab.outcomes() == {"only": ["infrastructure:disk-full"] * 3}
            large()
            assert lab.run(runner=run_cell).status == 0
            assert len(list((disk / "template").iterdir())) == 1

    in_namespace(work)
