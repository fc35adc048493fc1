from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InputError
from memnotify.guest import qemu, slram
from memnotify.guest.machine import load_machine
from memnotify.model import (
    Accel,
    Arch,
    BootFiles,
    Cell,
    Clock,
    DiskBus,
    SwapKind,
)
from memnotify.process import CommandLog

from tests.support.cells import make_cell


def command_line(cell: Cell, accel: Accel = Accel.TCG) -> list[str]:
    return qemu.command_line(
        cell,
        accel=accel,
        description=Path("machine.cfg"),
        files=BootFiles(kernel=Path("bzImage"), initramfs=Path("initramfs.cpio")),
        disks=(),
    )


def describe(
    cell: Cell,
    disks: tuple[qemu.Disk, ...] = (),
    memories: tuple[qemu.Memory, ...] | None = None,
) -> str:
    fds = qemu.Descriptors(
        qmp=11,
        console=12,
        log=13,
        disks=disks,
        memories=qemu.memories_of(cell) if memories is None else memories,
    )
    return qemu.machine_description(cell, fds)


def after(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_a_disk_in_the_time_of_the_host_is_not_recorded() -> None:
    argv = command_line(make_cell(machine="pc-swap-virtio"))
    assert after(argv, "-icount") == "shift=1,sleep=off"


def test_virtual_time_counts_instructions_on_one_thread() -> None:
    argv = command_line(make_cell())
    assert after(argv, "-icount") == "shift=1,sleep=off,rr=record,rrfile=/dev/null"
    assert "thread=single" in after(argv, "-accel")
    assert 'clock = "vm"' in describe(make_cell())
    words = set(after(argv, "-append").split())
    assert {"nolapic_timer", "noapictimer", "tsc=reliable", "mn.insn_ns=2"} <= words


def test_real_time_follows_the_host() -> None:
    cell = make_cell(clock=Clock.REAL)
    assert "-icount" not in command_line(cell)
    words = set(after(command_line(cell), "-append").split())
    assert not {"nolapic_timer", "tsc=reliable", "mn.insn_ns=2"} & words
    assert after(command_line(cell, Accel.KVM), "-accel") == "kvm"
    assert 'clock = "host"' in describe(cell)
    assert "no_timer_check" not in after(command_line(cell), "-append").split()
    i386 = dataclasses.replace(cell, request=dataclasses.replace(cell.request, arch=Arch.I386))
    assert "no_timer_check" in after(command_line(i386), "-append").split()


def test_kvm_cannot_give_virtual_time() -> None:
    with pytest.raises(InputError, match="virtual time"):
        command_line(make_cell(), Accel.KVM)


def test_qemu_may_start_nothing_and_reads_no_configuration_of_the_host() -> None:
    argv = command_line(make_cell())
    assert {"-nodefaults", "-no-user-config", "-S"} <= set(argv)
    assert "spawn=deny" in after(argv, "-sandbox")


def test_disks_are_nameless_sparse_files_and_their_names_go_to_the_guest(tmp_path: Path) -> None:
    machine = dataclasses.replace(
        load_machine("pc-swap-disk"), swap=SwapKind.VIRTIO, disk_bus=DiskBus.VIRTIO
    )
    cell = make_cell(machine)
    with qemu.open_disks(cell, tmp_path) as disks:
        assert [disk.device for disk in disks] == ["/dev/vda", "/dev/vdb"]
        assert os.fstat(disks[0].fd).st_size == 128 << 20
        assert os.fstat(disks[0].fd).st_blocks == 0
        assert list(tmp_path.iterdir()) == []
        words = qemu.kernel_command_line(cell, disks).split()
        assert {"mn.swap=/dev/vda", "mn.disk=/dev/vdb", "mn.ram_kib=65536"} <= set(words)
        text = describe(cell, disks)
        assert f'file = "/proc/self/fd/{disks[1].fd}"' in text
        assert text.count("virtio-blk-pci") == 2


def objects(text: str) -> dict[str, dict[str, str]]:
    """Return the [object ...] sections of a machine description, their values without quotes."""
    sections = (section.partition("]\n") for section in text.split("\n[")[1:])
    return {
        head.split('"')[1]: {
            key.strip(): value.strip().strip('"')
            for key, _, value in (line.partition("=") for line in body.splitlines())
        }
        for head, _, body in sections
        if head.startswith("object")
    }


def test_memories_are_qemus_own_or_files() -> None:
    cell = make_cell("pc-swap")
    own = objects(describe(cell))
    assert own["ram"] == {"qom-type": "memory-backend-ram", "size": "64M"}
    assert own["swap"] == {"qom-type": "memory-backend-ram", "size": "128M"}
    ram = qemu.Memory("ram", 64, fd=21)
    swap = qemu.Memory("swap", 128, fd=22)
    files = objects(describe(cell, memories=(ram, swap)))
    assert files["ram"] == {
        "qom-type": "memory-backend-file",
        "mem-path": "/proc/self/fd/21",
        "share": "on",
        "size": "64M",
    }
    assert (files["swap"]["mem-path"], files["swap"]["share"]) == ("/proc/self/fd/22", "on")
    fds = qemu.Descriptors(qmp=11, console=12, log=13, memories=(ram, swap))
    assert fds.numbers() == (11, 12, 13, 21, 22)


def test_memory_is_shared_out_among_nodes() -> None:
    text = describe(make_cell("x86-64-numa", memory_mib=512))
    assert [objects(text)[f"ram{node}"]["size"] for node in (0, 1)] == ["256M", "256M"]
    assert "memory-backend =" not in text
    assert 'memory-backend = "ram"' in describe(make_cell())


def test_a_lone_disk_is_the_first_one(tmp_path: Path) -> None:
    machine = dataclasses.replace(load_machine("pc-disk"), disk_bus=DiskBus.VIRTIO)
    with qemu.open_disks(make_cell(machine), tmp_path) as disks:
        assert [(disk.name, disk.device) for disk in disks] == [("disk", "/dev/vda")]


def test_ide_disks_are_called_as_in_2008(tmp_path: Path) -> None:
    machine = dataclasses.replace(
        load_machine("pc-swap-disk"), swap=SwapKind.IDE, disk_bus=DiskBus.IDE
    )
    cell = make_cell(machine)
    with qemu.open_disks(cell, tmp_path) as disks:
        assert [disk.device for disk in disks] == ["/dev/hda", "/dev/hdb"]
        text = describe(cell, disks)
        assert text.count('driver = "ide-hd"') == 2
        assert 'unit = "0"' in text and 'unit = "1"' in text
        assert "virtio-blk" not in text


def test_profile_adds_to_the_kernel_command_line() -> None:
    machine = dataclasses.replace(load_machine("pc"), kernel_args=("nohpet",))
    words = qemu.kernel_command_line(make_cell(machine), ()).split()
    assert words[-1] == "nohpet"
    assert "oops=panic" in words


def test_slram_takes_no_disk_and_is_told_where_its_bars_are(tmp_path: Path) -> None:
    cell = make_cell("pc-swap-disk")
    with qemu.open_disks(cell, tmp_path) as disks:
        assert disks == ()
        words = set(qemu.kernel_command_line(cell, disks).split())
        slram = "slram=swap,0xe0000000,+0x8000000,disk,0xc0000000,+0x20000000"
        assert {slram, "mn.swap=/dev/mtdblock0", "mn.disk=/dev/mtdblock1"} <= words
        text = describe(cell, disks)
    assert text.count('driver = "ivshmem-plain"') == 3
    assert "virtio-blk" not in text


@pytest.mark.parametrize(
    ("memory_mib", "swap_mib", "where"),
    [
        (64, 128, 0xF0000000),
        (64, 1024, 0x80000000),
        (2048, 1024, 0x80000000),
        (2560, 1024, 0x1_0000_0000),
        (64, 2048, 0x1_0000_0000),
        (3072, 512, 0xC0000000),
        (3328, 512, 0x1_0000_0000),
        (16384, 2048, 0x4_8000_0000),  # RAM ends at 17 GiB
    ],
)
def test_a_bar_that_finds_no_room_below_the_ram_goes_above_it(
    memory_mib: int, swap_mib: int, where: int
) -> None:
    machine = dataclasses.replace(load_machine("pc-swap"), swap_mib=swap_mib)
    cell = make_cell(machine, memory_mib=memory_mib)
    assert slram.addresses(cell) == {"swap": where}


def test_a_cpu_that_the_guest_does_not_know_stands_between_each_two() -> None:
    cell = make_cell(dataclasses.replace(load_machine("pc"), smp=3))
    text = describe(cell)
    assert 'cpus = "1"' in text and 'maxcpus = "5"' in text
    # In the order of their turns, after the first CPU, which QEMU makes itself.
    assert re.findall(r'socket-id = "(\d)"', text) == ["3", "1", "4", "2"]
    assert {"maxcpus=3", "nr_cpus=3"} <= set(qemu.kernel_command_line(cell, ()).split())


def test_threads_and_nodes_stay_together_beside_spare_cpus() -> None:
    text = describe(make_cell("pentium4-ht"))
    assert 'sockets = "2"' in text and 'threads = "2"' in text and 'maxcpus = "4"' in text
    assert re.findall(r'(?:socket|thread)-id = "(\d)"', text) == ["1", "0", "0", "1"]
    assert re.findall(r'cpus = "(\d-\d)"', describe(make_cell("x86-64-numa"))) == ["0-1", "2-6"]


def test_in_real_time_each_cpu_has_its_thread_and_none_is_spare() -> None:
    cell = make_cell(dataclasses.replace(load_machine("pc"), smp=2), clock=Clock.REAL)
    text = describe(cell)
    assert 'cpus = "2"' in text and "socket-id" not in text
    assert "nr_cpus" not in qemu.kernel_command_line(cell, ())


@pytest.mark.parametrize("word", ['pc"\n[chardev "x"]', "pc\n", 'a"b'])
@pytest.mark.parametrize("field", ["qemu_machine", "name"])
def test_no_word_of_a_cell_can_add_a_device(field: str, word: str) -> None:
    cell = make_cell()
    changes: dict[str, Any] = {field: word}
    machine = dataclasses.replace(cell.machine, **changes)
    with pytest.raises(InputError, match="cannot be used in the description of a machine"):
        describe(dataclasses.replace(cell, machine=machine))


def test_the_digest_of_the_hardware_covers_all_that_qemu_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = make_cell("pc-swap-disk")
    digests = [
        qemu.hardware_digest(cell, Accel.TCG),
        qemu.hardware_digest(dataclasses.replace(cell, memory_mib=65), Accel.TCG),
        qemu.hardware_digest(dataclasses.replace(cell, clock=Clock.REAL), Accel.TCG),
        qemu.hardware_digest(dataclasses.replace(cell, clock=Clock.REAL), Accel.KVM),
    ]
    assert qemu.hardware_digest(cell, Accel.TCG) == digests[0]
    # One template serves cells of every seed.
    assert qemu.hardware_digest(dataclasses.replace(cell, seed=2), Accel.TCG) == digests[0]
    monkeypatch.setattr(qemu, "SANDBOX", "on")
    digests.append(qemu.hardware_digest(cell, Accel.TCG))
    monkeypatch.setattr(qemu, "version", lambda: "another QEMU")
    digests.append(qemu.hardware_digest(cell, Accel.TCG))
    monkeypatch.setattr(qemu, "machine_description", lambda *_: "another template")
    digests.append(qemu.hardware_digest(cell, Accel.TCG))
    assert len(set(digests)) == len(digests)


def test_the_qemu_that_is_asked_is_the_first_that_we_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / qemu.QEMU
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "bin", prepend=":")
    monkeypatch.chdir(tmp_path)
    assert qemu.located([qemu.QEMU, "-S"]) == [str(program), "-S"]
    assert qemu.located(["no-such-qemu"]) == ["no-such-qemu"]
    qemu.version.cache_clear()
    assert qemu.version(CommandLog(tmp_path / "log")) == "mine"
    qemu.version.cache_clear()
    assert json.loads((tmp_path / "log").read_text())["argv"] == [str(program), "--version"]
