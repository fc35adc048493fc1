"""Files that users name, or that came with a run from elsewhere, read if they are regular files.

A pipe without a writer blocks, and a device has no end, so anything except a file is refused before
it is opened.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from memnotify.errors import InputError
from memnotify.text import shown

DRAFT = ".new-"
"""Files and folders whose names begin so are not complete, or were left by a killed process."""

_READER_S = 1.0
_USUAL = 0o666


def named(name: str | os.PathLike[str], what: str) -> Path:
    """Return the path of a name that a program was given; `what` it is called in messages.

    Raises InputError for what cannot be a path. `Path` takes an empty name for the current folder.
    """
    text = os.fspath(name) if isinstance(name, str | os.PathLike) else name
    if not isinstance(text, str):
        raise InputError(f"{what} must be a name or a Path, not {shown(name)}")
    if not text:
        raise InputError(f"{what}: the name is empty")
    if "\0" in text:
        raise InputError(f"{what}: {shown(text)} is not a name: it has a null character")
    return Path(text)


def refuse_special(path: Path) -> None:
    """Raise InputError for a pipe, a device or a socket.

    A folder or a missing file is accepted: opening it gives a clear error. Raises OSError if the
    path cannot be examined.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError("not a regular file", file=path)


def resolved(path: Path) -> Path:
    """Return a path without symbolic links. Raises InputError for a loop of links."""
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        # Only strict does Python 3.13 mind a loop; until 3.12, it was a RuntimeError.
        if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
            raise InputError("a loop of symbolic links", file=path) from error
    return path.resolve()


def _mode(path: Path) -> int:
    """Return the mode of what a path leads to, 0 if that is nothing. Raises OSError."""
    # Path.is_dir() and others take every error for an absence since Python 3.14.
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return 0
        raise


def refuse_as_result(file: Path) -> None:
    """Raise InputError for a file that cannot be written, before the work that it is for."""
    try:
        in_folder, is_folder = stat.S_ISDIR(_mode(file.parent)), stat.S_ISDIR(_mode(file))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=file) from error
    if is_folder or not in_folder:
        what = "is a folder" if is_folder else "the folder that it goes into does not exist"
        raise InputError(f"cannot be written: {what}", file=file)


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Turn an OSError into an InputError that names the user's file as not writable.

    A pipe without a reader is refused, because opening it would block forever. One that has a
    reader is held open meanwhile: else the reader would take the end of this test for the end of
    the text.
    """
    try:
        held = _with_reader(file) if file.is_fifo() else None
        try:
            yield
        finally:
            if held is not None:
                os.close(held)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=file) from error


def write_whole(file: Path, data: bytes) -> None:
    """Write the user's file such that its readers see the old content or all of the new.

    A full disk, or another process that writes the same file, leaves no part of it. A link stays,
    and what it leads to is written. Raises InputError as `writing` does.
    """
    with writing(file):
        place = resolved(file)
        try:
            there = place.stat()
        except FileNotFoundError:
            there = None
        if there is not None and not (stat.S_ISREG(there.st_mode) and there.st_uid == os.geteuid()):
            file.write_bytes(data)  # a pipe, a device, or a file that has to stay another user's
            return
        mode = _USUAL if there is None else stat.S_IMODE(there.st_mode)
        try:
            with replacing(place, mode=mode | stat.S_IWUSR) as draft:
                draft.write_bytes(data)
                if there is not None:
                    draft.chmod(mode)
        except PermissionError:
            file.write_bytes(data)  # a file of ours in a folder that is not


@contextmanager
def replacing(file: Path, *, mode: int = _USUAL) -> Iterator[Path]:
    """Yield an empty file to fill; at the end it takes the place of `file`.

    It is beside that file, with a name that begins with `DRAFT`. After an exception it is removed,
    and `file` stays as it is. The umask limits `mode`. Raises OSError.
    """
    draft = file.with_name(f"{DRAFT}{uuid.uuid4().hex}")
    draft.touch(mode=mode, exist_ok=False)
    try:
        yield draft
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def replace_text(file: Path, text: str) -> None:
    """Write a file as `replacing` does."""
    with replacing(file) as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def draft_folder(parent: Path, *, name: str = "", private: bool = False) -> Iterator[Path]:
    """Yield an empty folder below `parent`; it is removed at the end, unless it was renamed.

    Its name begins with `DRAFT` and `name`. Only its owner can enter a private one. Raises OSError.
    """
    folder = parent / f"{DRAFT}{name}{uuid.uuid4().hex}"
    folder.mkdir(mode=0o700 if private else 0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end it becomes `place`.

    After an exception it is removed, and there is no `place`. Raises OSError, also if `place` is a
    file, or a folder that is not empty.
    """
    with draft_folder(place.parent) as draft:
        yield draft
        draft.rename(place)


@contextmanager
def held_for_result(file: Path | None) -> Iterator[None]:
    """Refuse a file that cannot be written, before the work that it is for, which is done inside.

    A pipe is tested and held as by `writing`. None is accepted. Raises InputError; an OSError of
    the work is passed on.
    """
    held = None
    if file is not None:
        refuse_as_result(file)
        if file.is_fifo():
            held = _with_reader(file)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _with_reader(pipe: Path) -> int:
    """Open a named pipe for writing, and give its reader, which may start beside us, a moment."""
    last = time.monotonic() + _READER_S
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise InputError(f"cannot be written: {error.strerror}", file=pipe) from error
            if time.monotonic() > last:
                text = "cannot be written: no program reads this pipe"
                raise InputError(text, file=pipe, hint="start its reader first") from error
        time.sleep(0.02)


def refuse_as_folder(path: Path) -> None:
    """Raise InputError for a path at which no new folder can be made, such as a dangling link."""
    try:
        mode = _mode(path)
        if path.is_symlink() and not mode:
            raise InputError("a link that leads nowhere", file=path, hint="name a new folder")
        if mode and not stat.S_ISDIR(mode):
            raise InputError("is a file, not a folder", file=path, hint="name a new folder")
        if mode and any(path.iterdir()):
            raise InputError(f"{path} already exists", hint="name a new folder")
    except OSError as error:
        raise InputError(f"cannot hold results: {error.strerror}", file=path) from error


def file_state(path: Path) -> tuple[int, ...]:
    """Return numbers, one of which changes with a file; the last is when, in ns. Raises OSError."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def open_file(path: Path) -> BufferedReader:
    """Open a file to read its bytes.

    Raises OSError as `open` does, and InputError as `refuse_special` does.
    """
    refuse_special(path)
    # O_NONBLOCK, in case it has become a pipe since the check.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file. Raises UnicodeDecodeError, and as `open_file` does."""
    return read_bytes(path).decode().replace("\r\n", "\n")
