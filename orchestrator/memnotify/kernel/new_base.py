"""A base of the user's own, proposed from one that exists and tried on the user's tree."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memnotify.errors import InputError, MemnotifyError
from memnotify.files import read_text, writing
from memnotify.kernel.base import ArchTable, Base, bases, load_base
from memnotify.kernel.build import try_configuration
from memnotify.kernel.config import ConfigOption, merge_fragments, read_config
from memnotify.kernel.given import bases_for
from memnotify.kernel.kconfig import options_of_tree, why_not
from memnotify.kernel.pristine import pristine_files
from memnotify.kernel.source import fetch_source
from memnotify.kernel.stored import Source
from memnotify.kernel.tree import tree_folder
from memnotify.model import Arch
from memnotify.places import SCHEMAS
from memnotify.process import CommandLog
from memnotify.series.apply import Reader
from memnotify.series.fit import PatchFit, fit_series
from memnotify.series.quilt import (
    CONFIG,
    NONE,
    SERIES,
    Patch,
    Series,
    load_series,
    port_of,
    read_series_file,
    revisions,
)
from memnotify.store import Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PASSES = 3
"""An option that is given up may be what another depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A line of the configuration that the tree does not take.

    `got` is the value that it has instead, if any; `arches` are those where that is so.
    """

    option: ConfigOption
    got: str | None
    why: str
    arches: tuple[Arch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFit:
    """How the patches of a revision for the other base fit the tree, and where they are."""

    revision: str
    folder: Path
    fits: tuple[PatchFit, ...]

    @property
    def whole(self) -> bool:
        return not any(fit.failed for fit in self.fits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A base that was written. `asked` counts the lines of its configuration by architecture.

    `broken` says for an architecture why make could not configure the tree. `known` are bases that
    trees of this version are already.
    """

    name: str
    like: str
    version: str
    files: tuple[Path, ...]
    asked: dict[Arch, int]
    lacking: tuple[Lacking, ...]
    broken: dict[Arch, str]
    fixes: tuple[PatchFit, ...]
    ports: tuple[PortFit, ...]
    known: tuple[str, ...]


def propose_base(
    name: str,
    like: str,
    given: str,
    folder: Path,
    *,
    store: Store,
    log: CommandLog,
    progress: Callable[[str], None],
) -> Proposal:
    """Write kernels/<name>.toml below a folder: a base as `like`, for the tree or tarball `given`.

    The tree goes into the store as the base's source. Each architecture is configured in a copy of
    it; what it does not take is switched off in a fragment of the new base. Raises InputError for a
    name that is taken, and as `fetch_source` does.
    """
    model = load_base(like)
    file = folder / "kernels" / f"{name}.toml"
    if not _NAME.fullmatch(name) or name == NONE:
        raise InputError(f"{name!r} is no name: use at most 64 letters, digits, dots, _ and -")
    if name in bases() or file.exists():
        raise InputError(f"there is a base {name} already", hint="choose another name")
    draft = Base(
        name,
        model.table.model_copy(update={"version": ".*", "source": []}),
        model.root,
        model.others,
    )
    source = fetch_source(draft, given, store=store, log=log, progress=progress)
    read = pristine_files(source, draft.arches[0], store=store, progress=progress)
    taken, fixes = _fixes(draft, read)
    trial = _Trial(draft, source, taken, store, log, progress)
    lacking, broken = trial.all()
    asked = {arch: len(trial.wanted(arch)) for arch in draft.arches}
    ports = []
    for revision, known in revisions().items():
        place = port_of(revision, like) if like in known else None
        if place is not None:
            progress(f"trying {revision} for {like}")
            series = load_series(revision, like)
            ports.append(PortFit(revision=revision, folder=place, fits=fit_series(series, read)))
    files = tuple(_write(file, draft, source, taken, lacking, like=like, given=given))
    return Proposal(
        name=name,
        like=like,
        version=source.version,
        files=files,
        asked=asked,
        lacking=tuple(lacking),
        broken=broken,
        fixes=tuple(fit for fit in fixes if fit.failed),
        ports=tuple(ports),
        known=tuple(bases_for(source.version, but=name)),
    )


@dataclass(frozen=True, slots=True)
class _Fixes:
    """Those patches of a folder that fit, and the folder's name below patches/.

    If not all of them do, they go into a folder of the new base.
    """

    folder: Path
    patches: tuple[Patch, ...]
    whole: bool

    @property
    def kind(self) -> str:
        return self.folder.parent.name

    @property
    def config(self) -> Path | None:
        file = self.folder / CONFIG
        return file if self.patches and file.is_file() else None

    def name(self, base: str) -> str:
        return f"{self.kind}/{self.folder.name if self.whole else base}"


def _fixes(base: Base, read: Reader) -> tuple[list[_Fixes], list[PatchFit]]:
    """Return those of the base's own patches that fit a tree, and how all of them fit.

    Of folders with forms of the same fixes, the one with most patches that fit is taken.
    """
    taken: list[_Fixes] = []
    fits: list[PatchFit] = []
    for folders in base.patches:
        tried = []
        for place in folders:
            series = Series(revision="", base="", patches=read_series_file(place / SERIES))
            tried.append((place, fit_series(series, read)))
        place, found = max(tried, key=lambda one: sum(not fit.failed for fit in one[1]))
        good = tuple(fit.patch for fit in found if not fit.failed)
        fits += found
        if good:
            taken.append(_Fixes(place, good, whole=len(good) == len(found)))
    return taken, fits


@dataclass(frozen=True)
class _Trial:
    base: Base
    source: Source
    fixes: Sequence[_Fixes]
    store: Store
    log: CommandLog
    progress: Callable[[str], None]

    def wanted(self, arch: Arch, more: Sequence[str] = ()) -> tuple[ConfigOption, ...]:
        own = [fixes.config for fixes in self.fixes if fixes.config is not None]
        return merge_fragments([*own, *self.base.config(arch)], more)

    def all(self) -> tuple[list[Lacking], dict[Arch, str]]:
        """Configure the tree for each architecture; return what it lacks, and what cannot be."""
        found: dict[tuple[str, str, str | None], Lacking] = {}
        broken: dict[Arch, str] = {}
        for arch in self.base.arches:
            try:
                lines = list(self._lacking(arch))
            except MemnotifyError as error:
                broken[arch] = error.message.partition("\n")[0]
                continue
            for one in lines:
                key = (one.option.symbol, one.option.value, one.got)
                before = found.get(key)
                arches = (*before.arches, arch) if before else (arch,)
                found[key] = replace(before or one, arches=arches)
        return list(found.values()), broken

    def _lacking(self, arch: Arch) -> Iterator[Lacking]:
        """Yield what an architecture lacks; without that, the configuration is complete."""
        series = Series(
            revision=NONE,
            base=self.base.name,
            patches=tuple(patch for fixes in self.fixes for patch in fixes.patches),
        )
        known = None
        given_up: list[str] = []
        for _ in range(_PASSES):
            wanted = self.wanted(arch, given_up)
            text = try_configuration(
                self.base,
                arch,
                series,
                wanted,
                source=self.source,
                store=self.store,
                log=self.log,
                progress=self.progress,
            )
            had = read_config(text)
            dropped = [line for line in wanted if had.get(line.symbol, "n") != line.value]
            if not dropped:
                return
            if known is None:
                self.progress(f"reading the Kconfig files for {arch}")
                folder = tree_folder(self.source, arch, store=self.store)
                known = options_of_tree(folder / "linux")
            for line in dropped:
                got = had.get(line.symbol)
                given_up.append(replace(line, value=got or "n").text)
                yield Lacking(
                    option=line, got=got, why=why_not(line.symbol, known, had), arches=(arch,)
                )


def _pattern(version: str) -> str:
    """Return a pattern for a version: later stable releases of it are the same base."""
    if match := re.fullmatch(r"(2\.6\.\d+)(?:\.\d+)?", version):
        return re.escape(match[1]) + r"(\.\d+)?"
    if match := re.fullmatch(r"(\d+\.\d+)\.\d+", version):
        return re.escape(match[1]) + r"\.\d+"
    return re.escape(version).replace(r"\-", "-")


def _write(
    file: Path,
    base: Base,
    source: Source,
    fixes: Sequence[_Fixes],
    lacking: Sequence[Lacking],
    *,
    like: str,
    given: str,
) -> Iterator[Path]:
    """Write the file of a base and its fragments; yield their paths."""
    texts: dict[Path, str] = {}
    own: dict[Arch, list[str]] = {}
    for arches in dict.fromkeys(one.arches for one in lacking):
        ending = "" if set(arches) == set(base.arches) else f"-{'-'.join(arches)}"
        name = f"{base.name}{ending}.config"
        lines = [
            f"# {one.option.text}: {one.why}.\n{replace(one.option, value=one.got or 'n').text}\n"
            for one in lacking
            if one.arches == arches
        ]
        head = f"# What Linux {source.version} does not take of the configuration of {like}.\n"
        texts[file.parent / "fragments" / name] = "\n".join([head, *lines])
        for arch in arches:
            own.setdefault(arch, []).append(name)
    for some in fixes:
        if not some.whole:
            place = file.parents[1] / "patches" / some.name(base.name)
            texts |= {place / patch.name: read_text(patch.path) for patch in some.patches}
            texts[place / SERIES] = "".join(
                f"{patch.name} fuzz={patch.fuzz}\n" if patch.fuzz else f"{patch.name}\n"
                for patch in some.patches
            )
            if some.config is not None:
                texts[place / CONFIG] = read_text(some.config)
    texts[file] = _text(base, source, fixes, own, like=like, given=given)
    for path, text in texts.items():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    yield file
    yield from (path for path in texts if path != file)


def _text(
    base: Base,
    source: Source,
    fixes: Sequence[_Fixes],
    own: dict[Arch, list[str]],
    *,
    like: str,
    given: str,
) -> str:
    table = base.table
    folders = [some.name(base.name) for some in fixes]
    lines = [
        f"#:schema {SCHEMAS / 'base.schema.json'}",
        f"# Linux {source.version}, built as {like}. kernels/README.md of memnotify has the keys.",
        "",
        f"version = {_literal(_pattern(source.version))}",
        *([f"files = {table.files}"] if table.files else []),
        *([f"patches = {_value(folders)}"] if folders else []),
        *([f"cc_flags = {_value(table.cc_flags)}"] if table.cc_flags else []),
        "",
        f"# The source is in the store, from {given}.",
        f"# `memnotify kernel fetch {base.name} --source PATH` takes another.",
        "# Replace this line by a [[source]] that says where others get it.",
        "source = []",
    ]
    for tool in table.with_tool:
        lines += ["", "[[with_tool]]", *_pairs(tool.model_dump())]
    for name, arch in table.arch.items():
        lines += ["", f"[arch.{name}]", *_arch(arch, own.get(Arch(name), []))]
        if arch.variant:
            lines += ["", f"[arch.{name}.variant]"]
            lines += [
                f"{_key(variant)} = {_value([*some, *own.get(Arch(name), [])])}"
                for variant, some in arch.variant.items()
            ]
    for heading, values in (("tools", table.tools), ("headers", table.headers)):
        if values:
            lines += ["", f"[{heading}]", *_pairs(values)]
    return "\n".join(lines) + "\n"


def _arch(table: ArchTable, more: Sequence[str]) -> Iterator[str]:
    values = table.model_dump(exclude={"variant"}, exclude_defaults=True)
    yield from _pairs({**values, "config": [*table.config, *more]})


def _pairs(values: dict[str, Any]) -> Iterator[str]:
    yield from (f"{_key(key)} = {_value(value)}" for key, value in values.items())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(_pairs(value))} }}"
    # A string or a list of strings of JSON is one of TOML.
    return json.dumps(value, ensure_ascii=False)


def _literal(text: str) -> str:
    return f"'{text}'"
