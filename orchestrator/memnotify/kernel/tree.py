"""The work trees: one unpacked source for each base, architecture and source digest.

Unpacking and compiling from scratch for each series would take minutes. A work tree switches from
one series to the next by writing only the files whose content differs, so that make compiles
little. That is safe only if the tree is as expected: size and times of every file are recorded when
it is unpacked and checked before each use. A tree that differs, or in which a build was
interrupted, is discarded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from memnotify.archive import unpack
from memnotify.errors import InputError
from memnotify.files import replace_text
from memnotify.kernel.stored import Source
from memnotify.kernel.tarball import LIMITS
from memnotify.model import Arch
from memnotify.process import CommandFailed, CommandLog
from memnotify.series.apply import Application, FileState, apply_series, read_tree
from memnotify.series.quilt import Series
from memnotify.store import Store

_MAKE_ERROR = 2
Stamp = tuple[int, int, int]  # size in bytes, mtime and ctime in ns
_STATE, _FILES = "state.json", "files.json"
_STAMPS = TypeAdapter(dict[str, Stamp])


class TreeState(BaseModel):
    """The state of a tree, kept beside its files in state.json.

    `touched` are the files that the series writes, and `modes` has those whose originals are saved
    (None: the base has no such file). `environment` is that of its object files; empty if there are
    none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    busy: bool
    built: bool
    touched: dict[str, Stamp | None]
    modes: dict[str, int | None]
    environment: str


def read_state(folder: Path) -> TreeState:
    """Return the state of the tree in a folder. Raises OSError, and ValueError if damaged."""
    return TreeState.model_validate_json((folder / _STATE).read_bytes())


def read_stamps(folder: Path) -> dict[str, Stamp]:
    """Return the stamps of all files at unpacking. Raises as `read_state` does."""
    return _STAMPS.validate_json((folder / _FILES).read_bytes())


def stamp(path: Path | str) -> Stamp | None:
    """Return the size and times of a file, which show a change of it; None if it is missing."""
    try:
        stat = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def write_files(tree: Path, files: Mapping[str, FileState | None]) -> None:
    """Write files of a tree; a file that already has the wanted state is not touched.

    Everything is first written to temporary files beside them, so that a full disk changes nothing.
    """
    read = read_tree(tree)
    changed = {name: state for name, state in files.items() if read(name) != state}
    ready: list[tuple[Path, Path]] = []
    try:
        for name, state in changed.items():
            if state is not None:
                path = tree / name
                path.parent.mkdir(parents=True, exist_ok=True)
                fresh = path.with_name(f".{path.name}.memnotify")
                ready.append((fresh, path))
                fresh.write_bytes(state.data)
                fresh.chmod(state.mode)
        for fresh, path in ready:
            fresh.replace(path)
    finally:
        for fresh, _ in ready:
            fresh.unlink(missing_ok=True)
    for name, state in changed.items():
        if state is None:
            (tree / name).unlink()


@dataclass
class WorkTree:
    """A tree that only we use while its lock is held. Get one from `work_tree`."""

    folder: Path
    built_before: bool = False
    _touched: dict[str, Stamp | None] = field(default_factory=dict)
    _modes: dict[str, int | None] = field(default_factory=dict)
    _environment: str = ""

    @property
    def path(self) -> Path:
        """Return the top of the kernel tree."""
        return self.folder / "linux"

    @property
    def build_log(self) -> Path:
        """Return the file for make's output: not in the artifact, which a failure removes."""
        return self.folder / "build.log"

    def original(self, name: str) -> FileState | None:
        """Return a file as the base has it, whatever series is applied."""
        if name not in self._modes:
            return read_tree(self.path)(name)
        mode = self._modes[name]
        return None if mode is None else FileState(self._kept(name).read_bytes(), mode)

    def switch(self, series: Series, *, log: CommandLog | None = None) -> Application:
        """Turn the tree into base plus series. Raises InputError if the series does not apply.

        A series that does not apply leaves the tree unchanged.
        """
        applied = apply_series(series, self.original, log=log)
        for name in applied.files:
            self._keep(name)
        wanted = {name: self.original(name) for name in self._touched} | dict(applied.files)
        with self._busy():
            write_files(self.path, wanted)
            self._touched = {name: stamp(self.path / name) for name in wanted}
        return applied

    @contextmanager
    def building(self, environment: str, *, built: bool = True) -> Iterator[None]:
        """Enter this for a build: a tree in which a build was interrupted is not used again.

        `environment` stands for everything except the sources that object files depend on. Without
        `built`, it is only configured.
        """
        self._environment = environment
        with self._busy():
            yield
        self.built_before = self.built_before or built
        self._save(busy=False)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._save(busy=True)
        try:
            yield
        except CommandFailed as error:
            # make itself stopped, and left only complete object files.
            if error.done.returncode == _MAKE_ERROR:
                self._save(busy=False)
            raise
        except InputError:
            self._save(busy=False)
            raise
        self._save(busy=False)

    def _kept(self, name: str) -> Path:
        return self.folder / "originals" / name

    def _keep(self, name: str) -> None:
        if name in self._modes:
            return
        state = self.original(name)
        if state is not None:
            kept = self._kept(name)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(state.data)
        self._modes[name] = None if state is None else state.mode

    def _save(self, *, busy: bool) -> None:
        state = TreeState(
            busy=busy,
            built=self.built_before,
            touched=self._touched,
            modes=self._modes,
            environment=self._environment,
        )
        replace_text(self.folder / _STATE, state.model_dump_json())


def tree_folder(source: Source, arch: Arch, *, store: Store, purpose: str = "") -> Path:
    """Return the folder of a source's work tree for an architecture, whether it exists or not.

    Builds with another `purpose` have a tree of their own, because they compile all objects again.
    """
    name = f"{source.base}-{arch}-{source.digest[:16]}"
    return store.folder("trees") / (f"{name}-{purpose}" if purpose else name)


@contextmanager
def work_tree(
    source: Source,
    arch: Arch,
    *,
    environment: str | None = None,
    store: Store,
    progress: Callable[[str], None],
    purpose: str = "",
) -> Iterator[WorkTree]:
    """Lock the work tree of a source and architecture; unpack it if there is no valid one.

    A tree whose objects come from another `environment` is not valid either. `purpose` is as in
    `tree_folder`.
    """
    folder = tree_folder(source, arch, store=store, purpose=purpose)
    name = folder.name

    def waiting() -> None:
        progress(f"waiting for another build in the tree of {source.base} {arch} to finish")

    with store.lock(f"tree-{name}", waiting=waiting):
        tree = _reopen(folder, environment)
        if tree is None:
            progress(f"unpacking Linux {source.version}")
            tree = _unpack(source, folder)
        yield tree


def _reopen(folder: Path, environment: str | None) -> WorkTree | None:
    try:
        state = read_state(folder)
        expected = read_stamps(folder) | state.touched
        if state.busy or (environment and state.environment not in ("", environment)):
            return None
        tree = folder / "linux"
        # For 80,000 files, to make a Path of each would take longer than to look at it.
        if any(stamp(f"{tree}/{name}") != seen for name, seen in expected.items()):
            return None
    except (OSError, ValueError):
        return None
    return WorkTree(folder, state.built, state.touched, state.modes, state.environment)


def _unpack(source: Source, folder: Path) -> WorkTree:
    fresh = folder.with_name(folder.name + ".new")
    for old in (folder, fresh):
        if old.exists():
            shutil.rmtree(old)
    linux = fresh / "linux"
    linux.mkdir(parents=True)
    unpack(source.tarball, source.top, linux, LIMITS)
    above = len(f"{linux}/")
    files = {
        path[above:]: seen
        for path in (f"{at}/{name}" for at, _, names in os.walk(linux) for name in names)
        if (seen := stamp(path)) is not None
    }
    (fresh / _FILES).write_bytes(_STAMPS.dump_json(files))
    tree = WorkTree(fresh)
    tree._save(busy=False)
    fresh.rename(folder)
    tree.folder = folder
    return tree
