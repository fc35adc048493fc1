"""A cell compared with a shell script that starts the same QEMU for the same scenario.

The script boots its guest, answers the two rendezvous over QMP, and keeps log and console; it
decodes nothing. Its log must have as many records as the cell's, and end at the same time. It
alternates with a cell that boots and one that starts from a template. Neither Python's start-up
counts, nor the making of the template, which a campaign does once for all its cells.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from guests import Figure, Guest, clients, guest, hog, parser, publish
from memnotify import process
from memnotify.guest import qemu
from memnotify.guest.mailbox import encode_scenario
from memnotify.guest.region import Region
from memnotify.model import Accel
from memnotify.records import layout
from memnotify.records.decode import decode

ROUNDS = 5
TARGET = 1.1
_LOG, _CONSOLE, _QMP = 3, 4, 99  # descriptors; the last is replaced

SCRIPT = """\
set -eu
cp "$1/mail" "$1/log"
exec 3<>"$1/log" 4>"$1/console.log"
shift
coproc QEMU { exec "$@"; }
say() { echo "{\\"execute\\": \\"$1\\"}" >&"${QEMU[1]}"; }
say qmp_capabilities
say cont
left=2  # READY and DONE
while read -r line <&"${QEMU[0]}"; do
    case $line in *GUEST_PANICKED*)
        left=$((left - 1))
        if [ $left = 0 ]; then say quit; break; fi
        say cont
    esac
done
wait
"""


def prepare(one: Guest, folder: Path) -> list[str]:
    """Write the files that the script needs, and return its command line."""
    cell = one.cell
    with Region(cell.log_records) as region:
        region.post(encode_scenario(cell.scenario))
        size = layout.region_size(cell.log_records)
        (folder / "mail").write_bytes(os.pread(region.fd, size, 0))
    fds = qemu.Descriptors(
        qmp=_QMP, console=_CONSOLE, log=_LOG, memories=qemu.memories_of(cell), disks=()
    )
    description = qemu.machine_description(cell, fds)
    socket = f'backend = "socket"\n  fd = "{_QMP}"'
    assert socket in description
    (folder / "machine.cfg").write_text(description.replace(socket, 'backend = "stdio"'))
    argv = qemu.command_line(
        cell,
        accel=Accel.TCG,
        description=folder / "machine.cfg",
        files=one.files,
        disks=(),
    )
    (folder / "script").write_text(SCRIPT)
    return ["bash", str(folder / "script"), str(folder), *argv]


def main() -> int:
    args = parser(__doc__).parse_args()
    one = guest(
        clients(32),
        hog(at_s=2, rate_mib_s=4, mib=80),
        duration_s=30,
        sample_s=0.1,
        machine="pc-swap",
    )
    template = one.template()
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        argv = prepare(one, folder)
        for _ in range(ROUNDS):
            started = time.monotonic()
            process.run(argv, timeout=600)
            seconds["script"].append(time.monotonic() - started)
            for kind, source in (("cold", None), ("restored", template)):
                started = time.monotonic()
                result = one.run(source)
                seconds[kind].append(time.monotonic() - started)
        log = decode((folder / "log").read_bytes(), one.cell.log_records)
        assert len(log) == result.records
        assert abs(log.end_ns - result.guest_ns) < 1000
    ratios = {
        kind: [cell / script for cell, script in zip(seconds[kind], seconds["script"], strict=True)]
        for kind in ("cold", "restored")
    }
    figures = [Figure("script, median", statistics.median(seconds["script"]), "s")]
    for kind, what in (("cold", "cell that boots"), ("restored", "cell from a template")):
        figures.append(Figure(f"{what}, median", statistics.median(seconds[kind]), "s"))
        ratio = statistics.median(ratios[kind])
        figures.append(Figure(f"{what} / script, median", ratio, "ratio", TARGET))
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
