"""Find, check, import and register the original mails of a revision."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memnotify.errors import InfrastructureError, InputError, MemnotifyError, no_space
from memnotify.kernel.base import Base, bases, load_base
from memnotify.kernel.download import Web
from memnotify.kernel.import_series import base_files, with_fixes
from memnotify.mailpatch.digest import patch_digests
from memnotify.mailpatch.limits import MAX_BYTES
from memnotify.mailpatch.lore import find_thread
from memnotify.mailpatch.mail import Mail, read_mails
from memnotify.mailpatch.mailbox import all_mails_in_mbox, mails_in_maildir, mails_in_mbox
from memnotify.mailpatch.originals import Found, MailVerdict, RevisionOriginals, asks_for, identify
from memnotify.mailpatch.paths import Reader
from memnotify.mailpatch.rangediff import named_patches, range_diff
from memnotify.mailpatch.repairs import Chooser
from memnotify.mailpatch.restore_series import Imported, ImportedSeries, import_in_order
from memnotify.process import CommandLog
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import (
    MEM_NOTIFY,
    SERIES,
    Series,
    load_series,
    port_of,
    read_series_file,
    revisions,
    tree_version,
)
from memnotify.series.registered import (
    ALTERED,
    FACTS,
    ORIGINAL,
    Registered,
    load_registered,
    root,
    write_facts,
)
from memnotify.store import Store
from memnotify.text import counted

# A network that drops all packets must not delay the next base for long.
_PATIENCE = 6.0  # seconds

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Originals that were imported for a base; `said` states why nearer bases were not used."""

    base: str
    imported: ImportedSeries
    read: Reader
    said: tuple[str, ...] = ()


def find_originals(
    wanted: RevisionOriginals,
    *,
    given: Sequence[Path] = (),
    mbox: Path | None = None,
    maildir: Path | None = None,
    log: CommandLog | None = None,
    progress: Progress,
) -> tuple[Found, ...]:
    """Find the originals of a revision in the user's files, or on lore if none are given.

    Raises InputError for files that cannot be read or have none of them, InfrastructureError if
    lore cannot be reached.
    """
    if not (given or mbox or maildir):
        return _from_lore(wanted, log, progress)
    asked = asks_for(wanted.mails)
    mails = [mail for path in given for mail in read_mails(_there(path))]
    mails += mails_in_mbox(mbox, asked) if mbox is not None else []
    mails += mails_in_maildir(maildir, asked) if maildir is not None else []
    found = identify(mails, wanted.mails)
    by_digest = mbox is None or mbox.stat().st_size <= MAX_BYTES
    if mbox is not None and by_digest and any(one.verdict is MailVerdict.MISSING for one in found):
        # The file is no larger than a MAIL may be: its other mails can be matched by digest.
        mails += all_mails_in_mbox(mbox)
        found = identify(mails, wanted.mails)
    if all(each.verdict is MailVerdict.MISSING for each in found):
        places = ", ".join(str(path) for path in (*given, mbox, maildir) if path is not None)
        raise InputError(
            f"contains none of the {counted(len(found), 'mail')} of {wanted.revision}",
            file=places,
            hint=f"the first is {wanted.mails[0].known_as}; {_what_was_read(mails, by_digest)}",
        )
    return found


def _what_was_read(mails: Sequence[Mail], by_digest: bool) -> str:
    if not by_digest:
        return (
            f"in a file larger than {MAX_BYTES >> 20} MiB, mails are matched by Message-Id and "
            "subject only; to match by digest, save the mails that you mean to a file and give "
            "it as MAIL"
        )
    if not any(mail.headers for mail in mails):
        return "it is neither an mbox nor a mail"
    return f"none of its {counted(len(mails), 'mail')} matches by Message-Id, digest or subject"


def _there(path: Path) -> Path:
    if not path.exists():
        raise InputError("no such file", file=path)
    return path


def _from_lore(
    wanted: RevisionOriginals, log: CommandLog | None, progress: Progress
) -> tuple[Found, ...]:
    mails: list[Mail] = []
    found = identify(mails, wanted.mails)
    for number, original in enumerate(wanted.mails):
        if original.message_id is None or found[number].verdict is not MailVerdict.MISSING:
            continue
        progress(f"fetching {original.message_id}")
        with tempfile.TemporaryDirectory(prefix="memnotify-thread-") as folder:
            thread = find_thread(original.message_id, Path(folder), log=log)
            if thread is not None:
                mails += [
                    dataclasses.replace(mail, source=_source(mail))
                    for mail in read_mails(thread, named=original.message_id)
                ]
        found = identify(mails, wanted.mails)
    return found


def _source(mail: Mail) -> str:
    return mail.headers.get("Message-Id", "").strip("<>") or "lore.kernel.org"


def check_complete(wanted: RevisionOriginals, found: Sequence[Found]) -> None:
    """Raise InputError if a mail is missing."""
    missing = sum(each.verdict is MailVerdict.MISSING for each in found)
    if missing:
        verb = "is" if missing == 1 else "are"
        raise InputError(
            f"{wanted.revision}: {missing} of {counted(len(found), 'mail')} {verb} missing, so "
            "nothing is registered",
            hint="give the files as MAIL, or use another --mbox or --maildir",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What originals are restored against: `tree`, else `base`, else the nearest base that will do.

    `fuzz` is how many context lines at each end of a hunk may be missing from it.
    """

    base: str | None = None
    tree: Path | None = None
    fuzz: int = 0


def import_originals(
    wanted: RevisionOriginals,
    found: Sequence[Found],
    against: Against,
    *,
    choose: Chooser | None = None,
    store: Store,
    log: CommandLog | None = None,
    progress: Progress,
) -> Ready:
    """Restore the originals against a base or a tree, by default the nearest base that they fit.

    Raises InputError if they do not fit, InfrastructureError if no base is available.
    """
    mails = [each.mail for each in found if each.mail is not None]

    def made(name: str, read: Reader) -> Ready:
        imported = import_in_order(mails, read, fuzz=against.fuzz, choose=choose, log=log)
        _check_changes(found, imported)
        return Ready(base=name, imported=imported, read=read)

    if against.tree is not None:
        name, read = _tree_files(against.tree, log)
        return made(name, read)
    if against.base is not None:
        read = base_files(load_base(against.base), store=store, progress=progress)
        return made(against.base, read)
    reasons: list[str] = []
    first: MemnotifyError | None = None
    web = Web(patience=_PATIENCE)
    for name in (name for name in wanted.table.bases if name in bases()):
        try:
            read = base_files(load_base(name), store=store, web=web, progress=progress)
            ready = made(name, read)
        except MemnotifyError as error:
            # That they do not fit a base says more than that another is not available.
            if first is None or isinstance(first, InfrastructureError):
                first = error
            reasons.append(f"not for {name}: {error.message.partition(chr(10))[0]}")
        else:
            return dataclasses.replace(ready, said=tuple(reasons))
    for reason in reasons:
        progress(reason)
    assert first is not None, f"{wanted.revision} has no base that the project has"
    raise first


def _check_changes(found: Sequence[Found], imported: ImportedSeries) -> None:
    """Raise InputError if an import differs from its mail, which would be a bug."""
    for each, patch in zip(found, imported.patches, strict=True):
        if not isinstance(patch, Imported) or each.digest is None:
            where = each.mail.source if each.mail is not None else None
            raise InputError(
                f"{each.original.label}: it changes no line, so it has no digest",
                file=where,
                hint="give the mail with the patch",
            )
        made = patch_digests(patch.data.decode("utf-8", "surrogateescape").split("\n"))
        wanted = {each.digest.whole}
        if repeated := patch.post.text.repeated:
            lines = list(patch.post.mail.lines)
            for line in repeated:
                lines[line - 1] = ""  # so that this is not a hunk
            wanted = {digest.whole for digest in patch_digests(lines)}
        if each.verdict is not MailVerdict.OTHER and (not made or made[0].whole not in wanted):
            raise InputError(
                f"{patch.name} would not have the lines of {each.original.label}",
                file=patch.post.mail.source,
                hint="this is a bug; please report it with the mail",
            )


def _tree_files(tree: Path, log: CommandLog | None) -> tuple[str, Reader]:
    """Return the name of a tree's base, or else its version, and a reader of its files.

    The reader applies the base's own patches if the tree does not have them: in every build they
    come before the series.
    """
    version = tree_version(tree)
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", version):
        raise InputError(f"{version!r} is not a usable version", file=tree)
    read = read_tree(tree)
    base = _base_of(version)
    if base is None:
        return version, read
    try:
        return base.name, with_fixes(base, read, log=log)
    except InputError:
        return base.name, read


def _base_of(version: str) -> Base | None:
    known = (load_base(name) for name in bases())
    return next((base for base in known if base.accepts(version)), None)


def register(
    wanted: RevisionOriginals,
    found: Sequence[Found],
    ready: Ready,
    *,
    store: Store,
    log: CommandLog | None = None,
    progress: Progress,
) -> Registered:
    """Register an import as a series of the user's, where every command finds it; return it.

    It is called `<revision>-original`, or `<revision>-altered` if the text of a mail does not match
    its digest. Raises InputError if it does not apply, or cannot be written.
    """
    altered = any(each.verdict is MailVerdict.OTHER for each in found)
    name = wanted.revision + (ALTERED if altered else ORIGINAL)
    place = root() / name / ready.base
    port = port_of(wanted.revision, ready.base) or MEM_NOTIFY / wanted.revision / ready.base
    ours = [port / patch for patch in wanted.table.ours if (port / patch).is_file()]
    with store.lock(
        f"registered-{name}-{ready.base}",
        waiting=lambda: progress(f"waiting for another registration of {name} to finish"),
    ):
        try:
            # A killed process leaves its draft to the next one that holds this lock.
            draft = root() / f".draft-{name}-{ready.base}"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            try:
                _write(draft, wanted, found, ready.imported, ours)
                patches = read_series_file(draft / SERIES)
                apply_series(
                    Series(revision=name, base=ready.base, patches=patches), ready.read, log=log
                )
                place.parent.mkdir(exist_ok=True)
                # A concurrent reader finds the old series, none, or the new one.
                if place.exists():
                    (place / FACTS).unlink(missing_ok=True)
                    shutil.rmtree(place)
                draft.rename(place)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError as error:
            if no_space(error):
                raise InfrastructureError(
                    "disk-full", f"{place}: no space left for the series"
                ) from error
            hint = "set XDG_DATA_HOME to a writable folder"
            raise InputError("cannot be written", file=place, hint=hint) from error
    return load_registered(name, ready.base)


def _write(
    folder: Path,
    wanted: RevisionOriginals,
    found: Sequence[Found],
    imported: ImportedSeries,
    ours: Sequence[Path],
) -> None:
    names = [patch.name for patch in imported.patches]
    for patch in imported.patches:
        assert isinstance(patch, Imported)
        (folder / patch.name).write_bytes(patch.data)
    for file in ours:
        shutil.copyfile(file, folder / file.name)
    lines = [*names, *(f"{file.name}  # ours" for file in ours)]
    (folder / SERIES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    mails = [mail_row(each) | {"patch": name} for each, name in zip(found, names, strict=True)]
    write_facts(folder, revision=wanted.revision, mails=mails, ours=[file.name for file in ours])


def mail_row(found: Found) -> dict[str, object]:
    """Return what is known about a mail, as a JSON value."""
    original, mail, digest = found.original, found.mail, found.digest
    return {
        "label": original.label,
        "revision": original.revision,
        "part": original.part,
        "of": original.of,
        "subject": original.subject,
        "date": original.date,
        "message_id": original.message_id,
        "verdict": found.verdict.value,
        "note": original.note,
        "source": None if mail is None else mail.source,
        "other_message_id": found.other_id,
        "digest": None if digest is None else digest.whole,
        "changed_lines": None if digest is None else digest.lines,
    }


def difference(registered: Registered, *, log: CommandLog | None = None) -> str | None:
    """Return how a registered series differs from ours, in numbers of lines; None without ours."""
    if registered.base not in revisions().get(registered.revision, ()):
        return None
    ours = load_series(registered.revision, registered.base)
    theirs = load_series(registered.name, registered.base)
    text = range_diff(ours.patches, theirs.patches, stat=True, messages=False, log=log)
    return named_patches(text, ours.patches, theirs.patches)
