"""Machine profiles: the hardware of a guest, one file each in images/machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from memnotify import places, toml
from memnotify.errors import InputError
from memnotify.model import Arch, DiskBus, MachineProfile, SwapKind
from memnotify.text import known_names

# TOML has only strings, so strict pydantic must be told that a string may become a StrEnum.
_ArchName = Annotated[Arch, Field(strict=False)]
_SwapName = Annotated[SwapKind, Field(strict=False)]
_BusName = Annotated[DiskBus, Field(strict=False)]
_Word = Annotated[
    str,
    toml.spelled(r"[A-Za-z0-9][A-Za-z0-9_.,+=-]*", "one word of letters, digits and _ . , + = -"),
]
_Variant = Annotated[str, toml.spelled(r"[a-z0-9-]*", "made of lower-case letters, digits and -")]
_Argument = Annotated[str, toml.spelled(r'[^\s"]+', "one argument, without blanks and quotes")]


class ProfileTable(toml.Table):
    """A machine: the hardware of a guest, except its RAM. QEMU's command line is made of it."""

    arches: Annotated[list[_ArchName], Field(min_length=1)] = Field(
        description="Guests that may run on it."
    )
    qemu_machine: _Word = Field(description="QEMU's machine type.")
    cpu: _Word = Field(description="QEMU's CPU model.")
    smp: Annotated[int, Field(ge=1, le=8)] = Field(default=1, description="CPUs.")
    threads: Annotated[int, Field(ge=1, le=2)] = Field(
        default=1, description="CPUs that share a core: 2 is hyper-threading."
    )
    numa_nodes: Annotated[int, Field(ge=1, le=4)] = Field(
        default=1, description="Nodes between which CPUs and memory are divided."
    )
    variant: _Variant = Field(
        default="", description="The kernel's configuration, where its base has several."
    )
    swap: _SwapName = Field(
        default=SwapKind.NONE,
        description="none; slram: memory behind a PCI BAR; virtio or ide: a disk.",
    )
    swap_mib: Annotated[int, Field(ge=0, le=65536)] = Field(
        default=0, description="MiB of swap; with slram a power of two."
    )
    disk_mib: Annotated[int, Field(ge=0, le=65536)] = Field(
        default=0, description="MiB of a disk of zeros; 0: none."
    )
    disk_bus: _BusName = Field(default=DiskBus.VIRTIO, description="Where that disk is.")
    icount_shift: Annotated[int, Field(ge=0, le=10)] = Field(
        default=1, description="In virtual time, one instruction takes 2^icount_shift ns."
    )
    kernel_args: list[_Argument] = Field(
        default=[], description="Words added to the kernel's command line."
    )

    @model_validator(mode="after")
    def _swap_has_a_size(self) -> Self:
        if (self.swap is SwapKind.NONE) != (self.swap_mib == 0):
            raise ValueError("swap and swap_mib must be given together")
        if self.swap is SwapKind.SLRAM and self.swap_mib.bit_count() != 1:
            raise ValueError("swap_mib must be a power of two: slram's is a PCI BAR")
        if self.disk_bus is DiskBus.SLRAM and self.disk_mib.bit_count() > 1:
            raise ValueError("disk_mib must be a power of two: slram's is a PCI BAR")
        return self

    @model_validator(mode="after")
    def _cpus_can_be_shared_out(self) -> Self:
        if self.smp % (self.threads * self.numa_nodes):
            raise ValueError("smp must be a multiple of threads times numa_nodes")
        return self


def machine_names(folder: Path | None = None) -> list[str]:
    """Return the names of all machine profiles, sorted. Raises InputError if there are none."""
    first, *others = _folders(folder)
    files = [*places.data_files(first, "*.toml"), *(f for at in others for f in at.glob("*.toml"))]
    return sorted({file.stem for file in files if file.is_file()})


def machine_file(name: str, *, folder: Path | None = None) -> Path:
    """Return the file of a machine. Raises InputError if there is none, or several."""
    found = [at / f"{name}.toml" for at in _folders(folder) if (at / f"{name}.toml").is_file()]
    known = machine_names(folder)
    file = places.only_one(found, f"machine {name}") if name in known else None
    if file is None:
        raise InputError(f"there is no machine {name}", hint=known_names(name, known))
    return file


def _folders(folder: Path | None) -> tuple[Path, ...]:
    """Return the folders that have machines: the one given, or else ours and the user's."""
    part = "images/machines"
    return places.beside(places.IMAGES / "machines", part) if folder is None else (folder,)


def load_machine(name: str, *, folder: Path | None = None) -> MachineProfile:
    """Return one machine profile. Raises InputError if it does not exist or is invalid."""
    profile = toml.load(machine_file(name, folder=folder), ProfileTable)
    fields = profile.model_dump()
    return MachineProfile(
        **fields
        | {
            "name": name,
            "arches": tuple(profile.arches),
            "kernel_args": tuple(profile.kernel_args),
        }
    )
