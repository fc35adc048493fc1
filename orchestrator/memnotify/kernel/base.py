"""Bases: kernels/<base>.toml describes an unpatched tree and how it is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from memnotify import places, toml
from memnotify.errors import InputError
from memnotify.model import Arch
from memnotify.series.quilt import SERIES, Patch, read_series_file
from memnotify.text import known_names, similar


class DebianSource(toml.Table):
    """A Debian package that contains a tarball."""

    kind: Literal["debian"] = Field(description="A package of the distribution.")
    package: str = Field(description="The name of the package.")
    member: str = Field(description="The path of the tarball in it.")


class KernelOrgSource(toml.Table):
    """The newest tarball in a folder of kernel.org, as listed in its file of checksums."""

    kind: Literal["kernel.org"] = Field(description="A tarball of kernel.org.")
    folder: str = Field(description="The URL of the folder.")
    file: str = Field(description="A pattern for the tarball's name; the highest version counts.")
    checksums: str = Field(description="The name of the list of checksums in that folder.")

    @field_validator("file")
    @classmethod
    def _pattern(cls, value: str) -> str:
        return _checked_pattern(value)


Suffix = Literal["xz", "bz2", "gz"]
_Folder = Annotated[str, toml.spelled(r"https?://\S+/", "a URL that ends with /")]
_Sha256 = Annotated[
    str, toml.spelled(r"[0-9a-f]{64}", "a SHA-256: 64 lower-case hexadecimal digits")
]
_FileName = Annotated[
    str, toml.spelled(r"[A-Za-z0-9][A-Za-z0-9._+-]*", "a plain name of letters, digits and . _ + -")
]


class PieceTable(toml.Table):
    """One file of an assembled tree."""

    name: _FileName = Field(description="Its name, without .xz, .bz2 or .gz.")
    folders: Annotated[list[_Folder], Field(min_length=1)] = Field(
        description="URLs of folders; the first that has it is used."
    )
    checksums: str | None = Field(
        default=None, description="The name of the list of checksums in its folder."
    )
    sha256: dict[Suffix, _Sha256] = Field(
        default_factory=dict, description="The known digests, by suffix."
    )


class PiecesSource(toml.Table):
    """A tree in pieces: the first is a tarball, the others are patches to apply in this order."""

    kind: Literal["pieces"] = Field(description="A tree in pieces.")
    piece: Annotated[list[PieceTable], Field(min_length=1)] = Field(
        description="The tarball, and then the patches."
    )


Candidate = Annotated[DebianSource | KernelOrgSource | PiecesSource, Field(discriminator="kind")]


class ArchTable(toml.Table):
    """How an architecture is built."""

    config: list[str] = Field(description="Fragments of kernels/fragments; later ones override.")
    variant: dict[str, list[str]] = Field(
        default_factory=dict, description="Lists that replace config, by the name of a variant."
    )
    make: dict[str, str] = Field(description="Variables for make.")
    cc: list[str] = Field(
        default_factory=list, description="Words of the compiler's name, such as -m32."
    )
    cc_flags: list[str] = Field(
        default_factory=list, description="Flags after the base's, each if the compiler knows it."
    )


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


_Folders = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=str | list[str]),
]


class OnlyIfTable(toml.Table):
    """A further condition for a patch, besides its hunks."""

    patch: str = Field(description="Its name below patches/: toolchain/2.6.24/0001-x.patch.")
    file: str = Field(description="A file of the tree,")
    text: Annotated[str, Field(min_length=1)] = Field(description="which must contain this text.")


class WithToolTable(toml.Table):
    """A folder below patches/ for builds whose compiler or linker has at least this version."""

    tool: Literal["gcc", "ld"] = Field(description="The compiler, or GNU ld.")
    at_least: Annotated[str, toml.spelled(r"\d+\.\d+", 'a version, such as "2.47"')] = Field(
        description="The first version that needs the folder."
    )
    patches: str = Field(description="The folder of patches/.")


_SAY = {
    # "gcc-16 (Debian 16.2.0-3) 16.2.0"
    "gcc": ("cc", re.compile(r"\S*\bgcc\S* (?:\(.*?\) )*(\d+)\.(\d+)")),
    # "GNU ld (GNU Binutils for Debian) 2.47.50.20261115"
    "ld": ("ld", re.compile(r"GNU ld (?:\(.*?\) |version )*(\d+)\.(\d+)")),
}
"""What these tools call themselves, and the names of their versions in a toolchain."""


class BaseTable(toml.Table):
    """A base: an unpatched tree, where it is from, and how it is built.

    `memnotify kernel` reads it; `memnotify.kernel.fixes` chooses between the forms of a fix.
    """

    version: str = Field(description="A pattern for the version in the tree's own Makefile.")
    source: list[Candidate] = Field(description="Where to get the tree, tried in this order.")
    patches: list[_Folders] = Field(
        default_factory=list,
        description="Folders of patches/ whose series come first; a nested list has alternatives.",
    )
    only_if: list[OnlyIfTable] = Field(
        default_factory=list, description="Conditions for patches of alternative folders."
    )
    with_tool: list[WithToolTable] = Field(
        default_factory=list, description="Folders after those of `patches`, for some toolchains."
    )
    can_lack: list[str] = Field(
        default_factory=list, description="Patches without which a kernel can do, if no form fits."
    )
    arch: dict[Literal["i386", "x86_64"], ArchTable] = Field(description="The architectures.")
    cc_flags: list[str] = Field(
        default_factory=list, description="Flags, each used if the compiler knows it."
    )
    tools: dict[str, str] = Field(description="Programs, and the Debian package of each.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of C, and the Debian package of each."
    )
    files: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="About how many files a build compiles, for its progress."
    )

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
    """A base: its name, the content of its file, and the folder of that file.

    What it names is looked for there, and then in the folders `others`.
    """

    name: str
    table: BaseTable
    root: Path
    others: tuple[Path, ...] = ()

    @property
    def file(self) -> Path:
        return self.root / f"{self.name}.toml"

    def fragment(self, name: str) -> Path:
        """Return the file of a fragment, whether it exists or not."""
        return _first(root / "fragments" / name for root in (self.root, *self.others))

    def patch_folder(self, name: str) -> Path:
        """Return a folder of patches/, whether it exists or not."""
        return _first(root.parent / "patches" / name for root in (self.root, *self.others))

    @property
    def lock(self) -> Path:
        """The file that pins the digests of pieces that have no other digest."""
        return self.root / f"{self.name}.lock"

    @property
    def patches(self) -> tuple[tuple[Path, ...], ...]:
        """The folders whose series come before every mem_notify series.

        Several in one tuple are forms of the same fixes.
        """
        return tuple(tuple(map(self.patch_folder, names)) for names in self.table.patches)

    def patches_with(self, versions: Mapping[str, str]) -> tuple[Path, ...]:
        """Return the further folders for a toolchain, by what its programs say (`Toolchain`)."""
        found = []
        for table in self.table.with_tool:
            name, says = _SAY[table.tool]
            version = says.match(versions.get(name, ""))
            least = tuple(map(int, table.at_least.split(".")))
            if version is not None and tuple(map(int, version.groups())) >= least:
                found.append(self.patch_folder(table.patches))
        return tuple(found)

    @property
    def arches(self) -> tuple[Arch, ...]:
        return tuple(Arch(name) for name in self.table.arch)

    def arch(self, arch: Arch) -> ArchTable:
        """Return the table of an architecture. Raises InputError if it cannot be built."""
        found = self.table.arch.get(arch.value)
        if found is None:
            there = ", ".join(self.arches)
            raise InputError(f"{self.name} cannot be built for {arch}", hint=f"only for: {there}")
        return found

    def config(self, arch: Arch, variant: str = "") -> tuple[Path, ...]:
        """Return the fragments of a configuration; `variant` is "" for the default one.

        Raises InputError if there is no such architecture or variant.
        """
        table = self.arch(arch)
        if variant and variant not in table.variant:
            there = ", ".join(table.variant) or "none"
            raise InputError(
                f"{self.name} has no variant {variant} for {arch}", hint=f"there is: {there}"
            )
        names = table.variant[variant] if variant else table.config
        return tuple(map(self.fragment, names))

    def accepts(self, version: str) -> bool:
        """Return whether a tree of this version is this base."""
        return re.fullmatch(self.table.version, version) is not None


def _first(places: Iterable[Path]) -> Path:
    """Return the first path that exists, or else the first."""
    there = list(places)
    return next((path for path in there if path.exists()), there[0])


def bases(root: Path | None = None) -> tuple[str, ...]:
    """Return the names of all bases: those in `root`, or else ours and the user's.

    Raises InputError if there are none.
    """
    first, *others = _roots(root)
    files = [*places.data_files(first, "*.toml"), *(f for at in others for f in at.glob("*.toml"))]
    return tuple(sorted({file.stem for file in files if file.is_file()}))


def load_base(name: str, *, root: Path | None = None) -> Base:
    """Read kernels/<name>.toml. Raises InputError if there is none or it is wrong.

    It is one of `root`, or else ours or the user's; a name for several files is refused.
    """
    roots = _roots(root)
    known = bases(root)
    found = [at / f"{name}.toml" for at in roots if (at / f"{name}.toml").is_file()]
    file = places.only_one(found, f"base {name}") if name in known else None
    if file is None:
        raise InputError(f"no base is called {name}", hint=known_names(name, known))
    value, lines = toml.read(file)
    table = toml.check(BaseTable, value, path=file, lines=lines)
    others = tuple(at for at in roots if at != file.parent)
    base = Base(name, table, file.parent, others)
    for key, message, hint in _wrong_names(base):
        key = lines.written(key)
        where = f"{toml.dotted(key)}: {message}"
        raise InputError(where, file=file, line=lines.nearest(key), hint=hint)
    return base


def _roots(root: Path | None) -> tuple[Path, ...]:
    """Return the folders that have bases."""
    return places.beside(places.KERNELS, "kernels") if root is None else (root,)


def label(patch: Patch) -> str:
    """Return the name of a patch in a base's file: `toolchain/2.6.24/0001-x.patch`."""
    return "/".join(patch.path.parts[-3:])


def _wrong_names(base: Base) -> Iterator[tuple[toml.Key, str, str | None]]:
    """Yield the key of each name that refers to nothing, with a message and a hint."""
    for arch, table in base.table.arch.items():
        names: dict[toml.Key, list[str]] = {("arch", arch, "config"): table.config}
        for variant, some in table.variant.items():
            names["arch", arch, "variant", variant] = some
        for place, fragments in names.items():
            for index, name in enumerate(fragments):
                if not base.fragment(name).is_file():
                    at = [here / "fragments" for here in (base.root, *base.others)]
                    known = sorted(
                        str(f.relative_to(top)) for top in at for f in top.rglob("*.config")
                    )
                    message = f"there is no {base.fragment(name)}"
                    yield (*place, index), message, similar(name, known)
    for index, tool in enumerate(base.table.with_tool):
        if not (series := base.patch_folder(tool.patches) / SERIES).is_file():
            yield ("with_tool", index, "patches"), f"there is no {series}", None
    forms: list[str] = []
    for index, folders in enumerate(base.patches):
        for number, folder in enumerate(folders):
            if not (folder / SERIES).is_file():
                yield ("patches", index, number), f"there is no {folder / SERIES}", None
            elif len(folders) > 1:
                forms += map(label, read_series_file(folder / SERIES))
    named: list[tuple[toml.Key, str]] = [
        (("only_if", index, "patch"), condition.patch)
        for index, condition in enumerate(base.table.only_if)
    ]
    named += [(("can_lack", index), patch) for index, patch in enumerate(base.table.can_lack)]
    for key, patch in named:
        if patch not in forms:
            yield key, f"{patch} is not a form of a fix", known_names(patch, sorted(forms))
