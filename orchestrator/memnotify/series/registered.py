"""Originals that a user has imported: series beside those of the project.

Each is a folder `<name>/<base>` with a `series` file, its patches, and `original.json`, which
states where they came from. They are in the user's data folder and not in the cache, because they
may be hard to obtain again. They have the promises of the revision that they are the originals of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict

from memnotify.errors import InputError
from memnotify.files import read_bytes
from memnotify.jsontext import dump, parse
from memnotify.series.folders import SERIES

FACTS = "original.json"
ORIGINAL, ALTERED = "-original", "-altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A registered series for one base, and what is known about each of its mails.

    `mails` has objects with `label`, `subject`, `date`, `message_id`, `verdict`, `digest` and
    `patch`; `ours` are patches of the project that were appended.
    """

    name: str
    base: str
    folder: Path
    revision: str
    mails: tuple[Mapping[str, Any], ...]
    ours: tuple[str, ...]

    def notes(self) -> list[str]:
        """Return the notes that must accompany it wherever it is shown."""
        notes = [
            f"{mail['label']}: {mail['verdict']}"
            for mail in self.mails
            if mail["verdict"] in ("another text", "no digest on file")
        ]
        return notes + [f"{name} is a patch of this project" for name in self.ours]


class _Mail(BaseModel):
    """The keys of a mail that are checked; the others are passed on."""

    model_config = ConfigDict(extra="allow", strict=True)

    label: str
    verdict: str


class _Facts(BaseModel):
    """The whole of `original.json`."""

    model_config = ConfigDict(strict=True)

    revision: str
    mails: list[_Mail]
    ours: list[str]


def root() -> Path:
    """Return the folder of all registered series."""
    return Path(platformdirs.user_data_dir("memnotify")) / "series"


def registered() -> dict[str, tuple[str, ...]]:
    """Return the name of each registered series with the bases that it is for."""
    found: dict[str, list[str]] = {}
    for file in sorted(root().glob(f"*/*/{FACTS}")):
        if (file.parent / SERIES).is_file():
            found.setdefault(file.parent.parent.name, []).append(file.parent.name)
    return {name: tuple(bases) for name, bases in found.items()}


def load_registered(name: str, base: str) -> Registered:
    """Return a registered series. Raises InputError if its files were damaged since."""
    folder = root() / name / base
    file = folder / FACTS
    try:
        facts = _Facts.model_validate(parse(read_bytes(file)))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(file) from error
    if facts.revision != asked_for(name):
        raise damaged(file)
    return Registered(
        name=name,
        base=base,
        folder=folder,
        revision=facts.revision,
        mails=tuple(mail.model_dump() for mail in facts.mails),
        ours=tuple(facts.ours),
    )


def damaged(file: Path) -> InputError:
    """Return the error for a registered series with a damaged file."""
    return InputError("is damaged", file=file, hint="`memnotify series originals` writes it again")


def revision_of(name: str) -> str | None:
    """Return the revision whose originals a registered series has; None for other names."""
    bases = registered().get(name, ())
    return load_registered(name, bases[0]).revision if bases else None


def asked_for(name: str) -> str | None:
    """Return the revision whose originals a name means, whether they exist or not."""
    for ending in (ORIGINAL, ALTERED):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return None


def write_facts(
    folder: Path, *, revision: str, mails: Sequence[Mapping[str, Any]], ours: Sequence[str]
) -> None:
    """Register the series in a folder; it is visible from now on."""
    text = dump({"revision": revision, "mails": list(mails), "ours": list(ours)})
    draft = folder / f".{FACTS}"
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(folder / FACTS)
