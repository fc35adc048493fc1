"""Machine profiles: the hardware of a guest, one file each in images/machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from memnotify import toml
from memnotify.errors import InputError
from memnotify.model import Arch, DiskBus, MachineProfile, SwapKind
from memnotify.places import IMAGES, data_files
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


class _Profile(toml.Table):
    arches: Annotated[list[_ArchName], Field(min_length=1)]
    qemu_machine: _Word
    cpu: _Word
    smp: Annotated[int, Field(ge=1, le=8)] = 1
    threads: Annotated[int, Field(ge=1, le=2)] = 1
    numa_nodes: Annotated[int, Field(ge=1, le=4)] = 1
    variant: _Variant = ""
    swap: _SwapName = SwapKind.NONE
    swap_mib: Annotated[int, Field(ge=0, le=65536)] = 0
    disk_mib: Annotated[int, Field(ge=0, le=65536)] = 0
    disk_bus: _BusName = DiskBus.VIRTIO
    icount_shift: Annotated[int, Field(ge=0, le=10)] = 1
    kernel_args: list[_Argument] = Field(default=[])

    @model_validator(mode="after")
    def _swap_has_a_size(self) -> _Profile:
        if (self.swap is SwapKind.NONE) != (self.swap_mib == 0):
            raise ValueError("swap and swap_mib must be given together")
        if self.swap is SwapKind.SLRAM and self.swap_mib.bit_count() != 1:
            raise ValueError("swap_mib must be a power of two: slram's is a PCI BAR")
        if self.disk_bus is DiskBus.SLRAM and self.disk_mib.bit_count() > 1:
            raise ValueError("disk_mib must be a power of two: slram's is a PCI BAR")
        return self

    @model_validator(mode="after")
    def _cpus_can_be_shared_out(self) -> _Profile:
        if self.smp % (self.threads * self.numa_nodes):
            raise ValueError("smp must be a multiple of threads times numa_nodes")
        return self


def machine_names(folder: Path | None = None) -> list[str]:
    """Return the names of all machine profiles, sorted. Raises InputError if there are none."""
    return sorted(path.stem for path in data_files(folder or IMAGES / "machines", "*.toml"))


def load_machine(name: str, *, folder: Path | None = None) -> MachineProfile:
    """Return one machine profile. Raises InputError if it does not exist or is invalid."""
    folder = folder or IMAGES / "machines"
    if name not in machine_names(folder):
        hint = known_names(name, machine_names(folder))
        raise InputError(f"there is no machine {name}", hint=hint)
    profile = toml.load(folder / f"{name}.toml", _Profile)
    fields = profile.model_dump()
    return MachineProfile(
        **fields
        | {
            "name": name,
            "arches": tuple(profile.arches),
            "kernel_args": tuple(profile.kernel_args),
        }
    )
