"""What has to be true of every input, whatever it is; and the inputs to begin with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from memnotify.errors import InputError
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.restore_series import Imported, import_mails
from memnotify.series.apply import FileState

from tests.support.history import Files, as_bytes, git_apply
from tests.support.made_history import BASE, original_of, steps
from tests.support.mail_forms import DAMAGES, FORMS, WRONG_LABELS, make
from tests.support.verdicts import DOUBTS

TREE = {name: FileState(text.encode(), 0o644) for name, text in BASE.items()}


class ContradictionError(AssertionError):
    """A result that git, or a second import, contradicts."""


def _read(name: str) -> FileState | None:
    return TREE.get(name)


def _imported(data: bytes) -> list[Imported]:
    patches = import_mails(mails_of(data, Path("mail")), _read).patches
    return [patch for patch in patches if isinstance(patch, Imported)]


def _texts(files: Files) -> list[bytes]:
    """Return the files of a tree without their names.

    If the names of a file before and after differ, git moves it; but such names are those of
    copies, such as lamp.c.orig, and the importer takes the one that the tree has.
    """
    return sorted(state.data for state in files.values() if state is not None)


def check(data: bytes) -> str:
    """Import any bytes on the made-up tree, and return the result.

    They are refused with an InputError, or what they give is the same as `git apply` gives of them,
    if git takes them as they are and they are a mail that needs no decoding. And a patch that was
    imported is imported again without any change.
    """
    try:
        mails = mails_of(data, Path("mail"))
        patches = _imported(data)
    except InputError as refused:
        if not str(refused).strip():
            raise ContradictionError("a refusal without a word") from refused
        return "refused"
    if len(patches) != 1:
        return "a series"
    (patch,) = patches
    # git apply leaves a CR of the transport in the files.
    as_it_stands = len(mails) == 1 and not mails[0].undone and not mails[0].doubts
    as_it_stands = as_it_stands and b"\r" not in data
    gits = git_apply(data, TREE) if as_it_stands else None
    ours = git_apply(patch.data, TREE)
    if ours is None:
        raise ContradictionError("git apply does not take the result")
    if gits is not None and _texts(gits) != _texts(ours):
        if any(repair.kind in DOUBTS and not repair.sure for repair in patch.repairs):
            return "doubted"  # such as a wrong count, by which git goes
        differ = sorted(n for n in {*gits, *ours} if gits.get(n) != ours.get(n))
        raise ContradictionError(f"git apply makes something else of {', '.join(differ)}")
    try:
        again = _imported(patch.data)
    except InputError as error:
        raise ContradictionError(f"its own result is refused: {error}") from error
    if len(again) != 1 or again[0].data != patch.data:
        raise ContradictionError("its own result gives another one")
    return "as git apply" if gits is not None else "restored"


def seeds() -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of mails to begin with: patches for the tree, in all forms."""
    rng = random.Random(14)
    before = {name: text.encode() for name, text in BASE.items()}
    kinds = [*FORMS, *DAMAGES, *WRONG_LABELS]
    for number, (message, files) in enumerate(steps()):
        encoded = {name: None if text is None else text.encode() for name, text in files.items()}
        old = {name: before.get(name) for name in files}
        original = original_of(old, encoded, message=message.split("\n"))
        for kind in kinds:
            made = make(original, kind, rng)
            if made is not None and (kind in FORMS or rng.random() < 0.4):
                yield f"{number}-{kind.replace(' ', '-').replace('/', '-')}", made.data
        yield f"{number}-diff", original.diff
        yield f"{number}-text", as_bytes(original.lines)
