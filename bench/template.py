"""What starting from a template saves, and how much of the host guests from one template take.

Restored and cold guests alternate; times are from the start of QEMU to READY. Memory is what the
kernel accounts to QEMU: RSS includes pages that others share, PSS divides them. A guest takes what
is QEMU's alone and all pages of the memory files that it has open.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from guests import Figure, Guest, guest, hog, parser, publish
from memnotify.guest.template import Template
from memnotify.guest.templates import KIND
from memnotify.run.need import QEMU_MIB, need, template_mib
from memnotify.store import Store

ROUNDS = 7
TOGETHER = 4
LOOK_SECONDS = 0.05
MIB = 1 << 20


def qemus() -> list[int]:
    """Return our child processes that are QEMUs."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    found = []
    for pid in map(int, children):
        try:
            if Path(f"/proc/{pid}/comm").read_text().startswith("qemu"):
                found.append(pid)
        except OSError:
            pass
    return found


def memory_of(pid: int) -> dict[str, int]:
    """Return the fields of a process's smaps_rollup, in KiB; nothing if it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return {}
    found = re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)
    fields = {name: int(kib) for name, kib in found}
    return fields | {"Taken": fields["Anonymous"] + files_kib(pid)}


def files_kib(pid: int) -> int:
    """Return the size in KiB of the memory files that a process has open."""
    blocks: dict[int, int] = {}
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(file.readlink()).startswith("/memfd:"):
                there = file.stat()
                blocks[there.st_ino] = there.st_blocks // 2
    return sum(blocks.values())


async def peaks(work: asyncio.Task[list[object]]) -> dict[str, list[int]]:
    """Sample all QEMUs while `work` runs; return each one's largest RSS and PSS, in KiB."""
    seen: defaultdict[str, dict[int, int]] = defaultdict(dict)
    while not work.done():
        for pid in qemus():
            for name, kib in memory_of(pid).items():
                seen[name][pid] = max(kib, seen[name].get(pid, 0))
        await asyncio.sleep(LOOK_SECONDS)
    await work
    return {name: list(by_pid.values()) for name, by_pid in seen.items()}


async def run_together(one: Guest, template: Template | None, count: int) -> dict[str, list[int]]:
    runs = [one.run_beside(template) for _ in range(count)]
    return await peaks(asyncio.ensure_future(asyncio.gather(*runs)))


def touched_mib(one: Guest) -> float:
    """Boot a guest and return how much of its RAM is allocated at READY, in MiB."""
    found: list[int] = []

    def look(stage: str) -> None:
        if stage == "run" and not found:  # it is still waiting
            (pid,) = qemus()
            found.append(_mapping_kib(pid, one.cell.memory_mib << 20))

    one.run(None, on_stage=look)
    return found[0] / 1024


def _mapping_kib(pid: int, size: int) -> int:
    for start, end, rss in _mappings(pid):
        if end - start == size:
            return rss
    raise LookupError(f"QEMU has no mapping of {size} bytes")


def _mappings(pid: int) -> Iterator[tuple[int, int, int]]:
    text = Path(f"/proc/{pid}/smaps").read_text()
    for found in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) .*?^Rss: +(\d+) kB", text, re.M | re.S):
        yield int(found[1], 16), int(found[2], 16), int(found[3])


def starts(one: Guest, template: Template) -> tuple[list[float], list[float]]:
    """Return the seconds to READY of restored and of cold guests, which alternate."""
    restored: list[float] = []
    cold: list[float] = []
    for _ in range(ROUNDS):
        for source, seconds in ((template, restored), (None, cold)):
            taken = one.run(source).start_seconds
            assert taken is not None
            seconds.append(taken)
    return restored, cold


def taken() -> list[Figure]:
    """Return what a guest takes that fills its 256 MiB, from its template and booted."""
    one = guest(hog(at_s=1, rate_mib_s=50, mib=190), duration_s=12, sample_s=1, memory_mib=256)
    template = one.template()
    restored, booted = (asyncio.run(run_together(one, source, 1)) for source in (template, None))
    mib = [max(seen["Taken"]) / 1024 for seen in (restored, booted)]
    claimed = need(one.cell, cores=1).memory_mib
    held = template.bytes / MIB
    return [
        Figure("a full guest of 256 MiB, from its template", mib[0], "MiB"),
        Figure("the same, booted", mib[1], "MiB"),
        Figure("from its template / booted", mib[0] / mib[1], "ratio", 1.1),
        Figure("QEMU's own / what the ledger counts", own_mib(restored) / QEMU_MIB, "ratio", 1),
        Figure("template in memory / what the ledger counts", held / template_mib(256), "ratio", 1),
        Figure("guest and template / the ledger's claim", (mib[0] + held) / claimed, "ratio", 1),
    ]


def own_mib(seen: dict[str, list[int]]) -> float:
    """Return QEMU's own memory in MiB, for a guest whose memories are files."""
    return max(seen["Anonymous"]) / 1024


def main() -> int:
    args = parser(__doc__).parse_args()
    short = guest(duration_s=1, sample_s=1)
    template = short.template()
    restored, cold = starts(short, template)
    ratios = [boot / restore for boot, restore in zip(cold, restored, strict=True)]
    figures = [
        Figure("restored and READY, median", statistics.median(restored), "s"),
        Figure("booted and READY, median", statistics.median(cold), "s"),
        Figure("cold boot / restore, median", statistics.median(ratios), "ratio", 10, "higher"),
    ]

    full = guest(hog(at_s=1, rate_mib_s=20, mib=40), duration_s=10, sample_s=1)
    ram = full.cell.memory_mib
    filled = asyncio.run(run_together(full, template, 1))
    beyond = max(filled["Rss"]) / 1024 - ram
    figures.append(Figure("peak RSS of a full guest, beyond its RAM", beyond, "MiB", 60))

    figures += taken()

    idle = guest(duration_s=300, sample_s=1)
    alone = asyncio.run(run_together(idle, template, 1))
    beside = asyncio.run(run_together(idle, template, TOGETHER))
    figures += [
        Figure("peak RSS of an idle guest", max(alone["Rss"]) / 1024, "MiB"),
        Figure("peak PSS of an idle guest alone", max(alone["Pss"]) / 1024, "MiB"),
        Figure(
            f"mean peak PSS of {TOGETHER} idle guests together",
            statistics.mean(beside["Pss"]) / 1024,
            "MiB",
        ),
    ]

    folder = Store().root / KIND / template.key
    index = json.loads((folder / "index.json").read_text())
    saved = sum(length for _, length in index["ram"]["extents"]) / MIB
    disk = sum(path.stat().st_blocks * 512 for path in folder.iterdir()) / MIB
    touched = touched_mib(short)
    figures += [
        Figure("RAM that a booted guest has touched", touched, "MiB"),
        Figure("RAM in its template / RAM touched", saved / touched, "ratio", 1.05),
        Figure("template on disk, all files", disk, "MiB"),
    ]
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
