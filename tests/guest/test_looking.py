"""Real guests, stopped again at one of their records and looked into."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.guest.symbols import read_symbols
from memnotify.kernel.dwarf import VMLINUX, ensure_dwarf
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandLog
from memnotify.results.cell import find_finished
from memnotify.results.folder import RunFolder
from memnotify.store import Artifact, Store

from tests.support.bases import modern
from tests.support.looked_at import CAMPAIGN

pytestmark = pytest.mark.guest


@pytest.fixture
def run(tmp_path: Path, kernel_artifact: Callable[..., Artifact]) -> RunFolder:
    """Return the folder of a run of one cell."""
    kernel_artifact("v4")
    file = tmp_path / "looking.toml"
    file.write_text(CAMPAIGN.format(base=modern()))
    assert main(["run", str(file), "-o", str(tmp_path / "run"), "--json"]) == 0
    return RunFolder(tmp_path / "run")


def test_a_dump_has_the_memory_of_the_moment(
    run: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cell = run.plan()[0].id
    file = tmp_path / "vmcore"
    capfd.readouterr()
    for moment in (["--at", "1.5"], ["--record", "2"]):  # behind the template, and before it
        assert main(["dump", str(run.path), cell, *moment, "--no-dwarf", "-o", str(file)]) == 0
        said = capfd.readouterr().out
        assert "are those of the run, bit for bit" in said
    assert "at record 2," in said
    notes = subprocess.run(["readelf", "-nW", file], capture_output=True, text=True, check=True)
    assert "VMCOREINFO" in notes.stdout
    kernel = find_finished(run, cell, store=Store()).job.kernel
    address = {name: at for at, _, name in read_symbols(kernel.file("System.map"))}["linux_banner"]
    physical = address & 0x7FFFFFFF  # the kernel is mapped from there on
    with file.open("rb") as core:
        core.seek(0x508 + physical)  # its first segment of memory
        assert core.read(14) == b"Linux version "


def test_a_moment_that_there_is_not_is_refused(
    run: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["dump", str(run.path), run.plan()[0].id, "-o", str(tmp_path / "vmcore")]
    assert main([*words, "--record", "999999"]) == 2
    assert "there is no record 999999" in capfd.readouterr().err
    assert main([*words, "--at", "1e6"]) == 2
    assert "has no record after" in capfd.readouterr().err
    assert main([*words[:-1], str(tmp_path / "none" / "vmcore")]) == 2
    assert list(tmp_path.glob("*vmcore*")) == []


@pytest.mark.kernel_build
def test_drgn_reads_a_dump(run: RunFolder, tmp_path: Path) -> None:
    drgn = pytest.importorskip("drgn")
    from drgn.helpers.linux.pid import for_each_task

    finished = find_finished(run, run.plan()[0].id, store=Store())
    request = KernelRequest(base=modern(), series="v4", arch=Arch.X86_64)
    dwarf = ensure_dwarf(
        finished.job.kernel, request, store=Store(), log=CommandLog(), progress=print
    )
    file = tmp_path / "vmcore"
    assert main(["dump", str(run.path), finished.job.id, "--at", "2", "-o", str(file)]) == 0
    program = drgn.Program()
    program.set_core_dump(file)
    program.load_debug_info([dwarf.file(VMLINUX)])
    names = [task.comm.string_() for task in for_each_task(program)]
    assert names.count(b"client") == 2
    assert b"init" in names
