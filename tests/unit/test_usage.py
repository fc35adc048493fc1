"""How much of the host a QEMU takes, and who killed it."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import pytest
from memnotify import host
from memnotify.guest.usage import HOST_OOM, MemoryMeter, OomWatch
from memnotify.host import OomKills


def watch_of(*counts: OomKills) -> OomWatch:
    left = list(counts)
    return OomWatch(lambda: left.pop(0) if len(left) > 1 else left[0])


def test_a_kill_meanwhile_is_named_with_figures_and_a_fix() -> None:
    failure = watch_of(OomKills(3, 0), OomKills(4, 0)).failure(had_mib=2150)
    assert failure is not None and failure.kind == HOST_OOM
    assert "killed by the host's OOM killer; it had 2150 MiB" in str(failure)
    assert f"{host.memory_mib()} MiB" in str(failure)
    assert "-j" in str(failure) and "memory_mib" in str(failure)
    inside = watch_of(OomKills(3, 7, 2), OomKills(4, 8, 3)).failure(had_mib=1)
    assert inside is not None and "of our control group" in str(inside)


def test_a_kill_for_the_whole_machine_is_not_our_groups(tmp_path: Path) -> None:
    # The kernel also counts it in `oom_kill` of the victim's group.
    failure = watch_of(OomKills(3, 7, 2), OomKills(4, 8, 2)).failure(had_mib=1)
    assert failure is not None and "killed by the host's OOM killer" in str(failure)
    assert "control group" not in str(failure)
    at_limit = watch_of(OomKills(3, 7, 2), OomKills(3, 7, 3)).failure(had_mib=1)
    assert at_limit is None, "nobody was killed"


def test_a_kill_before_or_none_at_all_is_not_this_one() -> None:
    assert watch_of(OomKills(3, 1)).failure(had_mib=1) is None


def test_a_kill_is_remembered_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("memnotify.guest.usage.time.monotonic", lambda: now[0])
    counts = [OomKills(0, 0)]
    watch = OomWatch(lambda: counts[0])
    now[0] = 10.0
    watch.look()
    counts[0] = OomKills(1, 0)
    for second in range(11, 60):  # the guest has much to release before it is gone
        now[0] = float(second)
        watch.look()
        assert watch.failure(had_mib=1) is not None
    for second in range(60, 200):
        now[0] = float(second)
        watch.look()
    assert watch.failure(had_mib=1) is None


def test_kills_are_counted_in_either_version_of_control_groups(tmp_path: Path) -> None:
    files = {
        "proc/vmstat": "nr_free_pages 5\noom_kill 7\ndrop_pagecache 1\n",
        "proc/self/cgroup": "4:memory:/a\n0::/b\n",
        "cgroup/memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "cgroup/memory/a/memory.failcnt": "6\n",
        "cgroup/b/memory.events": "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert host.oom_kills(proc=tmp_path / "proc", cgroups=tmp_path / "cgroup") == OomKills(7, 5, 10)
    assert host.oom_kills(proc=tmp_path, cgroups=tmp_path) == OomKills(0, 0)
    assert host.oom_kills().machine >= 0


# Takes 30 MiB of its own, and reads as much of a memory file.
_TAKES = f"""
import mmap, os
own = bytearray(os.urandom(30 << 20))
fd = os.memfd_create("shared")
os.truncate(fd, 30 << 20)
shared = mmap.mmap(fd, 30 << 20)
for at in range(0, 30 << 20, {mmap.PAGESIZE}):
    shared[at] = 1
print("there", flush=True)
input()
"""


def test_the_meter_counts_what_is_a_processs_own() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _TAKES], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        meter = MemoryMeter(child.pid)
        assert child.stdout is not None
        child.stdout.readline()
        meter.look()
        child.kill()
    assert 30 << 20 <= meter.peak_bytes < 55 << 20
    seen = meter.peak_bytes
    meter.look()
    assert meter.peak_bytes == seen
