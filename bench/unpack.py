"""How long the source of a kernel takes to become a work tree: unpacked, and noted file by file.

The source is that of the user's store, and fetched before if it is not there. Decompressing and
creating files go side by side, so on a busy host compare CPU time, and wall time only with that of
another version in turns (bench/against).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from guests import Figure, parser, publish, say
from memnotify.kernel.base import load_base
from memnotify.kernel.source import ensure_source
from memnotify.kernel.tree import work_tree
from memnotify.model import Arch
from memnotify.store import Store


def measure(base: str, given: str | None) -> list[Figure]:
    """Unpack the source of a base into a store of its own."""
    source = ensure_source(load_base(base), given, store=Store(), progress=say)
    # In the store's own folder: the system's temporary folder may be in memory.
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as folder:
        store = Store(Path(folder))
        figures = []
        for what in ("unpacking", "finding unchanged"):
            began, used = time.monotonic(), time.process_time()
            with work_tree(source, Arch.X86_64, store=store, progress=say):
                figures += [
                    Figure(f"{what} {base}", time.monotonic() - began, "s"),
                    Figure(f"{what} {base}, CPU time", time.process_time() - used, "s"),
                ]
    return figures


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--base", default="6.1")
    options.add_argument("--source", metavar="PATH", help="a tree or tarball of it")
    args = options.parse_args()
    publish(measure(args.base, args.source), args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
