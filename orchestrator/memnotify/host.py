"""This machine: what it is, and the memory and cores that our control groups let us use of it."""

from __future__ import annotations

import functools
import math
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memnotify.units import BYTES_PER_MIB

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a reader of results wants to know of the host; nothing in it names a user."""

    name: str
    cpu: str
    cores: int
    memory_mib: int
    system: str
    kernel: str

    def __str__(self) -> str:
        size = f"{self.memory_mib / 1024:.1f} GiB"
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        words = (self.cpu, cores, size, self.system, self.kernel)
        return f"{self.name or 'unnamed'}: {', '.join(filter(None, words))}"


@functools.cache
def machine(*, proc: Path = Path("/proc")) -> Machine:
    """Return what this machine is. What cannot be found out is empty."""
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return Machine(
        name=platform.node(),
        cpu=_cpu(proc) or platform.machine(),
        cores=cores(),
        memory_mib=memory_mib(),
        system=system,
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def _cpu(proc: Path) -> str:
    """Return the model of the first CPU; some architectures do not name it."""
    try:
        lines = (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    known: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        known.setdefault(key.strip().lower(), " ".join(value.split()))
    return next((known[key] for key in ("model name", "hardware", "model") if known.get(key)), "")


def memory_mib(*, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> int:
    """Return the machine's memory, or the lowest limit of our control groups, in MiB."""
    limits = [_meminfo(proc, "MemTotal")]
    for folder in _groups(proc, cgroups, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _words(folder / name)
            if words and words[0].isdigit():
                limits.append(int(words[0]))
    return min(limits) // BYTES_PER_MIB


def cores(*, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> int:
    """Return how many cores we may use: our CPU affinity, limited by control group quotas."""
    limits = [float(len(os.sched_getaffinity(0)))]
    for folder in _groups(proc, cgroups, "cpu"):
        quota = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0].isdigit() and int(quota[1]):
            limits.append(int(quota[0]) / int(quota[1]))
    return max(1, math.floor(min(limits)))


@dataclass(frozen=True, slots=True)
class OomKills:
    """How many processes the OOM killer has killed since boot.

    `machine` counts those of the whole kernel. `group` counts those in a control group of ours,
    whether that group was out of memory or the whole machine. `at_limit` is how often such a group
    hit its own limit and could not go on. A counter that the kernel does not provide is 0.
    """

    machine: int
    group: int
    at_limit: int = 0


def oom_kills(*, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> OomKills:
    """Return how many processes the OOM killer has killed so far."""
    inside = at_limit = 0
    for folder in _groups(proc, cgroups, "memory"):
        inside += _count(folder / "memory.events", "oom_kill")
        inside += _count(folder / "memory.oom_control", "oom_kill")
        at_limit += _count(folder / "memory.events", "oom")
        # Version 1 counts every time the limit was hit, even if reclaim freed enough.
        met = _words(folder / "memory.failcnt")
        at_limit += int(met[0]) if met and met[0].isdigit() else 0
    return OomKills(_count(proc / "vmstat", "oom_kill"), inside, at_limit)


def _count(file: Path, name: str) -> int:
    words = _words(file)
    value = words[words.index(name) + 1] if name in words[:-1] else ""
    return int(value) if value.isdigit() else 0


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []


def available_mib(*, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> int:
    """Return the memory that machine and control groups can give without swapping, in MiB."""
    found = [_meminfo(proc, "MemAvailable")]
    for folder in _groups(proc, cgroups, "memory"):
        for limit, usage, inactive in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, taken = (_words(folder / name)[:1] for name in (limit, usage))
            if most and taken and most[0].isdigit():
                # Inactive page cache is reclaimed before anything is killed.
                idle = _count(folder / "memory.stat", inactive)
                found.append(max(0, int(most[0]) - int(taken[0]) + idle))
    return min(found) // BYTES_PER_MIB


def _meminfo(proc: Path, name: str) -> int:
    for line in (proc / "meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{proc}/meminfo has no {name}")


def _groups(proc: Path, cgroups: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of our control group and of its ancestors, for either version."""
    try:
        lines = (proc / "self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = cgroups / controller if controllers else cgroups
        folder = root / path.lstrip("/")
        while folder.is_relative_to(root):
            yield folder
            folder = folder.parent
