"""How long a kernel takes from nothing, and how much of that the next series on its base takes.

Both are built in an empty store: unpacking, configuring and compiling count. Fetching the source
does not: it is taken from the user's store, and fetched before if it is not there. CPU seconds vary
less than wall seconds with what else the machine does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from memnotify.kernel.base import load_base
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.source import ensure_source
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandLog
from memnotify.store import Store

FIRST_TARGET_S = 300.0
RATIO_TARGET = 0.25


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Built:
    """One build: its times, the number of files that it compiled, and the SHA-256 of bzImage."""

    seconds: float
    cpu_seconds: float
    objects: int
    digest: str


def cpu_seconds() -> float:
    """Return the CPU time of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(base: str, arch: Arch, series: tuple[str, str]) -> list[Built]:
    """Build each series, one after the other."""
    source = ensure_source(load_base(base), None, store=Store(), progress=say)
    built = []
    # In the store's own folder: the system's temporary folder may be in memory.
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as folder:
        log = CommandLog(Path(folder) / "commands.jsonl")
        for revision in series:
            request = KernelRequest(
                base=base, series=revision, arch=arch, source=str(source.tarball)
            )
            started, used = time.monotonic(), cpu_seconds()
            kernel = ensure_kernel(request, store=Store(Path(folder)), log=log, progress=say)
            compiled = re.findall(r"^  (?:CC|AS) ", kernel.file("build.log").read_text(), re.M)
            digest = hashlib.sha256(kernel.file("bzImage").read_bytes()).hexdigest()
            built.append(
                Built(time.monotonic() - started, cpu_seconds() - used, len(compiled), digest)
            )
    return built


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", default="6.1")
    parser.add_argument("--arch", type=Arch, choices=list(Arch), default=Arch.X86_64)
    parser.add_argument("--series", nargs=2, default=("none", "v4"), metavar="REV")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    first, second = measure(args.base, args.arch, tuple(args.series))
    for name, built in (("first series ", first), ("second series", second)):
        cost = f"{built.cpu_seconds:.1f} s of CPU, {built.objects} files compiled"
        print(f"{name}  {built.seconds:7.1f} s, {cost}, bzImage {built.digest[:16]}")
    ratio = second.seconds / first.seconds
    print(f"target         {FIRST_TARGET_S:7.1f} s for the first series, on 2 idle cores")
    print(f"ratio          {ratio:7.3f}    (target ≤ {RATIO_TARGET})")
    if args.json is not None:
        rows = [
            ("kernel first build", first.seconds, "s", FIRST_TARGET_S),
            ("kernel second series / first", ratio, "ratio", RATIO_TARGET),
        ]
        names = ("name", "value", "unit", "target")
        shown = [dict(zip(names, row, strict=True)) | {"better": "lower"} for row in rows]
        args.json.write_text(json.dumps(shown, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
