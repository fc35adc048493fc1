"""Does the orchestrator grow while it runs 1,000 cells in a row?

The cells have one guest second and one client, start from one template, and run one after the other
in one process, with its own store and temporary folder. Resources are compared between cells: after
the first ones, when everything has been loaded, and after the last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from guests import Figure, parser, publish, say
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.image.build import ensure_image
from memnotify.kernel.build import ensure_kernel
from memnotify.model import Outcome
from memnotify.report.board import LineBoard
from memnotify.run.campaign import run_campaign
from memnotify.run.services import RunOptions, Services
from memnotify.store import Store
from rich.console import Console

CELLS = 1000
FIRST = 20  # cells after which every cache is filled
EVERY = 50  # interval of progress lines, in cells
TARGET = 5.0  # %

_UNITS = {"rss": "MiB", "store": "MiB"}

CAMPAIGN = """\
name = "soak"
[kernel]
base = "6.1"
[matrix]
series = "none"
memory_mib = 64
clients = 1
repeat = {cells}
machine = "pc"
scenario = "short"
[scenario.short]
start_s = 2
duration_s = 1
log_records = 2000
[[scenario.short.step]]
at_s = 0
clients = {{ kind = "poll", count = "matrix" }}
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The resources that this process and its children hold."""

    open_files: int
    sockets: int
    threads: int
    processes: int  # children that are not reaped
    rss: float  # MiB
    store: float  # MiB on the disk
    temporary_files: int
    shared_memory_files: int


def opened() -> list[str]:
    """Return what this process has open."""
    names = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the folder itself
            names.append(str(fd.readlink()))
    return names


def state(store: Path, temporary: Path) -> State:
    files = opened()
    status = Path("/proc/self/status").read_text()
    rss = re.search(r"VmRSS:\s*(\d+) kB", status)
    assert rss is not None
    children = [file.read_text().split() for file in Path("/proc/self/task").glob("*/children")]
    return State(
        open_files=len(files),
        sockets=sum(name.startswith("socket:") for name in files),
        threads=threading.active_count(),
        processes=sum(map(len, children)),
        rss=int(rss[1]) / 1024,
        store=sum(file.stat().st_blocks for file in store.rglob("*")) / 2048,
        temporary_files=len(list(temporary.rglob("*"))),
        shared_memory_files=len(list(Path("/dev/shm").iterdir())),
    )


class Watch(LineBoard):
    """A board that samples the orchestrator's state between two cells."""

    def __init__(self, look: Callable[[], State]) -> None:
        super().__init__(Console(stderr=True))
        self._look = look
        self.seen: dict[int, State] = {}  # by the number of cells that have ended
        self._ended = 0

    def stage(self, cell: str, stage: str) -> None:
        pass

    def finished(self, cell: str, outcome: Outcome) -> None:
        assert outcome.ok, f"{outcome}: {outcome.detail}"
        self._ended += 1
        self.seen[self._ended] = now = self._look()
        if self._ended % EVERY == 0:
            what = (f"{name} {value:g}" for name, value in dataclasses.asdict(now).items())
            say(f"{self._ended} cells: {', '.join(what)}")


def soak(cells: int, folder: Path) -> tuple[State, State]:
    """Run `cells` cells; return the state after the first ones, and after the last."""
    file, store, temporary = folder / "soak.toml", folder / "store", folder / "tmp"
    file.write_text(CAMPAIGN.format(cells=cells))
    temporary.mkdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
    campaign, built = load_campaign(file), {"store": Store()}
    with Watch(partial(state, store, temporary)) as board:
        run_campaign(
            campaign,
            plan_cells(campaign),
            Services(
                store=Store(store),
                board=board,
                build_kernel=lambda request, **given: ensure_kernel(request, **given | built),
                build_image=lambda arch, **given: ensure_image(arch, **given | built),
            ),
            path=folder / "run",
            options=RunOptions(limit=1),
        )
    return board.seen[FIRST], board.seen[cells]


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--cells", type=int, default=CELLS, metavar="N", help=f"more than {FIRST}")
    args = made.parse_args()
    if args.cells <= FIRST:
        made.error(f"--cells: {args.cells} is not more than {FIRST}")
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        first, last = soak(args.cells, Path(name))
    figures = []
    now = dataclasses.asdict(last)
    for key, before in dataclasses.asdict(first).items():
        what, unit = key.replace("_", " "), _UNITS.get(key, "")
        growth = 100 * (now[key] / before - 1) if before else 100.0 * now[key]
        figures += [
            Figure(f"{what}, after {FIRST} cells", before, unit),
            Figure(f"{what}, after {args.cells} cells", now[key], unit),
            Figure(f"{what}, growth", growth, "%", TARGET),
        ]
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
