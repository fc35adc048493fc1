"""What is in the store, and what may be removed of it.

Nothing is removed that a process uses, and nothing that a known run needs for a replay. Whatever
else is removed can be fetched or built again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memnotify.errors import InputError
from memnotify.kernel.dwarf import DWARF
from memnotify.kernel.stored import KERNEL, SOURCE
from memnotify.results.folder import RunFolder
from memnotify.results.runs import run_folders
from memnotify.run.claims import held_claims
from memnotify.store import INCOMING, PATIENCE_S, Artifact, Store

IMAGE, PROGRAM, TEMPLATE, ENVIRONMENT = "image", "program", "template", "environment"
CLIENT = "client"
TREES, DOWNLOADS, CCACHE, ZIG_CACHE = "trees", "downloads", "ccache", "zig-cache"

KINDS: Mapping[str, str] = {
    SOURCE: "kernel sources",
    KERNEL: "kernels",
    DWARF: "debug information of kernels",
    IMAGE: "initramfs images",
    PROGRAM: "compiled guest programs",
    CLIENT: "compiled clients of the user's own",
    TEMPLATE: "booted guests",
    ENVIRONMENT: "Python packages for the hosts of a fleet",
    TREES: "unpacked trees with object files",
    DOWNLOADS: "files that were fetched in part, and hosts that did not answer",
    INCOMING: "kernels and images that were sent to this host in part",
    CCACHE: "compiled objects of kernels",
    ZIG_CACHE: "compiled objects of the guest program and of clients",
}
"""The kinds of things in the store, and what they are."""

_ARTIFACTS = (SOURCE, KERNEL, DWARF, IMAGE, PROGRAM, CLIENT, TEMPLATE, ENVIRONMENT)
# Locks that are held while something of a kind is read: the beginnings of their names.
_READERS = {
    SOURCE: ("fetch-", "tree-", "kernel-"),
    KERNEL: ("run-",),
    IMAGE: ("run-",),
    PROGRAM: ("image-",),
    CLIENT: ("image-", "run-"),
    CCACHE: ("kernel-",),
    ZIG_CACHE: ("image-", "program-", "client-"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something in the store. `used` is in seconds since 1970, `size` in bytes on the disk."""

    kind: str
    key: str
    what: str
    size: int
    used: float
    path: Path

    @property
    def lock(self) -> str:
        """The lock that is held while it is made or changed."""
        if self.kind == INCOMING:
            return self.key  # the name of its folder is that of the lock
        kind = {TREES: "tree", DOWNLOADS: "download"}.get(self.kind, self.kind)
        return f"{kind}-{self.key}"

    @property
    def date(self) -> str:
        return datetime.fromtimestamp(self.used, UTC).strftime("%Y-%m-%d %H:%M")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"path": str(self.path), "used": self.date}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What became of an item: it was removed (with a dry run: would be), or kept for a reason."""

    item: Item
    kept: str | None = None

    def to_json(self) -> dict[str, Any]:
        return self.item.to_json() | {"kept": self.kept}


def items(store: Store, kinds: Collection[str] = KINDS) -> Iterator[Item]:
    """Yield what is in the store, by kind."""
    for kind in kinds:
        if kind in _ARTIFACTS:
            for artifact in store.listing(kind):
                yield _item(kind, artifact.key, artifact.path, _what(artifact))
        elif kind in (CCACHE, ZIG_CACHE):
            if (store.root / kind).is_dir():
                yield _item(kind, kind, store.root / kind, KINDS[kind])
        else:
            for path in sorted((store.root / kind).glob("[!.]*")):
                yield _item(kind, path.name, path, "")


def prune(
    store: Store,
    *,
    kinds: Collection[str],
    unused_s: float,
    needed: Mapping[str, Sequence[str]],
    dry_run: bool,
) -> Iterator[Pruned]:
    """Remove what nobody has used for `unused_s` seconds; yield what became of each such item.

    `needed` has the keys of kernels and images that runs need, and these runs.
    """
    now = time.time()
    for item in items(store, kinds):
        if now - item.used < unused_s:
            continue
        kept = _why_kept(item, store, needed)
        if kept is None and not dry_run and not store.remove(item.path, lock=item.lock):
            kept = "in use"
        yield Pruned(item=item, kept=kept)


def _why_kept(item: Item, store: Store, needed: Mapping[str, Sequence[str]]) -> str | None:
    if (runs := needed.get(item.key)) and item.kind in (KERNEL, IMAGE):
        more = f" and {len(runs) - 1} more" if runs[1:] else ""
        return f"{runs[0]}{more} needs it for a replay"
    # Looked up for each item: a run may begin meanwhile.
    if item.kind == INCOMING and time.time() - item.used < PATIENCE_S:
        return "in use"  # whoever waits for it has not given up
    held = store.held_locks()
    if item.lock in held or any(name.startswith(_READERS.get(item.kind, ())) for name in held):
        return "in use"
    guests = any(True for _ in held_claims(store.folder("ledger")))
    return "in use" if guests and item.kind in (KERNEL, IMAGE, TEMPLATE) else None


def needed_by(roots: Sequence[Path]) -> dict[str, list[str]]:
    """Return the keys of the kernels and images of all runs below some folders, and the runs."""
    found: dict[str, list[str]] = {}
    for run in (run for root in roots if root.is_dir() for run in run_folders(root)):
        try:
            rows = RunFolder(run).plan()
        except InputError as error:
            hint = "repair or remove it, or name other folders with --runs"
            raise InputError(f"what {run} needs is not known: {error}", hint=hint) from error
        keys = {str(row.inputs.get(kind)) for row in rows for kind in (KERNEL, IMAGE)}
        for key in keys:
            found.setdefault(key, []).append(str(run))
    return found


def _what(artifact: Artifact) -> str:
    inputs, facts = artifact.inputs, artifact.facts
    match artifact.kind:
        case "kernel":
            words = [inputs.get(key) for key in ("base", "revision", "arch", "variant")]
        case "source":
            words = [inputs.get("base"), facts.get("version"), facts.get("origin")]
        case "template" | "dwarf":
            words = ["kernel", str(inputs.get("kernel"))[:12]]
        case "client":
            words = [inputs.get("name"), inputs.get("arch")]
        case _:
            words = [inputs.get("arch")]
    return " ".join(str(word) for word in words if word)


def _item(kind: str, key: str, path: Path, what: str) -> Item:
    size, used = _measured(path)
    return Item(kind=kind, key=key, what=what, size=size, used=used, path=path)


def _measured(path: Path) -> tuple[int, float]:
    """Return the bytes on the disk, each file once, and when the folder or its top changed last."""
    size, used, seen = 0, 0.0, set[tuple[int, int]]()
    for folder, names, files in os.walk(path):
        for name in (".", *files, *(names if folder == str(path) else ())):
            try:
                found = os.lstat(os.path.join(folder, name))  # noqa: PTH118
            except OSError:
                continue  # removed meanwhile
            if folder == str(path):
                used = max(used, found.st_mtime)
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                size += found.st_blocks * 512
    if path.is_file():
        found = path.lstat()
        size, used = found.st_blocks * 512, found.st_mtime
    return size, used
