"""System.map as an ELF file, read back by binutils."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.guest.symbols import write_symbols
from memnotify.model import Arch

MAP = {
    Arch.X86_64: """\
0000000000000000 D __per_cpu_start
ffffffff81000000 T _text
ffffffff81000000 T startup_64
ffffffff81000140 t local
ffffffff81000200 W weak
ffffffff81800010 D jiffies
ffffffff81a00000 B _end
""",
    Arch.I386: """\
c0100000 T _text
c0100140 t local
c0200010 D jiffies
""",
}


@pytest.mark.parametrize("arch", list(Arch))
def test_what_nm_makes_of_it(arch: Arch, tmp_path: Path) -> None:
    (tmp_path / "System.map").write_text(MAP[arch])
    output = tmp_path / "symbols"
    write_symbols(tmp_path / "System.map", output, arch=arch)
    listed = subprocess.run(["nm", "-n", output], capture_output=True, text=True, check=True)
    kinds = {"D": "A", "B": "A", "t": "T", "W": "T"}
    wanted = [
        f"{address} {kinds.get(kind, kind)} {name}"
        for address, kind, name in (line.split() for line in MAP[arch].splitlines())
        if name != "__per_cpu_start"
    ]
    assert sorted(listed.stdout.splitlines()) == sorted(wanted)
    sizes = subprocess.run(["nm", "-S", output], capture_output=True, text=True, check=True)
    _, size, *_ = next(line for line in sizes.stdout.splitlines() if "_text" in line).split()
    assert int(size, 16) == 0x140
    header = subprocess.run(["readelf", "-hS", output], capture_output=True, text=True, check=True)
    assert "EXEC (Executable file)" in header.stdout
    assert header.stderr == ""


@pytest.mark.parametrize("text", ["", "nonsense\n", "ffffffff81800010 D jiffies\n"])
def test_no_system_map(text: str, tmp_path: Path) -> None:
    (tmp_path / "System.map").write_text(text)
    with pytest.raises(InputError, match=r"not a System\.map"):
        write_symbols(tmp_path / "System.map", tmp_path / "symbols", arch=Arch.X86_64)
