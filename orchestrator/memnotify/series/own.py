"""Series of the user's own: folders, ranges of git and mails that a campaign names.

A copy is kept under a name made from the folder or branch and the short id of a state of it, such
as `mine@1a2b3c4`. A state has one name: what has the same content again has the same name again, so
that its kernel is not built and its cells are not run once more.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.files import draft_folder, read_bytes, replace_text
from memnotify.jsontext import dump, parse
from memnotify.series.folders import SERIES

GIT, MAIL = "git:", "mail:"
"""How a word begins that names a range of git, or mails."""

SERIES_WORD = (
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[0-9a-f-]{4,45})?|\.\.?|(\.\.?/|/|~/|git:|mail:).{1,1000}"
)
SERIES_WORDS = "a series: a revision, a folder such as ./mine, git:TREE#BASE..BRANCH or mail:THREAD"
"""What a campaign may call a series, as a pattern and for people."""

CONFIG, REVISION = "config", "revision.toml"
ANY = "any"
"""The folder of a series that is for no base in particular."""

_AT, _FACTS = "@", "own.json"
_FOLDERS = ("./", "../", "/", "~/")
SHORT_ID = 7
_LONGEST = 48
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}@[0-9a-f]{4,40}(-[0-9a-f]{4,64})?")


def branch_of(name: str) -> str:
    """Return the name of a series without the id of its state: of `mine@1a2b3c4`, mine."""
    return name.partition(_AT)[0]


def is_word(text: str) -> bool:
    """Return whether a text names a folder, a range of git, or mails, and no revision."""
    return text in (".", "..") or text.startswith((*_FOLDERS, GIT, MAIL))


def label_of(word: str) -> str:
    """Return the name that tables use for what a word names, without the id of its state."""
    if word.startswith(GIT):
        name = re.split(r"\.\.|#", word)[-1].removeprefix("refs/heads/")
    elif word.startswith(MAIL):
        name = Path(word.removeprefix(MAIL)).stem.partition("@")[0]
    else:
        name = Path(word).expanduser().resolve().name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_LONGEST].strip("-._")
    return plain or "mine"


def means(word: str, name: str) -> bool:
    """Return whether a word of a campaign, or a name, means the series of this name."""
    return word == name or (is_word(word) and label_of(word) == branch_of(name))


def root() -> Path:
    """Return the folder of all copies."""
    return Path(platformdirs.user_data_dir("memnotify")) / "own"


def is_own(name: str) -> bool:
    """Return whether there is a copy of this name."""
    return _NAME.fullmatch(name) is not None and (root() / name / _FACTS).is_file()


def folder_for(name: str, base: str) -> Path:
    """Return the folder of a copy that has the patches for a base. Raises InputError."""
    folder = root() / name
    known = bases(name)
    if base in known:
        return folder / base
    if known == (ANY,):
        return folder / ANY
    raise InputError(f"series {name} is not for base {base}", hint=f"it is for: {', '.join(known)}")


def bases(name: str) -> tuple[str, ...]:
    """Return the bases that a copy is for, or only ANY."""
    return tuple(sorted(file.parent.name for file in (root() / name).glob(f"*/{SERIES}")))


def promises_file(name: str) -> Path:
    """Return the file with the promises of a series, whether it exists or not.

    It is where the series came from, so that promises can be added after a run; the copy is for a
    folder that is gone.
    """
    facts = _facts(root() / name)
    origin = facts.get("origin")
    there = isinstance(origin, str) and Path(origin).is_dir()
    return (Path(str(origin)) if there else root() / name) / REVISION


def origin_of(name: str) -> Path | None:
    """Return the folder in which `promises_file` is looked for first, if there is a copy."""
    return Path(str(_facts(root() / name)["origin"])) if is_own(name) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A series where the user has it.

    `folders` has the folder of the patches for each base, or for ANY. `state` is the short id of a
    commit; without, it is that of the content. `origin` may have a revision.toml, and for a series
    without folders of its own a `config`. `word` is how the user named it, and `note` what else
    the user should know.
    """

    label: str
    folders: Mapping[str, Path]
    origin: Path
    word: str
    state: str | None = None
    note: str | None = None


def adopt(found: Found) -> str:
    """Keep a copy of a series, and return its name."""
    content = {base: _content(folder) for base, folder in sorted(found.folders.items())}
    digest = digest_value([[base, *files.items()] for base, files in content.items()])
    top = root()
    for place in sorted(top.glob(f"{found.label}{_AT}*")):
        if _facts(place).get("content") == digest:
            _keep_facts(found, place, digest)
            return place.name
    top.mkdir(parents=True, exist_ok=True)
    with draft_folder(top) as draft:
        for base, files in content.items():
            (draft / base).mkdir()
            for file in files:
                shutil.copyfile(found.folders[base] / file, draft / base / file)
        _keep_facts(found, draft, digest)
        return _put(draft, f"{found.label}{_AT}{found.state or digest[:SHORT_ID]}", digest)


def _put(draft: Path, name: str, digest: str) -> str:
    """Give a copy the first free name, or find the same copy, which another process may make."""
    for ending in ("", f"-{digest[:4]}", f"-{digest}"):
        place = draft.with_name(name + ending)
        try:
            draft.rename(place)
        except OSError:
            if not place.is_dir():
                raise
        else:
            return place.name
        if _facts(place).get("content") == digest:
            return place.name
    raise FileExistsError(errno.EEXIST, "is not what its name says", str(place))


def _keep_facts(found: Found, place: Path, digest: str) -> None:
    """Note where a copy was last found, and keep the promises that are there."""
    facts = {"content": digest, "origin": str(found.origin.resolve()), "word": found.word}
    replace_text(place / _FACTS, dump(facts) + "\n")
    told = found.origin / REVISION
    if told.is_file():
        shutil.copyfile(told, place / REVISION)


def _content(folder: Path) -> dict[str, str]:
    """Return the files of a series with their digests."""
    names = [SERIES, *([CONFIG] if (folder / CONFIG).is_file() else [])]
    names += sorted(path.name for path in folder.iterdir() if _is_patch(folder, path))
    return {name: hashlib.sha256(read_bytes(folder / name)).hexdigest() for name in names}


def _is_patch(folder: Path, path: Path) -> bool:
    text = (folder / SERIES).read_text(encoding="utf-8", errors="replace")
    listed = {line.split()[0] for line in text.splitlines() if line.split()}
    return path.name in listed and path.is_file()


def _facts(place: Path) -> dict[str, Any]:
    try:
        found = parse(read_bytes(place / _FACTS))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
