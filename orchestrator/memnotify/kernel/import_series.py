"""Restore mails against a user's tree or a base, and write them as a series."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.files import resolved
from memnotify.kernel.base import Base, load_base
from memnotify.kernel.download import Web
from memnotify.kernel.fixes import fixes_for
from memnotify.kernel.pristine import pristine_files
from memnotify.kernel.source import ensure_source
from memnotify.mailpatch.companions import companions_of, is_whole
from memnotify.mailpatch.folder import is_series, listed_in
from memnotify.mailpatch.lore import fetch_thread
from memnotify.mailpatch.mail import Mail, placed, read_mails
from memnotify.mailpatch.mailbox import mails_in_maildir, mails_in_mbox
from memnotify.mailpatch.names import message_id
from memnotify.mailpatch.paths import Reader
from memnotify.mailpatch.repairs import Chooser
from memnotify.mailpatch.restore_series import ImportedSeries, import_mails
from memnotify.mailpatch.write import undo_killed, write_series
from memnotify.process import CommandLog
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import SERIES, Series, read_series_file, tree_version
from memnotify.store import Store


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What to import: `mails` are files, folders and Message-Ids (of `mbox`, if one is given).

    They are restored against `base` or `tree`. With `replace` the patches replace those in the
    folder that have the same numbers.
    """

    mails: Sequence[str]
    base: str | None = None
    tree: Path | None = None
    mbox: Path | None = None
    fuzz: int = 0
    revision: int | None = None
    replace: bool = False


def import_series(
    request: ImportRequest,
    folder: Path,
    *,
    choose: Chooser | None = None,
    store: Store,
    log: CommandLog | None = None,
    progress: Callable[[str], None],
) -> ImportedSeries:
    """Restore mails against a base or a tree, and write them into a folder: all or nothing.

    Waits while another import into the same folder is running. Raises as `import_mails`,
    `write_series` and `fetch_thread` do.
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError("is a file, not a folder", file=place, hint="-o must name a folder")
    series = folder / SERIES
    lock = f"series-{digest_value(str(resolved(folder)))}"
    with store.lock(
        lock, waiting=lambda: progress(f"waiting for another import into {folder} to finish")
    ):
        undo_killed(folder)
        mails = _all_mails(request, log)
        beside = read_series_file(series) if request.replace and series.is_file() else ()
        read = _files(request.base, request.tree, store, progress)
        imported = import_mails(
            mails,
            read,
            beside=beside,
            fuzz=request.fuzz,
            revision=request.revision,
            choose=choose,
            log=log,
        )
        notes = write_series(imported, folder, replace=request.replace)
    return dataclasses.replace(imported, said=(*imported.said, *notes))


def _all_mails(request: ImportRequest, log: CommandLog | None) -> list[Mail]:
    """Return the mails of all files and folders, and of the threads that are named besides.

    Raises InputError for a word that names neither a file nor a mail.
    """
    read: dict[str, list[Mail]] = {}
    named: dict[str, str] = {}
    # A series file among its patches, as the shell's * gives it, is their order.
    series = [path for word in request.mails if is_series(path := Path(word).expanduser())]
    listed = {resolved(file) for path in series for file, _ in listed_in(path)}
    unlisted = {resolved(path.parent): (str(path.parent), -1) for path in series}
    for word in request.mails:
        path = Path(word).expanduser()
        if path in series:
            read[word] = read_mails(path)
        elif path.exists():
            place = unlisted.get(resolved(path.parent))
            read[word] = [] if resolved(path) in listed else placed(read_mails(path), place)
        if word in read:
            continue
        wanted = message_id(word)
        if wanted is None:
            hint = "a Message-Id or a link to lore also works"
            raise InputError("no such file", file=word, hint=hint)
        named[word] = wanted
    given = {_id(mail) for mails in read.values() for mail in mails}
    for word, wanted in named.items():
        # What is here need not be fetched.
        read[word] = [] if wanted in given else _thread(wanted, request.mbox, log)
    return [mail for word in request.mails for mail in read[word]]


def _thread(wanted: str, mbox: Path | None, log: CommandLog | None) -> list[Mail]:
    """Return the thread of a Message-Id."""
    with tempfile.TemporaryDirectory(prefix="memnotify-thread-") as folder:
        thread = fetch_thread(wanted, Path(folder), mbox=mbox, log=log)
        mails = read_mails(thread, named=wanted)
    if mbox is not None:
        mails += _companions(wanted, mails, mbox)
    return [dataclasses.replace(mail, source=wanted) for mail in mails]


def _companions(wanted: str, thread: Sequence[Mail], mbox: Path) -> list[Mail]:
    """Return the mails of a set that its thread lacks because no header links them to it."""
    anchor = next((mail for mail in thread if _id(mail) == wanted), None)
    if anchor is None or is_whole(anchor, thread):
        return []
    find = mails_in_maildir if mbox.is_dir() else mails_in_mbox
    had = {_id(mail) for mail in thread}
    return [mail for mail in find(mbox, companions_of(anchor)) if _id(mail) not in had]


def _id(mail: Mail) -> str:
    return mail.headers.get("Message-Id", "").strip("<>")


def _files(
    base: str | None, tree: Path | None, store: Store, progress: Callable[[str], None]
) -> Reader:
    """Return a reader of the files that a series changes: a base's have its patches applied."""
    if tree is not None:
        tree_version(tree)
        return read_tree(tree)
    assert base is not None
    return base_files(load_base(base), store=store, progress=progress)


def base_files(
    known: Base, *, store: Store, web: Web | None = None, progress: Callable[[str], None]
) -> Reader:
    """Return a reader of the files of a base, with the base's own patches applied.

    Raises InfrastructureError if its source is not available, InputError as `fixes_for` does.
    """
    source = ensure_source(known, None, store=store, web=web, progress=progress)
    pristine = pristine_files(source, known.arches[0], store=store, progress=progress)
    return with_fixes(known, pristine)


def with_fixes(known: Base, read: Reader, *, log: CommandLog | None = None) -> Reader:
    """Return a reader of a tree's files with the base's own patches applied.

    Raises InputError if they do not apply, as to a tree that already has them.
    """
    own = fixes_for(known, read, log=log).on(Series(revision="", base=known.name))
    patched = apply_series(own, read, log=log).files
    return lambda name: patched[name] if name in patched else read(name)
