"""The user that QEMU runs as, its rights, and the files that it can open."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from memnotify import process
from memnotify.errors import InputError
from memnotify.guest import privileges
from memnotify.guest.privileges import QemuUser, qemu_user
from memnotify.guest.qemu import QEMU
from memnotify.model import Accel
from memnotify.process import CommandLog
from memnotify.rights import Rights


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    qemu_user.cache_clear()
    yield
    qemu_user.cache_clear()


@pytest.fixture
def account(asked_anew: None) -> pwd.struct_passwd:
    """Return the user that QEMU becomes here; needs root, and a root with more than one user."""
    found = qemu_user()
    if found.account is None:
        pytest.skip(found.problem or "only root can be somebody else")
    return found.account


def status(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines())


def test_it_gets_no_new_privileges_whoever_we_are() -> None:
    said = process.run(Rights().command(["cat", "/proc/self/status"]), timeout=20).stdout
    found = status(said)
    assert found["NoNewPrivs"] == "1"
    assert found["Uid"].split() == [str(os.geteuid())] * 4


def test_as_another_user_it_has_no_rights_and_no_groups(
    account: pwd.struct_passwd, tmp_path: Path
) -> None:
    log, out = CommandLog(tmp_path / "log"), tmp_path / "out"

    async def main() -> int:
        async with await process.spawn(
            ["cat", "/proc/self/status"], log=log, output=out, rights=qemu_user().rights(Accel.TCG)
        ) as child:
            return await child.wait()

    assert asyncio.run(main()) == 0
    found = status(out.read_text())
    assert found["Uid"].split() == [str(account.pw_uid)] * 4
    assert found["Gid"].split() == [str(account.pw_gid)] * 4
    assert found["Groups"].split() == []
    assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == int(found["CapAmb"], 16) == 0
    assert found["NoNewPrivs"] == "1"
    # The line that runs it again does so with the same rights.
    (line,) = (tmp_path / "log").read_text().splitlines()
    shell = subprocess.run(["sh", "-c", json.loads(line)["shell"]], capture_output=True, text=True)
    assert status(shell.stdout)["Uid"] == found["Uid"]


def test_a_user_who_is_not_there_is_not_replaced_in_silence(
    account: pwd.struct_passwd, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert qemu_user() == QemuUser(account)
    qemu_user.cache_clear()
    monkeypatch.setattr(privileges, "_NAMES", ("nobody-at-all",))
    assert qemu_user() == QemuUser(problem="there is no user nobody-at-all")
    assert qemu_user().rights(Accel.TCG) == Rights()


def test_a_qemu_that_only_root_can_reach_stays_root(
    account: pwd.struct_passwd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o700)
    (folder / QEMU).write_text("#!/bin/sh\n")
    (folder / QEMU).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    qemu_user.cache_clear()
    found = qemu_user()
    assert found.account is None
    assert str(folder / QEMU) in str(found.problem)


_WITHOUT = """
from memnotify.guest.privileges import qemu_user
print(qemu_user().problem)
"""


@pytest.mark.parametrize("capability", ["chown", "kill", "setgid", "setuid"])
def test_a_container_without_a_capability_is_told(
    account: pwd.struct_passwd, capability: str
) -> None:
    found = subprocess.run(
        ["setpriv", f"--bounding-set=-{capability}", "--", sys.executable, "-c", _WITHOUT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == f"no CAP_{capability.upper()}\n"


def can_open(fd: int, mode: str, rights: Rights) -> bool:
    """Return whether a process with these rights can reopen an inherited file, as QEMU does."""
    script = f": {mode} /proc/self/fd/{fd}"
    done = process.run(
        rights.command(["sh", "-c", script]), timeout=20, check=False, pass_fds=(fd,)
    )
    return done.returncode == 0


def test_what_is_lent_can_be_opened_and_is_ours_again(
    account: pwd.struct_passwd, tmp_path: Path
) -> None:
    qemu = qemu_user()
    rights = qemu.rights(Accel.TCG)
    file = tmp_path / "tape"
    with qemu.lent(file, os.O_RDWR | os.O_CREAT) as fd:
        assert can_open(fd, "<>", rights)
    found = file.stat()
    assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    with file.open("r+b") as opened:
        assert not can_open(opened.fileno(), "<>", rights)
    reader, writer = os.pipe()
    assert not can_open(writer, ">", rights)
    qemu.lend(writer)
    assert can_open(writer, ">", rights)
    os.close(reader)
    os.close(writer)


def test_what_is_lent_is_given_back_to_whose_it_was(
    account: pwd.struct_passwd, tmp_path: Path
) -> None:
    file = tmp_path / "tape"
    file.touch()
    os.chown(file, 0, 42)
    qemu = qemu_user()
    with qemu.lent(file, os.O_RDWR):
        assert file.stat().st_uid == account.pw_uid
    assert (file.stat().st_uid, file.stat().st_gid) == (0, 42)


@pytest.mark.parametrize("kind", ["link", "second name", "pipe"])
def test_what_may_be_something_else_is_not_lent(tmp_path: Path, kind: str) -> None:
    file, secret = tmp_path / "tape", tmp_path / "secret"
    secret.touch()
    before = secret.stat()
    if kind == "link":
        file.symlink_to(secret)
    elif kind == "second name":
        file.hardlink_to(secret)
        before = secret.stat()
    else:
        os.mkfifo(file)
    with pytest.raises((OSError, InputError)), qemu_user().lent(file, os.O_RDWR):
        pytest.fail("it was lent")
    assert secret.stat().st_ctime_ns == before.st_ctime_ns  # never changed, even for a moment


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_what_it_reads_it_can_read_whatever_the_mode_and_never_write(
    account: pwd.struct_passwd, tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "bzImage"
    file.write_bytes(b"kernel")
    file.chmod(mode)
    qemu = qemu_user()
    with ExitStack() as stack:
        fd = qemu.readable(stack, file)
        assert can_open(fd, "<", qemu.rights(Accel.TCG))
        assert os.pread(fd, 10, 0) == b"kernel"
        same = os.fstat(fd).st_ino == file.stat().st_ino
        assert same == (mode == 0o644)
        assert not (same and can_open(fd, "<>", qemu.rights(Accel.TCG)))
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_only_kvm_takes_a_group_and_never_roots(
    account: pwd.struct_passwd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(privileges, "KVM", device)
    for group, mode, groups in ((107, 0o660, (107,)), (107, 0o600, ()), (0, 0o660, ())):
        os.chown(device, 0, group)
        device.chmod(mode)
        assert qemu_user().rights(Accel.KVM).groups == groups
        assert qemu_user().rights(Accel.TCG).groups == ()
    device.unlink()
    assert qemu_user().rights(Accel.KVM).groups == ()
