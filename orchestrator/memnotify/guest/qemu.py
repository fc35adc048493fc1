"""QEMU's configuration: a machine description for -readconfig, and a command line for the rest."""

from __future__ import annotations

import dataclasses
import functools
import math
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import jinja2

from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.guest import slram
from memnotify.model import Accel, Arch, BootFiles, Cell, Clock, DiskBus, MachineProfile, SwapKind
from memnotify.places import IMAGES
from memnotify.process import CommandLog, run
from memnotify.records import layout

QEMU = "qemu-system-x86_64"  # also runs i386 guests
_QEMU_I386 = "qemu-system-i386"  # shows 32-bit registers to gdb

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

POWER_ON = datetime(2008, 1, 15)
"""The date on a guest's clock at power-on: the day on which v4 was posted."""

# Size of the cache of translated code. QEMU's default is up to an eighth of the host's memory.
_TRANSLATIONS_MIB = 64

# Seed of the random numbers that a kernel gets at boot. All guests use the same one, because one
# template serves cells of every seed; a cell's own seed comes with its scenario.
_SEED = "2008"


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of a guest: an unnamed open file, and the guest's name for it."""

    name: str  # "swap" or "disk"
    device: str  # "/dev/vda"
    ide: bool
    unit: int  # on its bus
    fd: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory that a guest can write to: the RAM of a node, or the BAR that it swaps to.

    Without a file, QEMU allocates it.
    """

    name: str
    mib: int
    fd: int = -1


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The file descriptors that QEMU inherits."""

    qmp: int
    console: int
    log: int
    disks: tuple[Disk, ...] = ()
    memories: tuple[Memory, ...] = ()
    state: int = -1  # QEMU's saved state, if the guest is restored
    lines: tuple[int, ...] = ()  # sockets behind more serial ports, for a shell

    def numbers(self) -> tuple[int, ...]:
        files = [disk.fd for disk in self.disks]
        files += [memory.fd for memory in self.memories if memory.fd >= 0]
        files += [self.state] if self.state >= 0 else []
        return (self.qmp, self.console, self.log, *files, *self.lines)


@dataclass(frozen=True, slots=True)
class Tape:
    """QEMU's recording of a run: the inputs from outside the guest, and when each one arrived.

    `folder` holds the files. A tape is either made by a run, or played.
    """

    folder: Path
    play: bool

    @property
    def events(self) -> Path:
        return self.folder / "events.bin"

    @property
    def snapshots(self) -> Path:
        """A qcow2 file with the guest's states at its start and after each rendezvous."""
        return self.folder / "snapshots.qcow2"


@dataclass(frozen=True, slots=True)
class OpenTape:
    """The files of a tape, under the names by which QEMU opens inherited files."""

    events: Path
    snapshots: Path
    play: bool


@dataclass(frozen=True, slots=True)
class OpenStub:
    """The descriptor of a connected socket for gdb's protocol; it changes nothing of the guest.

    If the guest is `paced`, virtual time does not run ahead of the host's while the guest waits:
    somebody may sit in front of it.
    """

    fd: int
    paced: bool = False


def memories_of(cell: Cell) -> tuple[Memory, ...]:
    """Return the memories of a cell, without files."""
    nodes = cell.machine.numa_nodes
    names = ["ram"] if nodes == 1 else [f"ram{node}" for node in range(nodes)]
    ram = [Memory(name, cell.memory_mib // nodes) for name in names]
    bars = [Memory(name, size >> 20) for name, size in slram.sizes(cell).items()]
    return (*ram, *bars)


@contextmanager
def open_disks(cell: Cell, folder: Path) -> Iterator[tuple[Disk, ...]]:
    """Make the cell's disks in `folder`: unnamed sparse files of zeros.

    Raises OSError if the file system is full or cannot hold files of that size.
    """
    disks: list[Disk] = []
    with ExitStack() as stack:
        for disk, size in _disks(cell):
            file: IO[bytes] = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            file.truncate(size << 20)
            disks.append(dataclasses.replace(disk, fd=file.fileno()))
        yield tuple(disks)


def _disks(cell: Cell) -> list[tuple[Disk, int]]:
    """Return the disks of a cell, not yet open, with their sizes in MiB."""
    machine, bars = cell.machine, slram.sizes(cell)
    disks: list[tuple[Disk, int]] = []
    for name, size, ide in (
        ("swap", machine.swap_mib, machine.swap is SwapKind.IDE),
        ("disk", machine.disk_mib, machine.disk_bus is DiskBus.IDE),
    ):
        if size and name not in bars:
            unit = sum(disk.ide == ide for disk, _ in disks)
            device = f"/dev/{'hd' if ide else 'vd'}{'ab'[unit]}"
            disks.append((Disk(name, device, ide, unit, fd=-1), size))
    return disks


def inherited(fd: int) -> Path:
    """Return the name by which QEMU reopens a file that it inherits."""
    return Path(f"/proc/self/fd/{fd}")


def located(argv: Sequence[str]) -> list[str]:
    """Return a command with the full path of its program, as found in our PATH.

    The user that QEMU runs as may be unable to enter a folder of our PATH, and would try the next
    one. Records keep the bare name, because a guest does not depend on where QEMU is installed.
    """
    found = shutil.which(argv[0])
    return [argv[0] if found is None else str(Path(found).absolute()), *argv[1:]]


@functools.cache
def version(log: CommandLog | None = None) -> str:
    """Return QEMU's version string with the distribution's revision, which covers the firmware.

    Raises InfrastructureError if QEMU is missing.
    """
    return run(located([QEMU, "--version"]), timeout=30, log=log).stdout.splitlines()[0]


def hardware_digest(cell: Cell, accel: Accel) -> str:
    """Return the digest of everything that makes up a guest except kernel and image.

    That is QEMU, the machine description, and QEMU's command line, which contains the kernel's.
    """
    disks = tuple(disk for disk, _ in _disks(cell))
    argv = command_line(
        cell,
        accel=accel,
        description=Path("machine.cfg"),
        files=BootFiles(kernel=Path("bzImage"), initramfs=Path("initramfs.cpio")),
        disks=disks,
    )
    fds = Descriptors(qmp=-1, console=-1, log=-1, disks=disks, memories=memories_of(cell))
    return digest_value([version(), argv, machine_description(cell, fds)])


def _virtual_time_words(machine: MachineProfile) -> list[str]:
    return [
        # Counting instructions breaks the calibration of the local APIC's timer. Without that
        # timer, the guest keeps one with a resolution of 1 ms or better, and boots in a quarter of
        # the CPU time. Linux 2.6 for x86_64 only knows the second name.
        "nolapic_timer",
        "noapictimer",
        # The TSC is the virtual clock itself, so Linux 6.1 need not watch it. Without a second
        # clock to watch it by, 6.1 would disable high-resolution timers.
        "tsc=reliable",
        # Leave out the spare CPUs. Linux 2.6 only knows the first name; without the second, 6.1
        # allocates memory for them.
        *([f"maxcpus={machine.smp}", f"nr_cpus={machine.smp}"] if machine.smp > 1 else []),
        f"mn.insn_ns={1 << machine.icount_shift}",
    ]


def kernel_command_line(cell: Cell, disks: tuple[Disk, ...]) -> str:
    """Return the kernel's command line; the `mn.` words are for the guest program."""
    i386 = cell.request.arch is Arch.I386
    words = [
        "console=ttyS0",
        "quiet",
        # An oops is a finding: make it a panic. `panic=1` reboots, and QEMU pauses instead.
        # A negative time means "at once" today but "never" to Linux 2.6.
        "oops=panic",
        "panic=1",
        "norandmaps",
        *(_virtual_time_words(cell.machine) if cell.clock is Clock.VIRTUAL else []),
        # In real time on a busy host, so many ticks may be lost that Linux takes its timer for
        # dead. Linux 2.6 for x86_64 does so exactly when it is told not to check.
        *(["no_timer_check"] if cell.clock is Clock.REAL and i386 else []),
        f"mn.ram_kib={cell.memory_mib << 10}",
        *slram.words(cell),
        *(f"mn.{disk.name}={disk.device}" for disk in disks),
        *cell.machine.kernel_args,
    ]
    return " ".join(words)


def _spare_cpus(cell: Cell) -> int:
    """Return the number of CPUs that the guest does not know of, one between each two that it has.

    QEMU runs the CPUs of a guest in virtual time in turns. When the turn of one ends at a timer's
    expiry, QEMU runs the timer in the turn of the next CPU, whose turn is over before it has begun.
    A CPU that waits for an interrupt or a lock (PAUSE) yields its turn; but while one CPU is busy,
    every second CPU gets no turn, and Linux 6.1 waits for its second CPU forever. The spare CPUs
    take the lost turns.
    """
    return cell.machine.smp - 1 if cell.clock is Clock.VIRTUAL else 0


def _quotable(value: object) -> object:
    """Return a value for the description, after checking that it cannot add a device of its own.

    Raises InputError. The profiles are checked, but a cell may come from a run that somebody sent.
    """
    text = str(value)
    if '"' in text or not text.isprintable():
        raise InputError(f"{text!r} cannot be used in the description of a machine")
    return value


@functools.cache
def _machine_template() -> jinja2.Template:
    # Cached: compiling it takes most of the orchestrator's time per cell.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(IMAGES / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_quotable,
    )
    return environment.get_template("machine.cfg.j2")


def machine_description(cell: Cell, fds: Descriptors) -> str:
    """Return the text of the -readconfig file."""
    machine = cell.machine
    spare_cpus = _spare_cpus(cell)
    return _machine_template().render(
        cell=cell,
        spare_cpus=spare_cpus,
        sockets=math.ceil((machine.smp + spare_cpus) / machine.threads),
        fds=fds,
        disks=fds.disks,
        memories=fds.memories,
        slram=tuple(slram.sizes(cell)),
        power_on=POWER_ON,
        region_size=layout.region_size(cell.log_records),
        virtual=cell.clock is Clock.VIRTUAL,
    )


def command_line(
    cell: Cell,
    *,
    accel: Accel,
    description: Path,
    files: BootFiles,
    disks: tuple[Disk, ...],
    tape: OpenTape | None = None,
    gdb: int | None = None,
    stub: OpenStub | None = None,
) -> list[str]:
    """Return QEMU's argv. `accel` is TCG or KVM, never AUTO.

    `gdb` is the descriptor of the socket at which QEMU waits for gdb; at a `stub` we speak gdb's
    protocol ourselves.

    Raises InputError for virtual time under KVM, which cannot count instructions.
    """
    debugging = tape is not None or gdb is not None
    recording = ""
    if tape is not None:
        recording = _recording(tape)
    elif gdb is None:
        recording = _in_turn(cell)
    program = _QEMU_I386 if debugging and cell.request.arch is Arch.I386 else QEMU
    argv = [program, "-nodefaults", "-no-user-config", "-sandbox", SANDBOX, "-display", "none"]
    argv += ["-readconfig", str(description)]
    # QEMU 7.2 accepts the following only on the command line.
    argv += ["-seed", _SEED]
    if accel is Accel.KVM:
        if cell.clock is Clock.VIRTUAL:
            raise InputError(
                "KVM does not support virtual time", hint="use --clock real or --accel tcg"
            )
        argv += ["-accel", "kvm"]
    elif cell.clock is Clock.VIRTUAL:
        sleep = "on" if stub is not None and stub.paced else "off"
        argv += ["-accel", f"tcg,thread=single,tb-size={_TRANSLATIONS_MIB}"]
        argv += ["-icount", f"shift={cell.machine.icount_shift},sleep={sleep}{recording}"]
    else:
        argv += ["-accel", f"tcg,tb-size={_TRANSLATIONS_MIB}"]
    argv += ["-cpu", cell.machine.cpu]
    # Whatever the guest does, QEMU stays up and can be queried; an exit is QEMU's own failure.
    argv += ["-action", "panic=pause,reboot=shutdown,shutdown=pause"]
    argv += ["-kernel", str(files.kernel), "-initrd", str(files.initramfs)]
    argv += ["-append", kernel_command_line(cell, disks)]
    # Start paused, so that no event is lost before we listen.
    argv += ["-S"]
    if tape is not None:
        argv += ["-drive", f"if=none,id=snapshots,format=qcow2,file={tape.snapshots}"]
    if gdb is not None:
        argv += ["-chardev", f"socket,id=gdb,fd={gdb},server=on,wait=off", "-gdb", "chardev:gdb"]
    if stub is not None:
        argv += ["-chardev", f"socket,id=gdb,fd={stub.fd}", "-gdb", "chardev:gdb"]
    return argv


def _in_turn(cell: Cell) -> str:
    """Run QEMU's main loop only between turns of the CPUs, as it does while recording.

    Otherwise it may move the clock while a halting CPU still has instructions to be counted. QEMU
    7.2 cannot replay a disk whose I/O completes in host time.
    """
    return "" if cell.machine.waits_for_the_host else ",rr=record,rrfile=/dev/null"


def _recording(tape: OpenTape) -> str:
    mode = "replay" if tape.play else "record"
    return f",rr={mode},rrfile={tape.events},rrsnapshot=start"
