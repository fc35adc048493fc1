"""The values that all rooms share: plain, frozen, picklable and hashable.

Units: times are in nanoseconds of guest time (`_ns`), sizes in MiB or KiB as the name says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Self

from memnotify.scenario import Program, Scenario

RECORDS = "records.parquet"
CONSOLE = "console.log"
"""Files that a guest leaves in the folder of its cell."""


class Arch(StrEnum):
    """Architecture of a guest."""

    I386 = "i386"
    X86_64 = "x86_64"


class Accel(StrEnum):
    """How QEMU runs guest code. AUTO: KVM if the clock is real and KVM really works, else TCG."""

    AUTO = "auto"
    TCG = "tcg"
    KVM = "kvm"


class Clock(StrEnum):
    """VIRTUAL: guest time counts instructions (icount). REAL: it follows the host's clock."""

    VIRTUAL = "virtual"
    REAL = "real"


class DeviceName(IntEnum):
    """The device that a kernel has; values of `enum mn_device`."""

    NONE = 0
    MEM_NOTIFY = 1
    OOM_NOTIFY = 2

    @staticmethod
    def path_of(value: int) -> str:
        """Return the device node for any value in a log; for 0, the node that is missing."""
        return "/dev/oom_notify" if value == DeviceName.OOM_NOTIFY else "/dev/mem_notify"


class SwapKind(StrEnum):
    """The device that a guest swaps to.

    SLRAM: memory behind a PCI BAR, used through MTD's slram driver; it takes no guest RAM, and its
    I/O completes in guest time. VIRTIO, IDE (a disk typical of 2008, `hda`): disks whose I/O
    completes in host time.
    """

    NONE = "none"
    SLRAM = "slram"
    VIRTIO = "virtio"
    IDE = "ide"


class DiskBus(StrEnum):
    """The bus of a guest's disk.

    SLRAM: as for swap, in guest time. VIRTIO, for which Linux 2.6.24 has no driver, and IDE: in
    host time.
    """

    SLRAM = "slram"
    VIRTIO = "virtio"
    IDE = "ide"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineProfile:
    """The hardware of a guest, from images/machines/<name>.toml."""

    name: str
    arches: tuple[Arch, ...]
    qemu_machine: str
    cpu: str
    smp: int = 1
    threads: int = 1  # CPUs per core
    numa_nodes: int = 1  # CPUs and memory are divided evenly
    variant: str = ""  # the kernel configuration that it needs, if a base has several
    swap: SwapKind = SwapKind.NONE
    swap_mib: int = 0
    disk_mib: int = 0  # a disk of zeros to read through the page cache; 0: none
    disk_bus: DiskBus = DiskBus.VIRTIO
    icount_shift: int = 1  # one instruction takes 2**shift ns of guest time
    kernel_args: tuple[str, ...] = ()

    @property
    def waits_for_the_host(self) -> bool:
        """Whether it has a disk whose I/O completes in host time."""
        disk = self.disk_mib > 0 and self.disk_bus is not DiskBus.SLRAM
        return disk or self.swap in (SwapKind.VIRTIO, SwapKind.IDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRequest:
    """A kernel to build. `source` overrides the base's own tree with a tree or tarball.

    `variant` names another configuration of the base for this architecture. `options` are lines of
    configuration that override all others.
    """

    base: str
    series: str
    arch: Arch
    variant: str = ""
    options: tuple[str, ...] = ()
    source: str | None = None
    cc: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of the matrix. Once its digests are bound, it is all that a worker needs.

    `programs` are those of the user's own that its clients run. `kernel` and `image` are store
    keys. `hardware` is the digest of QEMU, its command line and the machine description. All three
    are empty while the cell is only planned. `setting` names what the campaign sets in the kernel's
    options and on its command line.
    """

    request: KernelRequest
    machine: MachineProfile
    memory_mib: int
    clients: int
    scenario: Scenario
    setting: str = ""
    repeat: int = 1
    seed: int = 0
    accel: Accel = Accel.AUTO
    clock: Clock = Clock.VIRTUAL
    log_records: int = 262_144
    programs: tuple[Program, ...] = ()
    kernel: str = ""
    image: str = ""
    hardware: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """The two files that QEMU boots."""

    kernel: Path
    initramfs: Path


class Repeatability(StrEnum):
    """Whether re-running a cell gives the same records. See docs/explanation/mechanisms.md.

    EXACT: bit for bit the same records every time. UNPROVEN: virtual time, but something in the
    cell depends on host time.
    """

    EXACT = "exact"
    REAL_TIME = "real-time"
    UNPROVEN = "unproven"


class Finding(StrEnum):
    """What a guest did that its scenario does not ask for. Most serious first."""

    PANIC = "panic"
    REBOOT = "reboot"
    HANG = "hang"
    AGENT = "agent"  # the guest program could not do its work
    SELF_CHECK = "self-check"  # a test of the kernel failed
    OOM_KILL = "oom-kill"
    CLIENT = "client"  # a program of the user's own failed or crashed
    BALLOON = "balloon"  # a balloon target was not reached in time


class Ending(StrEnum):
    """The three ways in which a cell can end."""

    OK = "ok"
    FINDING = "finding"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a cell ended: ok, a finding (a result), or an infrastructure failure (not a result).

    `finding` is a plain string if another version reported a kind that this one does not know.
    """

    finding: Finding | str | None = None
    infrastructure: str | None = None
    detail: str = ""

    @classmethod
    def parse(cls, text: str, *, detail: str = "") -> Self:
        """Return the outcome whose `str` is this text. Raises ValueError if there is none."""
        ending, colon, kind = text.partition(":")
        match ending:
            case Ending.OK if not colon:
                return cls(detail=detail)
            case Ending.FINDING if kind:
                known = kind in Finding.__members__.values()
                return cls(finding=Finding(kind) if known else kind, detail=detail)
            case Ending.INFRASTRUCTURE if kind:
                return cls(infrastructure=kind, detail=detail)
        raise ValueError(f"{text!r} is not an outcome")

    @property
    def ending(self) -> Ending:
        if self.infrastructure is not None:
            return Ending.INFRASTRUCTURE
        return Ending.OK if self.finding is None else Ending.FINDING

    @property
    def ok(self) -> bool:
        return self.ending is Ending.OK

    def __str__(self) -> str:
        if self.infrastructure is not None:
            return f"{Ending.INFRASTRUCTURE}:{self.infrastructure}"
        return Ending.OK.value if self.finding is None else f"{Ending.FINDING}:{self.finding}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BalloonMove:
    """One balloon step as the host saw it.

    `target_kib` is guest memory, RAM less balloon. Guest times are CLOCK_MONOTONIC at the
    rendezvous. Wall times are seconds since the command: `query_seconds` until query-balloon
    reported the target (None: never), `event_seconds` until BALLOON_CHANGE did, in manifests that
    have it.
    """

    step: int
    target_kib: int
    requested_ns: int
    settled_ns: int | None = None
    actual_kib: int | None = None
    query_seconds: float | None = None
    event_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """The result of running a cell; everything else is in its folder.

    `template` is the store key of the template that the guest started from (None: it booted).
    `start_seconds` is the wall time until it was ready for its scenario (None: it never was).
    `console_waited`: the guest wrote so much to its console that it may have waited for the host to
    read it. `held`: the guest was stopped before it had ended, for somebody who looked at it.
    `qemu_uid` is the user that QEMU was observed to run as. `log` is what was written to
    records.parquet, a RecordLog, for a reader that does not want to read that again.
    """

    outcome: Outcome
    guest_ns: int  # CLOCK_MONOTONIC of the last record
    wall_seconds: float
    records: int
    lost_records: int
    balloon: tuple[BalloonMove, ...] = ()
    qemu_cpu_seconds: float = 0.0
    memory_mib: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()  # QEMU's argv
    qemu_uid: int | None = None
    template: str | None = None
    start_seconds: float | None = None
    console_waited: bool = False
    held: bool = False
    log: object | None = field(default=None, repr=False, compare=False)
