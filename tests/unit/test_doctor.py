from __future__ import annotations

import json
import pwd
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify import places, process
from memnotify.cli import doctor
from memnotify.cli.doctor import CheckLevel, examine
from memnotify.cli.main import main
from memnotify.guest import probe
from memnotify.guest.privileges import QemuUser
from memnotify.guest.qemu import QEMU
from memnotify.kernel.base import bases, load_base
from memnotify.model import Accel, Clock
from memnotify.series.quilt import revisions
from memnotify.store import Store

from tests.support.ours import BASES


@pytest.fixture(autouse=True)
def fresh_probe() -> Iterator[None]:
    probe.kvm_problem.cache_clear()
    yield
    probe.kvm_problem.cache_clear()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder that is the whole PATH, with every command that the doctor looks for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    needed = [name for base in map(load_base, bases()) for name in base.table.tools]
    for name in (*doctor._COMMANDS, *doctor._HELPERS, *needed, "sleep"):
        path = shutil.which(name)
        assert path is not None, f"{name} is needed on the machine that runs the tests"
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(path)
    fake_qemu(folder, "exit 85")  # the status of a working QEMU with the boot sector
    be(monkeypatch, QemuUser())  # no other user may enter the folder
    monkeypatch.setenv("PATH", str(folder))
    return folder


def be(monkeypatch: pytest.MonkeyPatch, user: QemuUser) -> None:
    for module in (doctor, probe):
        monkeypatch.setattr(module, "qemu_user", lambda: user)


def fake_qemu(folder: Path, boot: str) -> None:
    script = folder / QEMU
    script.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        "*--version*) echo QEMU emulator version 7.2.9;;\n"
        f"*) {boot};;\nesac\n"
    )
    script.chmod(0o755)


def states(store: Path) -> dict[str, CheckLevel]:
    return {check.name: check.state for check in examine(Store(store))}


def test_a_whole_machine_is_fit(tools: Path, tmp_path: Path) -> None:
    found = states(tmp_path)
    assert CheckLevel.MISSING not in found.values()
    assert found["sandboxed guest"] is CheckLevel.OK


@pytest.mark.parametrize(
    ("command", "package"), [("flex", "flex"), ("setpriv", "util-linux"), (QEMU, "qemu-system-x86")]
)
def test_a_missing_command_names_its_package(
    tools: Path, tmp_path: Path, command: str, package: str
) -> None:
    (tools / command).unlink()
    (missing,) = [check for check in examine(Store(tmp_path)) if check.state is CheckLevel.MISSING]
    assert missing.fix == f"apt-get install {package}"


def test_what_several_bases_lack_is_said_once(tools: Path, tmp_path: Path) -> None:
    (tools / "flex").unlink()
    checks = {check.name: check for check in examine(Store(tmp_path))}
    words, _, bases = checks["flex"].detail.rpartition(" build ")
    assert words == "not found; required to"
    assert set(bases.split(", ")) & BASES == {"6.1", "6.12", "7.3"}
    assert checks["2.6.24 toolchain"].state is CheckLevel.OK
    assert "6.1 toolchain" not in checks


def test_a_source_that_is_not_there_yet_can_be_fetched(tools: Path, tmp_path: Path) -> None:
    (note,) = [check for check in examine(Store(tmp_path)) if check.name == "6.1 source"]
    assert (note.state, note.fix) == (CheckLevel.NOTE, "memnotify kernel fetch 6.1")


def test_of_a_source_is_said_only_what_was_looked_at(tools: Path, tmp_path: Path) -> None:
    def detail(name: str) -> str:
        (note,) = [check for check in examine(Store(tmp_path)) if check.name == f"{name} source"]
        return note.detail

    not_asked = "kernel.org was not asked"
    assert detail("2.6.24") == f"not in the store; {not_asked}"
    assert detail("6.1") == (
        f"not in the store; Debian's linux-source-6.1: this is not a Debian system; {not_asked}"
    )
    (tools / "apt-get").symlink_to("/bin/true")
    cache = tools / "apt-cache"
    cache.write_text(
        '#!/bin/sh\n[ "$*" = "show --no-all-versions linux-source-6.12" ] || exit 100\n'
        "echo Package: linux-source-6.12; echo Version: 6.12.9-1; echo SHA256: 00\n"
    )
    cache.chmod(0o755)
    assert detail("6.1") == (
        "not in the store; Debian's linux-source-6.1: not in this machine's package lists; "
        + not_asked
    )
    assert detail("6.12") == (
        "not in the store; Debian's linux-source-6.12 6.12.9-1 is in this machine's package lists; "
        + not_asked
    )


def test_what_only_makes_it_faster_is_not_missing(tools: Path, tmp_path: Path) -> None:
    for name in doctor._HELPERS:
        (tools / name).unlink()
        assert states(tmp_path)[name] is CheckLevel.NOTE


def test_an_old_qemu_is_not_enough(tools: Path, tmp_path: Path) -> None:
    script = tools / QEMU
    script.write_text(script.read_text().replace("7.2.9", "5.0.1"))
    assert states(tmp_path)["qemu"] is CheckLevel.MISSING


def test_a_qemu_that_boots_nothing_is_told(tools: Path, tmp_path: Path) -> None:
    fake_qemu(tools, "echo seccomp support is disabled; exit 1")
    checks = {check.name: check for check in examine(Store(tmp_path))}
    assert checks["sandboxed guest"].state is CheckLevel.MISSING
    assert "seccomp support is disabled" in checks["sandboxed guest"].detail


def test_who_qemu_is_is_told(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> tuple[CheckLevel, str]:
        checks = {check.name: check for check in examine(Store(tmp_path))}
        return checks["QEMU's user"].state, checks["QEMU's user"].detail

    assert said() == (CheckLevel.OK, "you, with no_new_privs")
    be(monkeypatch, QemuUser(problem="no CAP_SETUID"))
    assert said() == (
        CheckLevel.NOTE,
        "root: no CAP_SETUID; a guest that escapes QEMU would be root",
    )
    # Nobody else may enter our own folder, so QEMU cannot be started there.
    be(monkeypatch, QemuUser(pwd.getpwnam("nobody")))
    assert said() == (CheckLevel.OK, "nobody, with no_new_privs")


def test_a_kvm_that_hangs_is_found_out(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_qemu(tools, 'case "$*" in *kvm*) exec sleep 60;; esac; exit 85')
    monkeypatch.setattr(probe, "_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(probe, "KVM", tmp_path)  # exists, and may be opened
    checks = {check.name: check for check in examine(Store(tmp_path))}
    assert checks["kvm"].state is CheckLevel.NOTE
    assert "did not finish" in checks["kvm"].detail
    assert probe.choose(Accel.AUTO, Clock.REAL) is Accel.TCG


def test_kvm_is_for_real_time_only(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "kvm_problem", lambda: None)
    assert probe.choose(Accel.AUTO, Clock.REAL) is Accel.KVM
    assert probe.choose(Accel.AUTO, Clock.VIRTUAL) is Accel.TCG
    assert probe.choose(Accel.TCG, Clock.REAL) is Accel.TCG


def test_a_full_disk_and_little_memory_are_told(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10 << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    monkeypatch.setattr("memnotify.host.memory_mib", lambda: 256)
    found = states(tmp_path / "not" / "yet")
    assert (found["disk"], found["memory"]) == (CheckLevel.MISSING, CheckLevel.MISSING)


def test_the_command_prints_a_table_or_json_and_ends_with_3_if_something_is_missing(
    tools: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"name", "state", "detail", "fix"} == set(found[0])
    (tools / "bison").unlink()
    assert main(["doctor"]) == 3
    printed = capsys.readouterr().out
    assert "apt-get install bison" in printed
    assert "1 missing: bison" in printed


def test_the_boot_sector_is_one() -> None:
    assert len(probe.BOOT_SECTOR) == 512
    assert probe.BOOT_SECTOR.endswith(b"\x55\xaa")


@pytest.mark.guest
def test_what_qemu_says_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = process.Completed(("qemu",), 1, "", "no module: Permission denied\nno kvm\n", 0.1)
    monkeypatch.setattr(process, "run", lambda *_, **__: said)
    assert probe.boots(Accel.TCG) == "no module: Permission denied; no kvm"


def test_the_boot_sector_boots() -> None:
    assert probe.boots(Accel.TCG) is None


@pytest.mark.parametrize("folder", ["KERNELS", "PATCHES", "IMAGES", "CAMPAIGNS"])
def test_missing_data_are_not_passed_over(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package without its data had nothing to check, and everything was well."""
    none = tmp_path / "none"
    monkeypatch.setattr(places, folder, none)
    if folder == "KERNELS":
        monkeypatch.setattr(doctor, "bases", lambda: bases(none))
    if folder == "PATCHES":
        monkeypatch.setattr(doctor, "revisions", lambda: revisions(none))
    found = doctor._data()
    assert found.state is CheckLevel.MISSING
    assert re.search(r": the data of the project \(\S+\) are missing$", found.detail)
    assert found.fix.startswith("set MEMNOTIFY_HOME ")


def test_a_missing_extra_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "installed", lambda library: library != "fabric")
    notes = list(doctor._extras())
    assert [(note.name, note.state) for note in notes] == [
        ("extra fleet", CheckLevel.NOTE),
        ("extra shell", CheckLevel.NOTE),
    ]
    assert [note.fix.rpartition(" ")[2] for note in notes] == [
        "'memnotify[fleet]'",
        "'memnotify[shell]'",
    ]


def test_a_host_that_builds_nothing_needs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.guest.probe.boots", lambda accel: None)
    monkeypatch.setattr("memnotify.guest.probe.kvm_problem", lambda: None)
    found = {check.name for check in doctor.examine_guests()}
    assert {"data", "kvm", "setpriv", "memory", "cores"} <= found
    assert not [name for name in found if "toolchain" in name or "source" in name]
    assert not {"patch", "disk", "ccache", "libarchive"} & found
