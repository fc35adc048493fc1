"""What a cell needs of the host, and what the host has for guests."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from memnotify import host
from memnotify.guest.machine import load_machine
from memnotify.host import available_mib
from memnotify.model import Arch, Cell, KernelRequest
from memnotify.run.need import QEMU_MIB, Need, host_capacity, need, template_mib
from memnotify.scenario import Scenario


def test_a_cell_needs_ram_swap_disk_twice_its_log_qemu_and_a_template() -> None:
    cell = Cell(
        request=KernelRequest(base="2.6.24", series="v4", arch=Arch.X86_64),
        machine=load_machine("x86-64-numa-16g"),
        memory_mib=16_384,
        clients=12_500,
        scenario=Scenario(name="s", start_ns=0, duration_ns=1, sample_ns=1, steps=()),
        log_records=1 << 20,
    )
    memories, log = 16_384 + 2_048 + 1_024, 64
    template = template_mib(16_384)
    # Measured: a template of this guest takes 277 MiB, one of 64 MiB with Linux 6.1 22 MiB.
    assert 277 < template < 400 and 22 < template_mib(64) < 32
    wanted = need(cell, cores=8)
    assert wanted == Need(memories + 2 * log + 1 + QEMU_MIB + template, 1)
    # A host of 24 GiB has enough for it.
    assert wanted.memory_mib < 24_000 - 24_000 // 10
    without = dataclasses.replace(cell.machine, disk_mib=0)
    assert need(dataclasses.replace(cell, machine=without), cores=8).memory_mib == (
        wanted.memory_mib - 1_024
    )


def fake_host(root: Path, group: str, files: dict[str, str]) -> dict[str, Path]:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal:       8388608 kB\nMemFree: 1 kB\n")
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        (root / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "cgroup" / name).write_text(text)
    return {"proc": root / "proc", "cgroups": root / "cgroup"}


def test_host_without_limits(tmp_path: Path) -> None:
    assert host.memory_mib(**fake_host(tmp_path, "0::/\n", {})) == 8192


@pytest.mark.parametrize(
    ("groups", "files", "memory_mib", "cores"),
    [
        pytest.param(
            "0::/a/b\n",
            {
                "a/memory.max": f"{1 << 30}\n",
                "a/b/memory.max": "max\n",
                "a/b/cpu.max": "150000 100000\n",
            },
            1024,
            1,
            id="the narrowest group",
        ),
        pytest.param(
            "3:memory:/a\n2:cpu:/a\n",
            {
                "memory/a/memory.limit_in_bytes": f"{1 << 29}\n",
                "cpu/a/cpu.cfs_quota_us": "-1\n",
                "cpu/a/cpu.cfs_period_us": "100000\n",
            },
            512,
            None,
            id="version 1",
        ),
        # The container sees its own group as the root, under a path that only the host knows.
        pytest.param(
            "3:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n",
            {
                "memory/memory.limit_in_bytes": f"{1 << 30}\n",
                "cpu/cpu.cfs_quota_us": "250000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
            },
            1024,
            2,
            id="a container of version 1",
        ),
    ],
)
def test_host_within_groups(
    tmp_path: Path, groups: str, files: dict[str, str], memory_mib: int, cores: int | None
) -> None:
    places, all_cores = fake_host(tmp_path, groups, files), len(os.sched_getaffinity(0))
    assert host.memory_mib(**places) == memory_mib
    assert host.cores(**places) == (all_cores if cores is None else min(cores, all_cores))


def test_what_guests_may_take_leaves_a_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "cores", lambda: 8)
    for has, may_take in ((2048, 1536), (20_480, 18_432)):
        monkeypatch.setattr(host, "memory_mib", lambda has=has: has)
        assert host_capacity() == Need(may_take, 8)


@pytest.mark.parametrize("most", ["max", str(1 << 29)])
def test_memory_that_is_available_within_groups(tmp_path: Path, most: str) -> None:
    files = {
        "a/memory.max": f"{most}\n",
        "a/memory.current": f"{400 << 20}\n",
        "a/memory.stat": f"anon 1\ninactive_file {100 << 20}\nactive_file 7\n",
        "a/b/memory.max": "max\n",
        "a/b/memory.current": "9\n",
    }
    places = fake_host(tmp_path, "0::/a/b\n", files)
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: 8388608 kB\nMemAvailable: {900 << 10} kB\n")
    assert available_mib(**places) == (900 if most == "max" else 512 - 400 + 100)


def test_memory_that_is_available_within_groups_of_version_1(tmp_path: Path) -> None:
    files = {
        "memory/a/memory.limit_in_bytes": f"{1 << 29}\n",
        "memory/a/memory.usage_in_bytes": f"{600 << 20}\n",
        "memory/a/memory.stat": f"inactive_file 5\ntotal_inactive_file {90 << 20}\n",
    }
    places = fake_host(tmp_path, "3:memory:/a\n", files)
    (tmp_path / "proc/meminfo").write_text(f"MemAvailable: {900 << 10} kB\n")
    assert available_mib(**places) == 2
