from __future__ import annotations

import re
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.guest.machine import load_machine, machine_names
from memnotify.model import Arch, SwapKind


@pytest.mark.parametrize("name", machine_names())
def test_every_profile_loads(name: str) -> None:
    machine = load_machine(name)
    assert machine.name == name
    assert machine.arches
    hash(machine)


def test_names_say_what_the_machine_has() -> None:
    assert load_machine("pc").arches == (Arch.I386, Arch.X86_64)
    assert (load_machine("pc").swap, load_machine("pc").disk_mib) == (SwapKind.NONE, 0)
    assert (load_machine("pc-swap").swap, load_machine("pc-swap").swap_mib) == ("slram", 128)
    assert load_machine("pc-disk").disk_mib > 0


def test_unknown_machine_lists_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no machine pd .*pc, pc-disk, .*pc-swap"):
        load_machine("pd")
    with pytest.raises(InputError):
        load_machine("../machines/pc")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("swap_mib = 128", "swap and swap_mib must be given together"),
        ('swap = "floppy"', "swap: "),
        ("smp = 0", "smp: "),
        ('disk_bus = "slram"\ndisk_mib = 500', "disk_mib must be a power of two"),
        ('kernel_args = ["two words"]', "kernel_args"),
        ("memory = 64", "memory: unknown key"),
    ],
)
def test_a_bad_profile_is_refused_with_its_file(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "bad.toml").write_text(
        f'arches = ["i386"]\nqemu_machine = "pc"\ncpu = "qemu64"\n{line}\n'
    )
    with pytest.raises(InputError, match=r"bad\.toml:\d+: .*" + re.escape(complaint)):
        load_machine("bad", folder=tmp_path)
