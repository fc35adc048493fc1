"""How long `make demo` takes from nothing, stage by stage: an empty store and no .venv.

The last commit of this checkout is cloned into an empty folder. Debian packages that this machine
has are not installed again: for a machine without them, see tests/platforms.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from guests import Figure, parser, publish, say
from memnotify import process
from memnotify.run.stages import read_stages
from memnotify.store import Store

ROOT = Path(__file__).resolve().parents[1]
TARGET_S = 240.0


def used_mb(folder: Path) -> float:
    """Return the space that a folder takes, in MB."""
    done = process.run(["du", "-s", "-B1", str(folder)], timeout=600)
    return int(done.stdout.split()[0]) / 1e6


def first_run(folder: Path) -> list[Figure]:
    """Run `make demo` in a clone below an empty folder."""
    tree, cache = folder / "memnotify", folder / "cache"
    process.run(["git", "clone", "--quiet", str(ROOT), str(tree)], timeout=600)
    hidden = ("PYTHONPATH", "MEMNOTIFY_HOME", "MAKEFLAGS", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    started = time.monotonic()
    # Not through process.run, which gives programs an environment of its own making.
    subprocess.run(
        ["make", "demo"],
        cwd=tree,
        env={**environment, "XDG_CACHE_HOME": str(cache)},
        stdout=sys.stderr,
        check=True,
    )
    seconds = time.monotonic() - started
    return [
        Figure("make demo from nothing", seconds, "s", TARGET_S),
        *(Figure(one.name, one.seconds, "s") for one in read_stages(tree / "runs/demo.stages")),
        Figure(".venv", used_mb(tree / ".venv"), "MB", 350),
        Figure("store", used_mb(cache), "MB"),
    ]


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, metavar="DIR", help="an empty folder to use, kept")
    args = options.parse_args()
    if args.folder is not None:
        args.folder.mkdir(parents=True, exist_ok=True)
        if any(args.folder.iterdir()):
            say(f"{args.folder} is not empty")
            return 2
        publish(first_run(args.folder.resolve()), args.json)
        return 0
    # Not in the system's temporary folder, which may be in memory: a store takes gigabytes.
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        publish(first_run(Path(name)), args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
