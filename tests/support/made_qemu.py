"""A fake QEMU: it speaks QMP, and plays a guest that boots, runs its scenario and ends.

The first line of the file `plan` beside it, which it removes, tells it to behave otherwise; without
one it plays along. It is copied to its own folder as `qemu-system-x86_64` and run by `python -IS`,
so it knows nothing of the project.
"""

import contextlib
import json
import mmap
import os
import random
import re
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SECOND = 10**9
RECORDS = 65536  # where the log begins; the header is at 0 (images/guest/record.h)
RENDEZVOUS, RUNNING = 1, 2
READY, DONE = 1, 4
BOOT, START, END = 1, 3, 17
GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}, "capabilities": []}}


def take_plan() -> str:
    plan = Path(__file__).with_name("plan")
    first, *rest = [*plan.read_text().splitlines(), "good"]
    plan.write_text("".join(f"{line}\n" for line in rest[:-1]))
    return first


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def be_taken(group: str) -> None:
    """Take more memory than the control group allows."""
    (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    taken = []
    while True:
        taken.append(bytearray(os.urandom(1 << 20)))


class Guest:
    def __init__(self, description: str) -> None:
        def fd(what: str) -> int:
            found = re.search(rf'\[{what}\]\n(?:.*\n)*?.*(?:fd = "|/self/fd/)(\d+)"', description)
            assert found is not None
            return int(found[1])

        self.qmp = socket.socket(fileno=fd('chardev "qmp"'))
        self.console = fd('chardev "console"')
        self.region = mmap.mmap(fd('object "log"'), 0)
        self.sequence = 0
        self.records = 0

    def commands(self) -> Iterator[dict[str, str]]:
        """Yield what comes by QMP: objects, with nothing between them."""
        text = ""
        while received := self._receive():
            text += received.decode()
            try:
                command, end = json.JSONDecoder().raw_decode(text)
            except ValueError:
                continue
            text = text[end:].lstrip()
            yield command

    def _receive(self) -> bytes:
        try:
            return self.qmp.recv(1 << 16)
        except ConnectionResetError:  # the peer has not read everything that was sent
            return b""

    def say(self, message: object) -> None:
        self.qmp.sendall(json.dumps(message).encode() + b"\n")

    def log(self, kind: int, at: int, *values: int) -> None:
        row = struct.pack("<IHHIIQ", self.records + 1, kind, 0, 0xFFFFFFFF, 1, at)
        row += struct.pack("<5Q", *values, *[0] * (5 - len(values)))
        at_byte = RECORDS + 64 * self.records
        self.region[at_byte : at_byte + 64] = row
        self.records += 1
        self.region[64:68] = struct.pack("<I", self.records)
        self.region[72:80] = struct.pack("<Q", at)

    def ask(self, reason: int) -> None:
        self.sequence += 1
        self.region[128:140] = struct.pack("<III", RENDEZVOUS, reason, self.sequence)
        self.pause()

    def pause(self) -> None:
        self.event("GUEST_PANICKED", action="pause")

    def event(self, name: str, **data: object) -> None:
        self.say({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 0}})

    def turn(self, number: int, plan: str) -> None:
        """Run from one `cont` to the next pause."""
        if plan == f"dies at turn {number}":
            die()
        if plan.startswith("is taken in ") and number == 1:
            be_taken(plan.removeprefix("is taken in "))
        if number == 0:
            self.log(BOOT, SECOND, 60000, 4096, 1, 0, 6 << 16 | 1 << 8)
            self.ask(READY)
        elif plan.startswith("scribbles"):
            self.scribble(plan)
        else:
            if plan == "floods":
                flood(self.console)
            self.log(START, 10 * SECOND, 10 * SECOND, 10 * SECOND)
            self.log(END, 12 * SECOND)
            self.ask(DONE)

    def scribble(self, plan: str) -> None:
        """Write rubbish into the whole region, or records that are only valid in form."""
        _, what, seed = plan.split()
        rng = random.Random(seed)
        if what == "anywhere":
            self.region[:] = rng.randbytes(len(self.region))
        else:
            self.region[4096:RECORDS] = rng.randbytes(RECORDS - 4096)
            for index in range(500):
                at = RECORDS + 64 * index
                self.region[at : at + 64] = struct.pack(
                    "<IH", index + 1, rng.randint(1, 18)
                ) + rng.randbytes(58)
            self.region[64:68] = struct.pack("<I", 500)
        if what == "end":
            self.ask(DONE)
        else:
            self.pause()

    def serve(self, plan: str) -> None:
        turns = 0
        for command in self.commands():
            if plan == "answers late":
                time.sleep(0.3)
            answer = {"return": {}, **{key: command[key] for key in command if key == "id"}}
            if command["execute"] == "query-version":
                answer["return"] = GREETING["QMP"]["version"]
            if plan.startswith("says ") and command["execute"] != "qmp_capabilities":
                self.qmp.sendall(json.loads(plan.removeprefix("says ")).encode("latin-1"))
                continue
            if plan.startswith("returns "):
                answer["return"] = json.loads(plan.removeprefix("returns "))
            self.say(answer)
            if command["execute"] == "cont":
                if plan.startswith("tells "):
                    self.say(json.loads(plan.removeprefix("tells ")))
                    continue
                self.turn(turns, plan)
                turns += 1


def flood(console: int) -> None:
    left, chunk = 1 << 30, b"A guest that has lost its head. " * 2048
    while left:
        left -= os.write(console, chunk[:left])


def main() -> None:
    if "--version" in sys.argv:
        print("QEMU emulator version 7.2.0 (made up)")
        return
    if "isa-debug-exit,iobase=0xf4,iosize=1" in sys.argv:
        sys.exit(0x2A << 1 | 1)  # the boot sector of doctor has run
    plan = take_plan()
    if plan == "does not start":
        sys.exit("qemu: there is no such machine")
    guest = Guest(Path(sys.argv[sys.argv.index("-readconfig") + 1]).read_text())
    if plan == "never speaks":
        time.sleep(600)
    if plan == "greets endlessly":
        with contextlib.suppress(OSError):  # at some point the peer stops listening
            guest.qmp.sendall(b"x" * (11 << 20))
    elif plan.startswith("greets "):
        guest.qmp.sendall(json.loads(plan.removeprefix("greets ")).encode("latin-1"))
    else:
        guest.say(GREETING)
    guest.serve(plan)
    time.sleep(600)  # QEMU also stays when the session has ended


main()
