"""The series of a user's own that a campaign names: folders, ranges of git, and mails."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from memnotify.campaign.place import Place
from memnotify.campaign.schema import CampaignTable
from memnotify.errors import InputError
from memnotify.series.folders import (
    SERIES,
    is_series_folder,
    no_series,
    series_folders,
    series_text,
)
from memnotify.series.own import ANY, GIT, MAIL, Found, adopt, is_own, is_word, label_of
from memnotify.series.quilt import named_series
from memnotify.series.ranges import patches_of
from memnotify.store import Store
from memnotify.text import printable


def with_own_series(place: Place, table: CampaignTable) -> CampaignTable:
    """Return the campaign with the names of copies instead of folders, ranges and mails.

    They are relative to the folder of the campaign. Each refusal is an error of its line, unless it
    is of a file of the user's.
    """
    matrix = table.matrix
    names: list[str] = []
    for index, word in enumerate(matrix.series):
        here = place.at("matrix", "series", index)
        name = word
        if is_word(word):
            try:
                name = _adopted(word, place.path.parent, table.kernel.base)
            except InputError as error:
                if error.file is not None and Path(str(error.file)).suffix:
                    raise
                here.refuse(error.message, hint=error.hint)
        elif "@" in word and not is_own(word):
            here.refuse(f"there is no series {word} any more, or yet")
        if name in names:
            other = matrix.series[names.index(name)]
            here.refuse(f"{word} has the same patches as {other}, so cells would be identical")
        names.append(name)
    if names == matrix.series:
        return table
    return table.model_copy(update={"matrix": matrix.model_copy(update={"series": names})})


def _adopted(word: str, at: Path, bases: Sequence[str]) -> str:
    if word.startswith(GIT):
        with patches_of(word, at) as found:
            if found.note is not None:
                _say(found.note)
            return adopt(found)
    if word.startswith(MAIL):
        return _mails(word, at, bases)
    folder = (at / Path(word).expanduser()).resolve()
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}", hint="paths are relative to the folder of the campaign"
        )
    if is_series_folder(folder):
        folders = {ANY: folder}
    else:
        folders = series_folders(folder)
        if not folders:
            raise no_series(folder)
    for inner in folders.values():
        named_series(str(inner))  # its errors are those of the user's files
    with tempfile.TemporaryDirectory(prefix="memnotify-series-") as scratch:
        whole = {base: _with_series(inner, Path(scratch, base)) for base, inner in folders.items()}
        return adopt(Found(label=label_of(str(folder)), folders=whole, origin=folder, word=word))


def _with_series(folder: Path, scratch: Path) -> Path:
    """Return a folder that has a `series` file: the one given or, without it, one of links."""
    if (folder / SERIES).is_file():
        return folder
    scratch.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (scratch / path.name).symlink_to(path)
    (scratch / SERIES).write_text(series_text(folder), encoding="utf-8")
    return scratch


def _mails(word: str, at: Path, bases: Sequence[str]) -> str:
    """Import a thread for each base of the campaign; their sources are fetched if needed."""
    # Imports take half a second to import themselves, which few campaigns need.
    from memnotify.kernel.import_series import ImportRequest, import_series

    named = word.removeprefix(MAIL)
    file = at / Path(named).expanduser()
    label = label_of(word)
    with tempfile.TemporaryDirectory(prefix="memnotify-mails-") as scratch:
        folders = {}
        for base in bases:
            request = ImportRequest(mails=[str(file) if file.exists() else named], base=base)
            folders[base] = Path(scratch, base)
            import_series(request, folders[base], store=Store(), progress=_say)
        return adopt(Found(label=label, folders=folders, origin=at / label, word=word))


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr)
