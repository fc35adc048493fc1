"""Bases: what kernels/<base>.toml says about an unpatched tree and how it is built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from orchestrator import toml
from orchestrator.errors import InputError
from orchestrator.model import Arch
from orchestrator.places import KERNELS


class DebianSource(toml.Table):
    """A Debian package with the tarball `member` in it."""

    kind: Literal["debian"]
    package: str
    member: str


class KernelOrgSource(toml.Table):
    """The newest tarball in a folder of kernel.org; its file of checksums lists what there is."""

    kind: Literal["kernel.org"]
    folder: str
    file: str
    checksums: str

    @field_validator("file")
    @classmethod
    def _pattern(cls, value: str) -> str:
        return _checked_pattern(value)


Candidate = Annotated[DebianSource | KernelOrgSource, Field(discriminator="kind")]


class ArchTable(toml.Table):
    """Configuration fragments (below kernels/fragments) and make variables of an architecture."""

    config: list[str]
    make: dict[str, str]


class BaseTable(toml.Table):
    """The whole file. `version` is a pattern for what the tree's own Makefile says."""

    version: str
    source: list[Candidate]
    arch: dict[Literal["i386", "x86_64"], ArchTable]
    tools: dict[str, str]
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("version")
    @classmethod
    def _pattern(cls, value: str) -> str:
        return _checked_pattern(value)


def _checked_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


@dataclass(frozen=True)
class Base:
    """A base by name, and what its file says."""

    name: str
    table: BaseTable
    fragments: Path

    @property
    def arches(self) -> tuple[Arch, ...]:
        return tuple(Arch(name) for name in self.table.arch)

    def arch(self, arch: Arch) -> ArchTable:
        """Return what is special to one architecture. Raises InputError if it cannot be built."""
        found = self.table.arch.get(arch.value)
        if found is None:
            there = ", ".join(self.arches)
            raise InputError(f"{self.name} is not built for {arch}", hint=f"only for: {there}")
        return found

    def accepts(self, version: str) -> bool:
        """Say whether a tree of this version is this base."""
        return re.fullmatch(self.table.version, version) is not None


def bases(root: Path = KERNELS) -> tuple[str, ...]:
    """Return the names of all bases."""
    return tuple(sorted(path.stem for path in root.glob("*.toml")))


def load_base(name: str, *, root: Path = KERNELS) -> Base:
    """Read kernels/<name>.toml. Raises InputError if there is none or it is wrong."""
    known = bases(root)
    if name not in known:
        raise InputError(f"no base is called {name}", hint=f"there are: {', '.join(known)}")
    return Base(name, toml.load(root / f"{name}.toml", BaseTable), root / "fragments")
