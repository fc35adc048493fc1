"""Plays a run on the board that suits the terminal: `python -m tests.support.played SECONDS`."""

from __future__ import annotations

import signal
import sys
import time
from typing import cast

from memnotify.guest.view import Glimpse, View
from memnotify.kernel.compiled import Compiled
from memnotify.model import Finding, Outcome
from memnotify.report import live
from memnotify.report.board import open_board
from memnotify.report.plain import plain_console

CELLS = [f"6.1-v4-x86_64-pc-swap-96M-squeeze-{clients}c-r1" for clients in (1, 32, 200, 400)]
BUILD = "kernel 6.1 v4 x86_64"


class Played:
    """A guest that runs ten times as fast as its scenario says, and wakes a client a second."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def look(self) -> Glimpse:
        seconds = time.monotonic() - self._started
        findings = (Finding.OOM_KILL,) if seconds > 1 else ()
        return Glimpse(
            guest_s=min(40, 10 * seconds), of_s=40, wakeups=int(seconds), findings=findings
        )


def main() -> int:
    seconds = float(sys.argv[1])
    live._PERIOD_SECONDS = 0.1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with open_board(plain_console()) as board:
            board.note("base 6.1, from here")
            board.building(BUILD, "unpacking Linux 6.1")
            for files in (3, 400, 900):
                board.compiled(BUILD, Compiled(files, 920))
            board.built(BUILD, "0123456789abcdef, 12.3 s")
            board.planned(5, 1, dict.fromkeys(CELLS, 60.0))
            for cell in CELLS[:3]:
                board.stage(cell, "restore")
                board.view(cell, cast(View, Played()))
                board.stage(cell, "run")
                board.stage(cell, "balloon 48.0 MiB")
                board.stage(cell, "run")
            board.finished(CELLS[0], Outcome(finding=Finding.OOM_KILL, detail="2 OOM kills"))
            board.stage(CELLS[3], "boot")
            time.sleep(seconds)
            for cell in CELLS[1:]:
                board.finished(cell, Outcome())
    except KeyboardInterrupt:
        return 130
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
