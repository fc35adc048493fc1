"""How long a kernel takes from nothing, and how much of that the next series on its base takes.

Both are built in an empty store: unpacking, configuring and compiling count. Fetching the source
does not: it is taken from the user's store, and fetched before if it is not there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
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


def measure(base: str, arch: Arch, series: tuple[str, str]) -> list[float]:
    """Return the wall time in seconds of building each series, one after the other."""
    source = ensure_source(load_base(base), None, store=Store(), progress=say)
    seconds = []
    # In the store's own folder: the system's temporary folder may be in memory.
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as folder:
        log = CommandLog(Path(folder) / "commands.jsonl")
        for revision in series:
            request = KernelRequest(
                base=base, series=revision, arch=arch, source=str(source.tarball)
            )
            started = time.monotonic()
            ensure_kernel(request, store=Store(Path(folder)), log=log, progress=say)
            seconds.append(time.monotonic() - started)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", default="6.1")
    parser.add_argument("--arch", type=Arch, choices=list(Arch), default=Arch.X86_64)
    parser.add_argument("--series", nargs=2, default=("none", "v4"), metavar="REV")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    first, second = measure(args.base, args.arch, tuple(args.series))
    print(f"first series   {first:7.1f} s  (target ≤ {FIRST_TARGET_S:.0f} s on 2 idle cores)")
    print(f"second series  {second:7.1f} s")
    print(f"ratio          {second / first:7.3f}    (target ≤ {RATIO_TARGET})")
    if args.json is not None:
        rows = [
            ("kernel first build", first, "s", FIRST_TARGET_S),
            ("kernel second series / first", second / first, "ratio", RATIO_TARGET),
        ]
        names = ("name", "value", "unit", "target")
        shown = [dict(zip(names, row, strict=True)) | {"better": "lower"} for row in rows]
        args.json.write_text(json.dumps(shown, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
