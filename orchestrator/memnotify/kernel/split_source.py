"""Find, check and pin the files of a tree that comes in pieces.

The digest of a piece is looked up in this order: in kernels/<base>.toml, in kernels/<base>.lock,
in the user's own lock file, and in the list of checksums in its folder. If none of them has it, the
digest is written to a lock file once the assembled tree has been accepted; from then on a different
file is refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import platformdirs

from memnotify import places, toml
from memnotify.digest import digest_file
from memnotify.errors import InfrastructureError, InputError
from memnotify.files import replace_text
from memnotify.kernel.base import Base, PiecesSource, PieceTable, Suffix
from memnotify.kernel.download import Refused, Web, download
from memnotify.store import Store

_SUFFIXES: tuple[str, ...] = get_args(Suffix)
_HEAD = """\
# SHA-256 of files without a published digest, as they were when first fetched.
# Another file of the same name is refused. In a checkout, commit this file.

[sha256]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPiece:
    """A piece on this machine. `to_pin`: its digest is new, and goes into the lock file."""

    file: Path
    sha256: str
    origin: str
    to_pin: bool


class _Lock(toml.Table):
    sha256: dict[str, str]


def known_digests(base: Base, source: PiecesSource) -> dict[str, str]:
    """Return the SHA-256 of every file for which the base or its lock file has one."""
    known = _pinned(base)
    for piece in source.piece:
        known |= {f"{piece.name}.{suffix}": digest for suffix, digest in piece.sha256.items()}
    return known


def _own_lock(base: Base) -> Path:
    return Path(platformdirs.user_data_dir("memnotify")) / "kernels" / base.lock.name


def _pinned(base: Base) -> dict[str, str]:
    return _read(_own_lock(base)) | _read(base.lock)


def _read(lock: Path) -> dict[str, str]:
    return dict(toml.load(lock, _Lock).sha256) if lock.exists() else {}


def pin(base: Base, pieces: Iterable[LocalPiece], *, progress: Callable[[str], None]) -> None:
    """Write the digests of pieces that have no other digest to a lock file.

    The lock file is beside the file of the base, where it can be committed. If that folder cannot
    be written, or belongs to an installed package, which the next installation replaces, the lock
    file is among the user's own data.

    Raises OSError if it cannot be written.
    """
    new = {piece.file.name: piece.sha256 for piece in pieces if piece.to_pin}
    if not new:
        return
    ours = places.installed(base.root) or not os.access(base.root, os.W_OK)
    lock = _own_lock(base) if ours else base.lock
    lock.parent.mkdir(parents=True, exist_ok=True)
    pinned = _read(lock) | new
    lines = [f"{json.dumps(name)} = {json.dumps(pinned[name])}" for name in sorted(pinned)]
    replace_text(lock, _HEAD + "".join(f"{line}\n" for line in lines))
    for name in new:
        progress(f"pinned {name} in {lock}")


def fetch_pieces(
    base: Base, source: PiecesSource, *, store: Store, web: Web, progress: Callable[[str], None]
) -> list[LocalPiece]:
    """Fetch all pieces into the store's folder of downloads, and return them.

    Raises InfrastructureError for the first one that is not available; the message lists what was
    tried.
    """
    known = known_digests(base, source)
    return [_fetch(base, piece, known, store, web, progress) for piece in source.piece]


def given_pieces(base: Base, source: PiecesSource, folder: Path) -> list[LocalPiece]:
    """Return the pieces in a folder of the user's, each compressed in any way or uncompressed.

    Raises InputError if one is missing, or has the wrong digest.
    """
    known = known_digests(base, source)
    pieces = []
    for table in source.piece:
        names = [*(f"{table.name}.{suffix}" for suffix in _SUFFIXES), table.name]
        file = next((folder / name for name in names if (folder / name).is_file()), None)
        if file is None:
            raise InputError(
                f"this folder has no {table.name}",
                file=folder,
                hint=f"{base.name} is made of "
                f"{', '.join(piece.name for piece in source.piece)}, each uncompressed or "
                "with .xz, .bz2 or .gz",
            )
        found = digest_file(file)
        expected = known.get(file.name, found)
        if expected != found:
            raise InputError(
                f"its SHA-256 is {found}, but {expected} was expected",
                file=file,
                hint=_unpin(base, table, file.name),
            )
        # Files that a user gives are not pinned for others.
        pieces.append(
            LocalPiece(file=file, sha256=found, origin=str(file.absolute()), to_pin=False)
        )
    return pieces


def _fetch(
    base: Base,
    piece: PieceTable,
    known: Mapping[str, str],
    store: Store,
    web: Web,
    progress: Callable[[str], None],
) -> LocalPiece:
    tried = []
    for folder in piece.folders:
        try:
            for name, sha256 in _candidates(piece, folder, known, web):
                try:
                    return _download(folder + name, sha256, store, web, progress)
                except Refused as error:
                    tried.append(str(error))
        except InfrastructureError as error:
            hint = _unpin(base, piece, name) if error.kind == "checksum" else None
            tried.append(f"{error} ({hint})" if hint else str(error))
    raise InfrastructureError("source", "; ".join(tried))


def _download(
    url: str, sha256: str | None, store: Store, web: Web, progress: Callable[[str], None]
) -> LocalPiece:
    name = url.rpartition("/")[2]
    target = store.folder("downloads") / name
    with store.lock(f"download-{name}"):
        if sha256 is None or not target.exists() or digest_file(target) != sha256:
            if urlsplit(url).netloc not in web.silent:
                progress(f"downloading {url}")
            found = download(url, target, sha256, web=web)
            return LocalPiece(file=target, sha256=found, origin=url, to_pin=sha256 is None)
    return LocalPiece(file=target, sha256=sha256, origin=url, to_pin=False)


def _unpin(base: Base, piece: PieceTable, name: str) -> str | None:
    """Return a hint for a file that differs from the pinned one; None if it was not pinned."""
    pinned = name.removeprefix(f"{piece.name}.") not in piece.sha256
    lock = base.lock if name in _read(base.lock) else _own_lock(base)
    return (
        f"pinned in {lock}: if the new file is correct, remove its line there" if pinned else None
    )


def _candidates(
    piece: PieceTable, folder: str, known: Mapping[str, str], web: Web
) -> Iterator[tuple[str, str | None]]:
    """Yield names and digests in one folder: known digests, those in its list, then None.

    The list is fetched only when it is needed.
    """
    names = [f"{piece.name}.{suffix}" for suffix in _SUFFIXES]
    yield from ((name, known[name]) for name in names if name in known)
    listed = _listed(folder + piece.checksums, web) if piece.checksums else {}
    rest = [name for name in names if name not in known]
    yield from ((name, listed[name]) for name in rest if name in listed)
    yield from ((name, None) for name in rest if name not in listed)


def _listed(url: str, web: Web) -> dict[str, str]:
    try:
        sums = web.read(url)
    except Refused:
        return {}  # this folder has no list
    return {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", sums, re.M)}
