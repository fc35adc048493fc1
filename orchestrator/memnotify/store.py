"""The artifact store: kernels, images and sources, each under the digest of its inputs.

`<root>/<kind>/<key>/` appears complete or not at all, because it is built in a temporary folder and
renamed. Its `artifact.json` lists size and SHA-256 of every file. If two processes want the same
artifact, it is built once: the second waits for the lock of the first. Locks are held on open file
descriptors, so a killed process leaves none behind.

filelock is imported where a lock is taken: it brings asyncio, for which a command that only lists
would wait.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from memnotify.digest import digest_file, digest_value, seal_holds, sealed
from memnotify.errors import InfrastructureError
from memnotify.files import file_state

MANIFEST = "artifact.json"
INCOMING = "incoming"
"""The folder of artifacts that were sent to this store in part."""

PATIENCE_S = 600.0
"""After so many seconds in which nothing comes, nobody waits for the rest of one."""

_DRAFT = ".draft-"
_KEY = re.compile("[0-9a-f]{64}")
_HARDLY_ANY = 16 << 20  # bytes
_SETTLED_NS = 2_000_000_000  # FAT has the coarsest times
_INTACT = "intact"
_SIZE = 2  # of `file_state`


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published folder. Its key is the digest of `inputs`."""

    kind: str
    key: str
    path: Path
    inputs: Mapping[str, Any]
    facts: Mapping[str, Any]
    published: float = field(default=0.0, compare=False)
    """Seconds since 1970; only set if the artifact comes from `listing`."""

    def file(self, name: str) -> Path:
        return self.path / name


@dataclass(slots=True)
class Draft:
    """A folder that is to be published: fill it, then set its facts (versions, seconds, ...)."""

    path: Path
    facts: Mapping[str, Any] | None = None


class Store:
    """A content-addressed store below one folder (default: the XDG cache folder)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or Path(platformdirs.user_cache_dir("memnotify"))).absolute()

    def folder(self, name: str) -> Path:
        """Return a folder for working files that are not artifacts (downloads, object trees)."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def lock(self, name: str, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold a lock among all processes that use this store.

        `waiting` is called once if another process holds it.
        """
        from filelock import FileLock, Timeout

        guard = FileLock(self.folder("locks") / f"{name}.lock")
        try:
            guard.acquire(timeout=0)
        except Timeout:
            if waiting is not None:
                waiting()
            guard.acquire()
        try:
            yield
        finally:
            guard.release()

    @asynccontextmanager
    async def lock_async(self, name: str) -> AsyncIterator[None]:
        """Hold the same lock from asyncio; waiting for it can be cancelled."""
        from filelock import AsyncFileLock

        async with AsyncFileLock(self.folder("locks") / f"{name}.lock"):
            yield

    def get(self, kind: str, key: str) -> Artifact | None:
        """Return an artifact, or None if it is missing or damaged.

        A damaged artifact, or one that does not belong under this key, is moved aside so that it is
        built again.
        """
        if not _KEY.fullmatch(key):
            return None  # a key from a manifest could be any path
        path = self.root / kind / key
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            manifest = None
        if manifest is None or not self._intact(path, manifest):
            self._discard(path)
            return None
        with suppress(OSError):  # a store that only its owner may write to can still be used
            os.utime(path)
        return Artifact(kind, key, path, manifest["inputs"], manifest["facts"])

    def listing(self, kind: str) -> list[Artifact]:
        """Return all artifacts of a kind, newest first, without looking at their files."""
        folders = (path.parent for path in (self.root / kind).glob(f"[!.]*/{MANIFEST}"))
        found = [self.noted(kind, folder.name) for folder in folders]
        return sorted(filter(None, found), key=lambda artifact: -artifact.published)

    def noted(self, kind: str, key: str) -> Artifact | None:
        """Return an artifact without looking at its files, or None if it has no valid manifest."""
        folder = self.root / kind / key
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            published = (folder / MANIFEST).stat().st_mtime
            return Artifact(kind, key, folder, manifest["inputs"], manifest["facts"], published)
        except (OSError, ValueError, KeyError):
            return None  # damaged or removed: `get` handles that

    def publish(
        self,
        kind: str,
        inputs: Mapping[str, Any],
        build: Callable[[Path], Mapping[str, Any]],
        *,
        waiting: Callable[[], None] | None = None,
    ) -> Artifact:
        """Return the artifact with these inputs; build it first if it is missing.

        `build` gets an empty folder to fill and returns facts for the manifest (versions, seconds,
        ...). If it raises, nothing is left behind. `inputs` must be a JSON value; the key is its
        digest.
        """
        key = digest_value(inputs)
        found = self.get(kind, key)
        if found is not None:
            return found
        with self.lock(f"{kind}-{key}", waiting=waiting):
            found = self.get(kind, key)
            if found is not None:
                return found
            with self.draft(kind, inputs) as draft:
                draft.facts = build(draft.path)
        found = self.get(kind, key)
        if found is None:
            path = self.root / kind / key
            raise InfrastructureError("store", f"{path} changed while it was being published")
        return found

    def prune(self, kind: str, *, budget: int) -> bool:
        """Remove the least recently used artifacts of a kind until the rest fits in `budget`.

        `budget` is in bytes. The time of use is the mtime of an artifact's folder, which `get`
        sets. An artifact whose lock `<kind>-<key>` is held stays. Returns whether anything was
        removed. Raises OSError.
        """
        found, removed = [], False
        for artifact in self.listing(kind):
            try:
                size = sum(file.stat().st_size for file in artifact.path.iterdir())
                found.append((artifact.path.stat().st_mtime_ns, size, artifact))
            except FileNotFoundError:
                continue  # another process prunes at the same time
        for _, size, artifact in sorted(found, key=lambda item: -item[0]):
            budget -= size
            if budget < 0:
                removed |= self.remove(artifact.path, lock=f"{kind}-{artifact.key}")
        return removed

    def remove(self, path: Path, *, lock: str) -> bool:
        """Remove a file or folder of the store; return False, and leave it, if its lock is held."""
        from filelock import FileLock, Timeout

        guard = FileLock(self.folder("locks") / f"{lock}.lock")
        with suppress(Timeout), guard.acquire(timeout=0):
            if path.is_file():
                path.unlink(missing_ok=True)
            else:
                self._discard(path)
            return True
        return False

    def held_locks(self) -> set[str]:
        """Return the names of the locks that some process holds now."""
        return {
            file.name.removesuffix(".lock")
            for file in self.folder("locks").glob("*.lock")
            if _is_held(file)
        }

    @contextmanager
    def draft(self, kind: str, inputs: Mapping[str, Any]) -> Iterator[Draft]:
        """Yield an empty folder that becomes the artifact with these inputs if its facts are set.

        Without facts, or after an exception, nothing is left behind. Hold the lock `<kind>-<key>`,
        or another process may do the same work.
        """
        parent = self.folder(kind)
        with self._draft_folder(kind) as folder:
            draft = Draft(folder / "artifact")
            draft.path.mkdir()
            try:
                yield draft
            except InfrastructureError as error:
                self._say_if_full(error)
                raise
            if draft.facts is None:
                return
            _write_manifest(draft, inputs)
            try:
                draft.path.rename(parent / digest_value(inputs))
            except OSError as error:
                # Something that does not take our lock (a manual copy) was faster.
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise

    @contextmanager
    def _draft_folder(self, kind: str) -> Iterator[Path]:
        """Create a folder that is locked while we live; remove those of dead processes."""
        with ExitStack() as stack:
            with self.lock(f"{kind}-drafts"):
                for path in self.folder(kind).glob(f"{_DRAFT}*"):
                    _remove_if_left(path)
                folder = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self.folder(kind)))
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                stack.callback(os.close, _lock_folder(folder))
            yield folder

    def _say_if_full(self, error: InfrastructureError) -> None:
        """Add to a build's error that the disk is nearly full: not all compilers say so."""
        free = shutil.disk_usage(self.root).free
        if free < _HARDLY_ANY:
            full = f"is the disk full? {free >> 10} KiB are free for {self.root}"
            error.hint = full if error.hint is None else f"{error.hint}; {full}"

    def _intact(self, path: Path, manifest: Any) -> bool:
        try:
            return (
                digest_value(manifest["inputs"]) == path.name
                and "facts" in manifest
                and seal_holds(manifest)
                and self._holds(path, manifest["files"])
            )
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            return False

    def _holds(self, path: Path, files: Mapping[str, tuple[int, str]]) -> bool:
        """Return whether the files of an artifact have these sizes and digests.

        Those of one that was found intact, and has not changed since, are not read again, not by
        another process either: a source has 138 MB, and a template 22. A change that restores the
        times of a file still shows in when its inode changed.
        """
        now = time.time_ns()
        states = {name: file_state(path / name) for name in files}
        if any(states[name][_SIZE] != size for name, (size, _) in files.items()):
            return False
        seen = digest_value([files, states])
        note = self._note(path)
        with suppress(OSError, ValueError):
            if note.read_text(encoding="utf-8") == seen:
                return True
        if any(digest_file(path / name) != digest for name, (_, digest) in files.items()):
            return False
        # Two changes within one tick of the clock have the same time.
        if all(now - state[-1] > _SETTLED_NS for state in states.values()):
            with suppress(OSError):  # a store that only its owner may write to can still be used
                self.folder(_INTACT)
                note.write_text(seen, encoding="utf-8")
        return True

    def _note(self, path: Path) -> Path:
        """Return the file that says in which state the files of an artifact were found intact."""
        return self.root / _INTACT / f"{path.parent.name}-{path.name}"

    def _discard(self, path: Path) -> None:
        # Renamed like the draft of a dead process, which the next process removes if we die here.
        # A full disk still has room for a rename, though not for a new folder.
        aside = path.with_name(f"{_DRAFT}{uuid.uuid4().hex}")
        with suppress(OSError):
            self._note(path).unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # another process was first
            path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _is_held(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            # A shared lock: two that only look do not see each other.
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # removed meanwhile
    return False


def _lock_folder(folder: Path) -> int:
    """Return a descriptor that holds the lock. Raises BlockingIOError if it is taken."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _remove_if_left(folder: Path) -> None:
    try:
        fd = _lock_folder(folder)
    except (BlockingIOError, FileNotFoundError):
        return  # in use, or just removed
    shutil.rmtree(folder, ignore_errors=True)
    os.close(fd)


def _write_manifest(draft: Draft, inputs: Mapping[str, Any]) -> None:
    files = {
        str(path.relative_to(draft.path)): [path.stat().st_size, digest_file(path)]
        for path in sorted(draft.path.rglob("*"))
        if path.is_file()
    }
    manifest = sealed({"inputs": inputs, "facts": draft.facts, "files": files})
    with (draft.path / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
